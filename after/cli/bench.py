"""`after bench`: how fast an instrument is, whether it streams exactly, and how late it sounds."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from after.evaluation.bench import Report
    from after.instrument import Instrument

InstrumentLoader = Callable[[Path | None], "Instrument"]
"""Loads an instrument file, or the bundled one; who embeds the command may hand another loader to click as `obj`."""

_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(epilog="Example: after bench piano.safetensors --json bench.json")
@click.argument("instrument", type=_FILE, required=False)
@click.option("--seconds", type=click.FloatRange(0.1, 600), default=4.0, show_default=True, help="Per measurement.")
@click.option("--threads", type=click.IntRange(1), default=1, show_default=True, help="CPU threads.")
@click.option("--json", "json_path", type=_FILE, metavar="FILE", help="Also write every figure as JSON.")
@click.pass_context
def command(ctx: click.Context, instrument: Path | None, seconds: float, threads: int, json_path: Path | None) -> None:
    """Measure INSTRUMENT (default: the bundled one) on this machine.

    A real-time factor is computing time over playing time: below 1 the instrument keeps up. Exit code 1 means that
    the stream and the render of the same notes, or melody, differ by more than 1e-4.
    """
    import json

    import torch

    from after.evaluation.bench import BenchSettings, bench, count_parts
    from after.files import written_atomically
    from after.instrument import Instrument

    torch.set_num_threads(threads)
    load: InstrumentLoader = ctx.obj or Instrument.load
    player = load(instrument)
    settings = BenchSettings(seconds=seconds)
    with _progress_bar(count_parts(settings)) as progress:
        report = bench(player, settings, default_steps=player.attributes.num_steps, threads=threads, progress=progress)
    for line in report_lines(report):
        click.echo(line)
    if json_path is not None:
        with written_atomically(json_path) as temporary:
            temporary.write_text(json.dumps(report.to_dict(), indent=1), encoding="utf-8")
        click.echo(f"{json_path}")
    if not report.streams_exactly:
        click.echo("the stream differs from the render: this instrument does not stream", err=True)
        ctx.exit(1)


def report_lines(report: "Report") -> Iterator[str]:
    """Say everything that was measured."""
    from after.evaluation.bench import MAX_STREAM_ERROR

    machine = report.machine
    yield f"after {machine['after']}, torch {machine['torch']}, {machine['threads']} of {machine['cores']} cores"
    yield f"{machine['cpu']}, {machine['system']}, Python {machine['python']}"
    yield ""
    yield "real-time factor     block   median    worst block"
    for speed in (*report.decoder, *report.speeds):
        name = "decoder alone" if speed.num_steps == 0 else f"{speed.num_steps} step{'s' * (speed.num_steps > 1)}"
        yield (
            f"  {name:<16} {speed.block_size:>7} {speed.median_factor:>8.3f} {speed.worst_factor:>8.3f} "
            f"({speed.worst_ms:.1f} ms)"
        )
    yield ""
    yield f"stream and render    block   largest difference (at most {MAX_STREAM_ERROR:g})"
    for block_size, error in report.stream_errors.items():
        verdict = "equal" if error <= MAX_STREAM_ERROR else "DIFFERENT"
        yield f"  {verdict:<16} {block_size:>7} {error:>11.2g}"
    yield ""
    yield from _latency_lines(report)
    yield f"peak memory {report.peak_memory_mb:.0f} MB"


def _latency_lines(report: "Report") -> Iterator[str]:
    def shown(samples: int | None) -> str:
        if samples is None:
            return f"{'none':>6}           "
        return f"{samples:>6} ({1000 * samples / report.sample_rate:>6.1f} ms)"

    yield f"latency declared     {shown(report.latency_samples)}, beside the host's buffer"
    yield "note or tone to          first change         audible"
    for delay in report.delays:
        yield f"  {delay.timbre:<16}  {shown(delay.change_samples)}  {shown(delay.audible_samples)}"


@contextmanager
def _progress_bar(total: int) -> Iterator[Callable[[str], None]]:
    """Show what is being measured, on stderr."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)

        def advance(part: str) -> None:
            bar.update(task, description=part, advance=1)

        yield advance
