"""`after evaluate`: how in tune, on time and true to its timbre an instrument plays."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from after.controls import CONTROLS
from after.errors import ConfigError

if TYPE_CHECKING:
    from after.evaluation.timbre import TimbreReferences
    from after.evaluation.trials import Phrase, Player, Recording, Trial

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)

_EXAMPLES = """\b
Examples:
  after evaluate                                   the bundled instrument, every timbre, a built-in phrase
  after evaluate --instrument my.ts --midi song.mid --timbre flute --json figures.json
  after evaluate --audio render.wav --midi song.mid
  after evaluate --make-centroids recordings/ --out centroids.json
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateOptions:
    """What was asked for on the command line."""

    instrument: Path | None
    midi: tuple[Path, ...]
    timbre: tuple[str, ...]
    audio: tuple[Path, ...]
    reference: tuple[Path, ...]
    reference_phrases: Path | None
    centroids: Path | None
    json: Path | None
    save: Path | None
    steps: int | None
    seed: int
    max_seconds: float
    pitch_model: Literal["tiny", "full"]
    make_centroids: Path | None
    out: Path | None


@click.command(epilog=_EXAMPLES)
@click.option("--instrument", type=_FILE, metavar="FILE", help="An instrument file; default: the bundled one.")
@click.option("--midi", type=_FILE, multiple=True, metavar="FILE", help="What to play; repeatable.")
@click.option("--timbre", multiple=True, metavar="NAME", help="A timbre to play it in; repeatable; default: all.")
@click.option("--audio", type=_FILE, multiple=True, metavar="FILE", help="Score this recording of --midi instead.")
@click.option(
    "--reference", type=_FILE, multiple=True, metavar="AUDIO", help="The same played for real, one for each recording."
)
@click.option(
    "--reference-phrases",
    type=_FOLDER,
    metavar="DIR",
    help="The same played for real, as `after play_samples` makes it: DIR/<timbre>/<name of the MIDI file>.flac.",
)
@click.option("--centroids", type=_FILE, metavar="FILE", help="Timbre references; default: the bundled ones.")
@click.option("--json", type=_FILE, metavar="FILE", help="Also write every figure as JSON.")
@click.option("--save", type=_FOLDER, metavar="DIR", help="Keep each render and its picture.")
@click.option(
    "--steps",
    type=click.IntRange(1, int(CONTROLS["num_steps"].maximum)),
    help="Sampler steps; default: the instrument's.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the renders.")
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=0.5),
    default=30.0,
    show_default=True,
    help="How much of each MIDI file to play.",
)
@click.option(
    "--pitch-model",
    type=click.Choice(["tiny", "full"]),
    default="full",
    show_default=True,
    help="CREPE network; tiny is about 18 times faster and makes more octave errors.",
)
@click.option("--make-centroids", type=_FOLDER, metavar="DIR", help="Make timbre references from DIR/<instrument>/*.")
@click.option("--out", type=_FILE, metavar="FILE", help="Where --make-centroids writes.")
def command(**arguments: Any) -> None:
    """Measure pitch, onsets, timbre, dynamics and silence of renders against the MIDI they play."""
    options = EvaluateOptions(**arguments)
    if options.make_centroids is not None:
        _make_centroids(options.make_centroids, options.out)
        return
    _check(options)
    trials = _run(options)
    _report(trials, options)


def _check(options: EvaluateOptions) -> None:
    if options.out is not None:
        raise ConfigError("--out goes with --make-centroids; to write the figures use --json FILE")
    if options.audio and not options.midi:
        raise ConfigError("--audio needs --midi: give the MIDI file that the recording plays")
    if options.audio and len(options.midi) not in (1, len(options.audio)):
        raise ConfigError(
            f"{len(options.audio)} recordings and {len(options.midi)} MIDI files: give one for all or one for each"
        )
    if options.audio and len(options.timbre) not in (0, 1, len(options.audio)):
        raise ConfigError(
            f"{len(options.audio)} recordings and {len(options.timbre)} timbres: give one for all or one for each"
        )


def _run(options: EvaluateOptions) -> list["Trial"]:
    from after.evaluation.centroids import load_bundled_centroids, load_centroids
    from after.evaluation.performance import PerformanceSettings
    from after.evaluation.trials import Scorer, build_phrase, read_phrase, score_all

    centroids: TimbreReferences | None
    centroids = load_centroids(options.centroids) if options.centroids else load_bundled_centroids()
    phrases = [read_phrase(path, max_s=options.max_seconds) for path in options.midi] or [build_phrase()]
    if options.audio:
        recordings, total = _read(options, phrases), len(options.audio)
    else:
        recordings, total = _render(options, phrases)
    if options.reference and len(options.reference) != total:
        raise ConfigError(f"{len(options.reference)} references for {total} recordings: give one for each, in order")
    settings = PerformanceSettings(pitch_model=options.pitch_model)
    scorer = Scorer(settings=settings, centroids=centroids, reference_phrases=options.reference_phrases)
    with _progress_bar(total) as advance:

        def on_scored(recording: "Recording", trial: "Trial") -> None:
            if options.save is not None:
                _keep(options.save, recording)
            advance()

        return score_all(scorer, _with_references(recordings, options.reference), on_scored=on_scored)


def _read(options: EvaluateOptions, phrases: Sequence["Phrase"]) -> Iterable["Recording"]:
    from after.audio import read_audio
    from after.evaluation.trials import Recording

    for index, path in enumerate(options.audio):
        audio, sample_rate = read_audio(path)
        timbre = options.timbre[min(index, len(options.timbre) - 1)] if options.timbre else None
        length = round((options.max_seconds + 2.0) * sample_rate)
        yield Recording(phrases[min(index, len(phrases) - 1)], timbre, audio[:, :length], sample_rate)


def _render(options: EvaluateOptions, phrases: Sequence["Phrase"]) -> tuple[Iterable["Recording"], int]:
    from after.evaluation.trials import render_phrases
    from after.instrument import Instrument

    instrument = Instrument.load(options.instrument)
    if options.steps is not None:
        instrument.set(num_steps=options.steps)
    timbres = options.timbre or tuple(instrument.timbres)
    player: Player = instrument
    folder = options.reference_phrases
    recordings = render_phrases(player, phrases, timbres, seed=options.seed, reference_phrases=folder)
    return recordings, len(phrases) * len(timbres)


def _with_references(recordings: Iterable["Recording"], references: Sequence[Path]) -> Iterable["Recording"]:
    from dataclasses import replace

    for index, recording in enumerate(recordings):
        yield replace(recording, reference_path=references[index]) if references else recording


def _keep(folder: Path, recording: "Recording") -> None:
    from after.audio import write_audio
    from after.evaluation.picture import draw_render

    stem = "_".join(part.replace("/", "-") for part in (recording.phrase.name, recording.timbre) if part)
    write_audio(folder / f"{stem}.flac", recording.audio, recording.sample_rate)
    title = f"{recording.phrase.name}: {recording.timbre or 'recording'}"
    draw_render(folder / f"{stem}.png", recording.audio, recording.sample_rate, recording.phrase.notes, title)


def _report(trials: Sequence["Trial"], options: EvaluateOptions) -> None:
    import json

    from rich.console import Console
    from rich.table import Table

    from after.evaluation.report import COLUMNS, build_report, summarise, summary_lines, table_row
    from after.files import written_atomically

    table = Table()
    for column in COLUMNS:
        table.add_column(column, justify="left" if column in ("phrase", "timbre", "nearest") else "right")
    for trial in trials:
        table.add_row(*table_row(trial))
    console = Console(width=None if Console().is_terminal else 170)
    console.print(table)
    for line in summary_lines(summarise(trials)):
        click.echo(line)
    if options.json is not None:
        settings: dict[str, object] = {"instrument": str(options.instrument or "bundled"), "num_steps": options.steps,
                    "seed": options.seed, "pitch_model": options.pitch_model}  # fmt: skip
        with written_atomically(options.json) as temporary:
            temporary.write_text(json.dumps(build_report(trials, settings), indent=1), encoding="utf-8")
        click.echo(f"{options.json}")


def _make_centroids(folder: Path, out: Path | None) -> None:
    from after.evaluation.centroids import compute_centroids, list_instruments, save_centroids

    if out is None:
        raise ConfigError("--make-centroids needs --out FILE: say where to write the timbre references")
    total = sum(len(paths) for paths in list_instruments(folder).values())
    with _progress_bar(total) as advance:
        references = compute_centroids(folder, on_progress=lambda _done, _total: advance())
    save_centroids(out, references)
    click.echo(f"{out}: {len(references.names)} instruments from {total} recordings")


def _progress_bar(total: int) -> Any:
    """Show a bar on stderr; the context gives a function that advances it by one."""
    from contextlib import contextmanager

    from rich.console import Console
    from rich.progress import Progress

    @contextmanager
    def bar() -> Any:
        console = Console(stderr=True)
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            task = progress.add_task("scoring", total=total)
            yield lambda: progress.advance(task)

    return bar()
