"""`after render`: a MIDI file or a recording and a timbre, or a session, in; an audio file out."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from render.errors import RenderError
from render.options import job_options, make_job, timbre_option

if TYPE_CHECKING:
    from render.engine import Progress, RenderResult
    from render.job import InstrumentLoader
    from render.timeline import Timeline

_FILE = click.Path(path_type=Path)

_EXAMPLES = """\b
Examples:
  after render song.mid --timbre cello -o out.wav
  after render quartet.mid --timbre-for 1=violin --timbre-for 4=cello --effects room
  after render humming.wav --instrument follower.ts --timbre 0.3,-0.5 -o out.wav
  after render session.toml --stems stems --loudness -16 -o out.flac
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
    transcribe: bool
    seed: int
    steps: int | None
    guidance_structure: float | None
    guidance_timbre: float | None
    temperature: float | None
    transpose: int | None
    tail_seconds: float
    bit_depth: str
    normalize: bool
    loudness: float | None
    true_peak: float
    stems: Path | None
    picture: Path | None
    list_timbres: bool


@click.command(epilog=_EXAMPLES)
@click.argument("source", metavar="INPUT", type=_FILE, required=False)
@timbre_option()
@job_options
@click.option(
    "-o",
    "--out",
    type=_FILE,
    metavar="FILE",
    help="Where to write: .wav, .flac, .ogg or .mp3; default: INPUT's name, .wav, here; of a recording "
    "NAME_rendered.wav.",
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option(
    "--stems",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Also write each track and bus by itself, in the format of --out; before the effects on the mix they add up "
    "to it.",
)
@click.option("--picture", type=_FILE, metavar="FILE.png", help="Also draw the spectrogram, with the notes.")
@click.option("--list-timbres", is_flag=True, help="Print the instrument's timbres and stop.")
@click.pass_obj
def command(loader: "InstrumentLoader | None", /, **arguments: Any) -> None:
    """Render INPUT with an instrument: a MIDI file, or a recording where the instrument is played by audio.

    All tracks and channels of a MIDI file are played, each channel by its own performer; the sustain pedal and tempo
    changes are honoured. The drum channel (10) is left out. A recording may have any rate and number of channels. A
    session (.toml) says itself what plays, when, in which timbres and through which effects: see docs/sessions.md.
    """
    options = RenderOptions(**arguments)
    if options.list_timbres:
        from render.job import load_instrument

        for name in (loader or load_instrument)(options.instrument).timbres:
            click.echo(name)
        return
    if options.source is None:
        raise RenderError("no MIDI file was given, nor a recording or session: after render song.mid -o song.wav")
    _render(options, options.source, loader)


def _render(options: RenderOptions, path: Path, load: "InstrumentLoader | None") -> None:
    """Check everything that can be checked, then render and write."""
    from render.job import job_files, load_instrument, prepare_job, render_job, tags_of
    from render.output import check_apart, check_output, check_picture, write_render, write_stems

    bit_depth = int(options.bit_depth)
    out = _output(options, path)
    check_output(out, bit_depth=bit_depth, force=options.force)
    if options.picture is not None:
        check_picture(options.picture, force=options.force)
    job = make_job(path, asdict(options))
    job = replace(job, settings=replace(job.settings, keep_stems=options.stems is not None))
    prepared = prepare_job(job, load or load_instrument)
    tags = tags_of(prepared)
    outputs = [path for path in (out, options.picture) if path is not None]
    if options.stems is not None:
        outputs += _check_stems(options.stems, prepared.timeline, out.suffix, force=options.force)
    check_apart(outputs, job_files(job))
    _say(prepared.timeline.remarks)
    with _progress_bar() as progress:
        result = render_job(prepared, progress)
    if options.stems is not None:
        write_stems(options.stems, result, suffix=out.suffix, bit_depth=bit_depth, tags=tags)
    write_render(out, result, bit_depth=bit_depth, tags=tags)
    _say(result.remarks)
    seconds = result.audio.shape[-1] / result.sample_rate
    click.echo(f"{out}: {seconds:.2f} s, {result.audio.shape[0]} channels, {result.sample_rate} Hz")
    if options.stems is not None:
        click.echo(f"{options.stems}: {len(result.stems)} stems")
    if options.picture is not None:
        _draw(options.picture, prepared.timeline, result, prepared.settings.from_s)


def _output(options: RenderOptions, path: Path) -> Path:
    """Settle on where to write; what is rendered is never replaced."""
    from render.errors import OutputError
    from render.job import is_session
    from render.source import is_midi

    ending = "" if is_midi(path) or is_session(path) else "_rendered"
    out = options.out or Path(f"{path.stem}{ending}.wav")
    if out.exists() and path.exists() and out.samefile(path):
        raise OutputError(f"{out} is what is rendered; write elsewhere with --out")
    return out


def _check_stems(folder: Path, timeline: "Timeline", suffix: str, *, force: bool) -> list[Path]:
    """Make the folder, and make sure that what will be written there can be; give those files."""
    from render.errors import OutputError
    from render.output import check_place, stem_paths

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {folder}: {error.strerror}; choose another with --stems") from error
    tracks = [track.name for track in timeline.tracks if not track.mix.output]
    names = tracks + [bus.name for bus in timeline.buses if not bus.mix.output]
    paths = list(stem_paths(folder, names, suffix).values())
    for path in paths:
        check_place(path, force=force)
    return paths


def _draw(path: Path, timeline: "Timeline", result: "RenderResult", from_s: float) -> None:
    from after.evaluation.picture import draw_render

    end_s = from_s + result.audio.shape[1] / result.sample_rate
    notes = sorted(
        replace(note, onset_s=note.onset_s - from_s)
        for track in timeline.tracks
        for note in track.notes()
        if from_s <= note.onset_s < end_s
    )
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
