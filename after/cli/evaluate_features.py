"""`after evaluate_features`: how well the features of a data store hear what recordings play."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

if TYPE_CHECKING:
    from after.evaluation.features_report import Heard

_EXAMPLES = """\b
Examples:
  after evaluate_features phrases/
  after evaluate_features phrases/ --limit 5 --crepe full --json features.json
"""


@click.command(epilog=_EXAMPLES)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--crepe", type=click.Choice(["tiny", "full"]), default="tiny", show_default=True, help="Pitch network.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Take the first N recordings of each folder.  [all]")
@click.option("--tolerance-ms", type=click.FloatRange(1, 1000), default=50.0, show_default=True,
              help="By which onsets of notes may differ.")  # fmt: skip
@click.option("--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda"]),
              help="Where CREPE runs.")  # fmt: skip
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads of CREPE.")
@click.option("--json", "json_path", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Also write every figure as JSON.")  # fmt: skip
def command(
    folder: Path,
    crepe: Literal["tiny", "full"],
    limit: int | None,
    tolerance_ms: float,
    device: str,
    threads: int,
    json_path: Path | None,
) -> None:
    """Measure features on FOLDER: recordings, each with what it plays as a MIDI file of the same name beside it.

    Features are computed as `after prepare_dataset --feature` computes them; each folder of recordings is a group, and
    every note and every frame of a group counts once.

    Notes: those of Basic Pitch are paired by mir_eval with those of the MIDI file (sustain pedal applied), where onsets
    are within 50 ms (--tolerance-ms) and pitches within 50 cents; then also offsets, within 50 ms or a fifth of the
    note.

    Pitch: CREPE's, on frames where exactly one note sounds by the MIDI file. Raw accuracy is the share within 50 cents,
    chroma forgives octaves, voicing recall is the share called voiced; false alarms are frames called voiced where no
    note sounds, though one may still ring. Frames within 50 ms of the beginning or the end of a note do not count.

    Loudness: compared with an A-weighting filter in time at four times the rate, on frames above -60 dB.
    """
    import torch

    from after.data.extract.pitch import PitchSettings
    from after.errors import AudioError
    from after.evaluation.features_recordings import find_played, read_played
    from after.evaluation.features_report import measure_features
    from after.files import check_writable

    if json_path is not None:
        check_writable(json_path)
    torch.set_num_threads(threads)
    files = find_played(folder, per_group=limit or 0)
    with _progress_bar(len(files)) as advance:
        recordings = read_played(
            files, on_left_out=lambda error: click.echo(f"left out: {error}", err=True), on_done=advance
        )
        heard = measure_features(
            recordings, PitchSettings(size=crepe, device=device), tolerance_s=tolerance_ms / 1000.0
        )
    if not heard:
        raise AudioError(f"none of the {len(files)} recordings can be measured")
    _show(heard)
    if json_path is not None:
        _write(json_path, heard, threads, {"crepe": crepe, "limit": limit, "tolerance_ms": tolerance_ms})


def _show(heard: "Sequence[Heard]") -> None:
    from rich.console import Console
    from rich.table import Table

    from after.evaluation.features_report import TABLES, pool

    pooled = pool(heard)
    console = Console(width=None if Console().is_terminal else 150)
    for title, columns, make_row in TABLES:
        table = Table(title=title, title_justify="left")
        for index, column in enumerate(columns):
            table.add_column(column, justify="right" if index else "left")
        for each in pooled[:-1]:
            table.add_row(*make_row(each))
        table.add_section()
        table.add_row(*make_row(pooled[-1]))
        console.print(table)


def _write(path: Path, heard: "Sequence[Heard]", threads: int, settings: dict[str, object]) -> None:
    import json

    from after.evaluation.bench import describe_machine
    from after.evaluation.features_report import as_data
    from after.files import written_atomically

    data = {"machine": describe_machine(threads), "settings": settings, **as_data(heard)}
    with written_atomically(path) as temporary:
        temporary.write_text(json.dumps(data, indent=1, allow_nan=False), encoding="utf-8")
    click.echo(f"{path}")


@contextmanager
def _progress_bar(total: int) -> Iterator[Callable[[], None]]:
    """Show a bar on stderr; the context gives a function that advances it by one."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("recordings", total=total)
        yield lambda: progress.advance(task)
