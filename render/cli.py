"""`after render`: a MIDI file or a recording and a timbre in, an audio file out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from after.controls import CONTROLS
from render.errors import RenderError, TimbreError

if TYPE_CHECKING:
    from render.engine import Progress, RenderResult
    from render.job import InstrumentLoader, Job
    from render.timeline import Timeline

_FILE = click.Path(path_type=Path)

_EXAMPLES = """\b
Examples:
  after render song.mid --timbre cello -o out.wav
  after render quartet.mid --timbre-for 1=violin --timbre-for 4=cello --effects room
  after render humming.wav --instrument follower.ts --timbre 0.3,-0.5 -o out.wav
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderOptions:
    """What was asked for on the command line."""

    source: Path | None
    timbre: str
    timbre_for: tuple[str, ...]
    instrument: Path | None
    out: Path | None
    force: bool
    effects: str
    seed: int
    steps: int | None
    guidance_structure: float | None
    guidance_timbre: float | None
    temperature: float | None
    transpose: int | None
    tail_seconds: float
    bit_depth: str
    normalize: bool
    picture: Path | None
    list_timbres: bool


def range_of(name: str) -> click.IntRange | click.FloatRange:
    """Give the values that an instrument takes for a control: what it would clamp is refused."""
    control = CONTROLS[name]
    if control.is_int:
        return click.IntRange(int(control.minimum), int(control.maximum))
    return click.FloatRange(control.minimum, control.maximum)


@click.command(epilog=_EXAMPLES)
@click.argument("source", metavar="INPUT", type=_FILE, required=False)
@click.option(
    "--timbre",
    default="auto",
    show_default=True,
    metavar="NAME|FILE|X,Y",
    help="Timbre of every channel: a name of the instrument (part of it is enough), an audio file, a place on the map "
    "of timbres, or auto for the one nearest to each channel's General MIDI program (of a recording: the first).",
)
@click.option(
    "--timbre-for",
    multiple=True,
    metavar="CHANNEL=NAME",
    help="Timbre of one MIDI channel, 1-16; repeatable; goes before --timbre.",
)
@click.option("--instrument", type=_FILE, metavar="FILE", help="An instrument file; default: the bundled one.")
@click.option(
    "-o",
    "--out",
    type=_FILE,
    metavar="FILE",
    help="Where to write: .wav, .flac or .ogg; default: INPUT's name, .wav, here; of a recording NAME_rendered.wav.",
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option(
    "--effects",
    default="none",
    show_default=True,
    metavar="NAME|FILE.toml",
    help="Effects on the mix: none, clean, room, plate, wide or a file of [[effect]] tables in pedalboard's words.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**31 - 1),
    default=0,
    show_default=True,
    help="The same seed gives the same audio.",
)
@click.option(
    "--steps", type=range_of("num_steps"), help="Sampler steps: more is slower and finer; default: the instrument's."
)
@click.option("--guidance-structure", type=range_of("guidance_structure"), help="How strictly INPUT is followed.")
@click.option("--guidance-timbre", type=range_of("guidance_timbre"), help="How strictly the timbre is followed.")
@click.option("--temperature", type=range_of("temperature"), help="How much chance there is in the sound.")
@click.option("--transpose", type=range_of("transpose"), metavar="SEMITONES", help="Shift all pitches.")
@click.option(
    "--tail-seconds",
    type=click.FloatRange(0, 60),
    default=3.0,
    show_default=True,
    help="How long the instrument may ring after the end; silence is cut.",
)
@click.option(
    "--bit-depth", type=click.Choice(["16", "24", "32"]), default="24", show_default=True, help="32 is float, wav only."
)
@click.option(
    "--normalize",
    is_flag=True,
    help="Bring the peak to -1 dBFS; without it the level changes only if the mix would clip.",
)
@click.option("--picture", type=_FILE, metavar="FILE.png", help="Also draw the spectrogram, with the notes.")
@click.option("--list-timbres", is_flag=True, help="Print the instrument's timbres and stop.")
@click.pass_obj
def command(loader: "InstrumentLoader | None", /, **arguments: Any) -> None:
    """Render INPUT with an instrument: a MIDI file, or a recording where the instrument is played by audio.

    All tracks and channels of a MIDI file are played, each channel by its own performer; the sustain pedal and tempo
    changes are honoured. The drum channel (10) is left out. A recording may have any rate and number of channels.
    """
    options = RenderOptions(**arguments)
    if options.list_timbres:
        from render.job import load_instrument

        for name in (loader or load_instrument)(options.instrument).timbres:
            click.echo(name)
        return
    if options.source is None:
        raise RenderError("no MIDI file was given, nor a recording: after render song.mid -o song.wav")
    _render(options, options.source, loader)


def parse_timbre_for(assignments: Sequence[str]) -> dict[int, str]:
    """Turn `CHANNEL=NAME` texts into names by MIDI channel, counted from 0.

    Raises:
        TimbreError: if one is not of that form, or a channel is named twice.
    """
    chosen: dict[int, str] = {}
    for assignment in assignments:
        number, separator, name = (part.strip() for part in assignment.partition("="))
        if not separator or not name or not number.isdecimal() or not 1 <= int(number) <= 16:
            raise TimbreError(f"--timbre-for {assignment}: write CHANNEL=NAME with a channel of 1-16, such as 2=cello")
        if int(number) - 1 in chosen:
            raise TimbreError(f"--timbre-for names channel {number} twice; give it one timbre")
        chosen[int(number) - 1] = name
    return chosen


def _render(options: RenderOptions, path: Path, load: "InstrumentLoader | None") -> None:
    """Check everything that can be checked, then render and write."""
    from render.job import load_instrument, prepare_job, render_job
    from render.output import check_output, check_picture, write_render

    bit_depth = int(options.bit_depth)
    out = _output(options, path)
    check_output(out, bit_depth=bit_depth, force=options.force)
    if options.picture is not None:
        check_picture(options.picture, force=options.force)
    prepared = prepare_job(_job(options, path), load or load_instrument)
    _say(prepared.timeline.remarks)
    with _progress_bar() as progress:
        result = render_job(prepared, progress)
    write_render(out, result, bit_depth=bit_depth)
    _say(result.remarks)
    seconds = result.audio.shape[-1] / result.sample_rate
    click.echo(f"{out}: {seconds:.2f} s, {result.audio.shape[0]} channels, {result.sample_rate} Hz")
    if options.picture is not None:
        _draw(options.picture, prepared.timeline, result)


def _output(options: RenderOptions, path: Path) -> Path:
    """Settle on where to write; what is rendered is never replaced."""
    from render.errors import OutputError
    from render.source import is_midi

    out = options.out or Path(f"{path.stem}{'' if is_midi(path) else '_rendered'}.wav")
    if out.exists() and path.exists() and out.samefile(path):
        raise OutputError(f"{out} is what is rendered; write elsewhere with --out")
    return out


def _job(options: RenderOptions, path: Path) -> "Job":
    """Turn the options into a job."""
    from render.engine import RenderSettings
    from render.job import Job

    attributes = {
        "num_steps": options.steps,
        "guidance_structure": options.guidance_structure,
        "guidance_timbre": options.guidance_timbre,
        "temperature": options.temperature,
        "transpose": options.transpose,
    }
    return Job(
        source=path,
        timbre=options.timbre,
        timbre_for=tuple(parse_timbre_for(options.timbre_for).items()),
        instrument=options.instrument,
        effects=options.effects,
        settings=RenderSettings(
            seed=options.seed, tail_s=options.tail_seconds, normalize=options.normalize, attributes=attributes
        ),
    )


def _draw(path: Path, timeline: "Timeline", result: "RenderResult") -> None:
    from after.evaluation.picture import draw_render

    notes = sorted(note for track in timeline.tracks for note in track.notes())
    title = ", ".join(track.name for track in timeline.tracks)
    draw_render(path, result.audio, result.sample_rate, notes, title)
    click.echo(f"{path}")


def _say(remarks: Sequence[str]) -> None:
    for remark in remarks:
        click.echo(f"note: {remark}", err=True)


@contextmanager
def _progress_bar() -> Iterator["Progress"]:
    """Show a bar on stderr while rendering."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("rendering", total=1.0)
        yield lambda name, fraction: bar.update(task, description=name, completed=fraction)
