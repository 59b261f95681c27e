"""`after evaluate_codec`: how true codecs are to recordings, and what they cost."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from after.errors import AudioError, ConfigError

if TYPE_CHECKING:
    from after.codec.load import AnyCodec
    from after.evaluation.codec_costs import CodecCosts
    from after.evaluation.codec_reconstruction import System
    from after.evaluation.codec_report import Reconstructions

_WORDS = ("group", "system", "codec", "method", "stream - whole")

_EXAMPLES = """\b
Examples:
  after evaluate_codec runs/codec --audio recordings/
  after evaluate_codec old=piano.safetensors new=runs/codec --audio recordings/ --opus 16 --opus 32
  after evaluate_codec --audio recordings/ --opus 24 --json opus.json
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class CodecOptions:
    """What was asked for on the command line."""

    codecs: tuple[str, ...]
    audio: tuple[Path, ...]
    opus: tuple[float, ...]
    seconds: float
    per_group: int
    sample_rate: int | None
    codec_sample_rate: int | None
    pitch_model: Literal["tiny", "full"]
    latent_noise: float | None
    threads: int
    cost: bool
    cost_seconds: float
    json: Path | None


@click.command(epilog=_EXAMPLES)
@click.argument("codecs", nargs=-1, metavar="[NAME=]CODEC...")
@click.option(
    "--audio",
    type=click.Path(path_type=Path),
    multiple=True,
    metavar="PATH",
    help="Recordings to reconstruct: a folder, searched deeply, or a file; repeatable.",
)
@click.option(
    "--opus",
    type=click.FloatRange(6, 256),
    multiple=True,
    metavar="KBPS",
    help="Also send the recordings through Ogg Opus at about so many kbit/s; repeatable.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0.5, 600),
    default=12.0,
    show_default=True,
    help="How much of each recording to take.",
)
@click.option(
    "--per-group",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Take the first N recordings of each folder; 0 for all.",
)
@click.option(
    "--sample-rate",
    type=click.IntRange(8000, 192000),
    metavar="HZ",
    help="Rate at which sounds are compared; default: the lowest of the codecs' rates.",
)
@click.option(
    "--codec-sample-rate",
    type=click.IntRange(min=1),
    metavar="HZ",
    help="Of TorchScript codecs that do not state it; the others have their own.",
)
@click.option(
    "--pitch-model",
    type=click.Choice(["tiny", "full"]),
    default="tiny",
    show_default=True,
    help="CREPE network; full is about 18 times slower and makes fewer octave errors.",
)
@click.option(
    "--latent-noise",
    type=click.FloatRange(0, min_open=True),
    metavar="STD",
    help="Noise of the latents in the row of a codec that has a bit budget; default: that of the codec's training.",
)
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads for --audio.")
@click.option("--cost/--no-cost", default=True, show_default=True, help="Measure what the codecs cost, on one thread.")
@click.option(
    "--cost-seconds",
    type=click.FloatRange(0.1, 600),
    default=8.0,
    show_default=True,
    help="Audio per measurement of speed.",
)
@click.option("--json", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
              help="Also write every figure as JSON.")  # fmt: skip
def command(**arguments: Any) -> None:
    """Measure CODECs: run folders of `after train_autoencoder`, checkpoints, codec or instrument files.

    Costs: encode and decode by themselves in TorchScript, arithmetic, memory, declared and measured latency, and the
    difference between streams, their declared latency taken out, and the whole sequence. Exit code 1 means that one of
    these is above 1e-4: the stream is not exact, or late by something else than it declares.

    Figures of a reconstruction: log-mel and multi-scale STFT distance to the original (0 is equal), SI-SDR, share of
    the frames with a pitch whose pitch stays within 50 cents, A-weighted level difference, log-mel distance of the
    same input at -40 dB, and the level that digital silence comes back with. SI-SDR compares waveforms: a codec that
    does not keep phases, as one that sounds sines, scores far below 0 dB by construction, however alike it sounds.
    CREPE hears one pitch at a time, so the figure says little about chords. Each folder of recordings is a group.

    Latents are real numbers and have no bit rate. A codec that was trained with noise on its latents has a second row,
    with that noise and the bit budget that goes with it: the one to compare with Opus.
    """
    options = CodecOptions(**arguments)
    _check(options)
    import torch

    from after.files import check_writable

    if options.json is not None:
        check_writable(options.json)
    torch.set_num_threads(options.threads)
    codecs = _load(options.codecs, options.codec_sample_rate)
    report: dict[str, dict[str, object]] = {}
    if options.audio:
        result = _reconstruct(options, codecs)
        _show_reconstructions(result)
        _gather(report, result)
    costs = _measure_costs(options, codecs)
    for name, found in costs.items():
        report.setdefault(name, {})["cost"] = found.to_dict()
    if options.json is not None:
        _write(options.json, options, report)
    inexact = [name for name, found in costs.items() if not found.streams_exactly]
    if inexact:
        click.echo(f"the stream, or its latency, differs from the whole sequence: {', '.join(inexact)}", err=True)
        click.get_current_context().exit(1)


def _check(options: CodecOptions) -> None:
    if not options.codecs and not options.opus:
        raise ConfigError("nothing to measure: name a codec (run folder, checkpoint, codec or instrument file)")
    if not options.cost and not options.audio:
        raise ConfigError("nothing to measure: --no-cost leaves the recordings, name them with --audio")
    if options.latent_noise is not None and not options.audio:
        raise ConfigError("--latent-noise needs --audio: it is heard in reconstructions only")
    if options.opus and not options.audio:
        raise ConfigError("--opus needs --audio: name recordings to send through it")
    twice = [kbps for kbps in dict.fromkeys(options.opus) if options.opus.count(kbps) > 1]
    if twice:
        raise ConfigError(f"--opus {twice[0]:g} is given twice: once will do")


def _load(sources: tuple[str, ...], sample_rate: int | None) -> dict[str, "AnyCodec"]:
    """Load every codec under the name it was given, or that of its file or folder."""
    from after.evaluation.codec_systems import load_any_codec

    codecs: dict[str, AnyCodec] = {}
    for text in sources:
        label, equals, rest = text.partition("=")
        is_named = bool(equals) and not Path(text).exists()
        path = Path(rest if is_named else text)
        own_name = path.resolve().name if path.is_dir() else path.stem
        name = label if is_named else own_name
        if name in codecs:
            raise ConfigError(f"two codecs are called {name!r}: name them apart, for instance other={path}")
        codecs[name] = load_any_codec(path, sample_rate=sample_rate)
    return codecs


def _reconstruct(options: CodecOptions, codecs: Mapping[str, "AnyCodec"]) -> "Reconstructions":
    """Send the recordings through every system; those that cannot be measured are named and left out."""
    from after.evaluation.codec_reconstruction import measure_silence_db, try_systems
    from after.evaluation.codec_recordings import find_recordings, read_recordings
    from after.evaluation.codec_report import Reconstructions
    from after.evaluation.codec_systems import OpusSystem, codec_systems

    systems: list[System] = []
    for name, codec in codecs.items():
        systems += codec_systems(name, codec, options.latent_noise)
    systems += [OpusSystem(kbps) for kbps in options.opus]
    rate = options.sample_rate or min((codec.sample_rate for codec in codecs.values()), default=44100)
    recordings = find_recordings(options.audio, per_group=options.per_group)
    originals = read_recordings(
        recordings,
        rate,
        seconds=options.seconds,
        pitch_model=options.pitch_model,
        on_left_out=lambda error: click.echo(f"left out: {error}", err=True),
    )
    with _progress_bar(len(recordings) * len(systems), "reconstructing") as advance:
        trials = try_systems(originals, systems, pitch_model=options.pitch_model, on_done=advance)
    if not trials:
        raise AudioError(f"none of the {len(recordings)} recordings can be measured")
    return Reconstructions(tuple(trials), {system.name: measure_silence_db(system, rate) for system in systems})


def _show_reconstructions(result: "Reconstructions") -> None:
    from after.evaluation.codec_report import COLUMNS, group_rows, overall_rows

    if len(result.groups) > 1:
        _print_table("", ("group", *COLUMNS), list(group_rows(result)))
    num_recordings = len({(trial.group, trial.recording) for trial in result.trials})
    title = f"{num_recordings} recordings"
    _print_table(title, (*COLUMNS, "silence dBFS"), list(overall_rows(result)))


def _print_table(title: str, columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title or None, title_justify="left")
    for column in columns:
        table.add_column(column, justify="left" if column in _WORDS else "right")
    for row in rows:
        table.add_row(*row)
    Console(width=None if Console().is_terminal else 150).print(table)


def _measure_costs(options: CodecOptions, codecs: Mapping[str, "AnyCodec"]) -> "dict[str, CodecCosts]":
    """Measure and show what the codecs cost; nothing if that was not asked for."""
    from after.evaluation import codec_costs as report

    if not options.cost or not codecs:
        return {}
    costs = {}
    with _progress_bar(len(codecs), "measuring costs") as advance:
        for name, codec in codecs.items():
            costs[name] = report.measure_costs(codec, seconds=options.cost_seconds)
            advance()
    _print_table("costs", report.COST_COLUMNS, [report.cost_row(*item) for item in costs.items()])
    for columns, make_rows in (
        (report.SPEED_COLUMNS, report.speed_rows),
        (report.STREAM_COLUMNS, report.stream_rows),
    ):
        _print_table("", columns, [row for item in costs.items() for row in make_rows(*item)])
    return costs


def _gather(report: dict[str, dict[str, object]], result: "Reconstructions") -> None:
    from after.evaluation.codec_report import reconstruction_data

    for name in result.silence_db:
        report.setdefault(name, {})["reconstruction"] = reconstruction_data(result, name)


def _write(path: Path, options: CodecOptions, report: Mapping[str, object]) -> None:
    import json

    from after.evaluation.bench import describe_machine
    from after.files import written_atomically

    settings = {"seconds": options.seconds, "pitch_model": options.pitch_model, "latent_noise": options.latent_noise}
    data = {"machine": describe_machine(options.threads), "settings": settings, "systems": report}
    with written_atomically(path) as temporary:
        temporary.write_text(json.dumps(data, indent=1, allow_nan=False), encoding="utf-8")
    click.echo(f"{path}")


@contextmanager
def _progress_bar(total: int, doing: str) -> Iterator[Callable[[], None]]:
    """Show a bar on stderr; the context gives a function that advances it by one."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda: progress.advance(task)
