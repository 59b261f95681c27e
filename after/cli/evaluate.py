"""`after evaluate`: how in tune, on time and true to its timbre an instrument plays."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from after.controls import CONTROLS
from after.errors import ConfigError

if TYPE_CHECKING:
    from after.evaluation.session import Request

_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False)

_EXAMPLES = """\b
Examples:
  after evaluate                                   the bundled instrument, every timbre, a built-in phrase
  after evaluate --instrument my.ts --midi song.mid --timbre flute --json figures.json
  after evaluate --recordings held_out/ --rename sf_oboe=oboe --html figures.html
  after evaluate --recordings held_out/ --pairs --pitch-model tiny --json figures.json
  after evaluate --audio render.wav --midi song.mid --reference real.wav
  after evaluate --make-centroids recordings/ --out centroids.json
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluateOptions:
    """What was asked for on the command line."""

    instrument: Path | None
    recordings: Path | None
    rename: tuple[str, ...]
    per_timbre: int
    pairs: bool
    midi: tuple[Path, ...]
    timbre: tuple[str, ...]
    audio: tuple[Path, ...]
    reference: tuple[Path, ...]
    centroids: Path | None
    json: Path | None
    html: Path | None
    examples: int
    save: Path | None
    steps: int | None
    seed: int
    max_seconds: float | None
    real_per_timbre: int
    pitch_model: Literal["tiny", "full"] | None
    make_centroids: Path | None
    out: Path | None


@click.command(epilog=_EXAMPLES)
@click.option("--instrument", type=_FILE, metavar="FILE", help="An instrument file; default: the bundled one.")
@click.option(
    "--recordings",
    type=_FOLDER,
    metavar="DIR",
    help="Real recordings, best those it was not trained on: DIR/<timbre>/<name>.flac (.wav, .ogg, ...), and "
    "<name>.mid beside it, which says what is played. Without --midi each timbre plays some of its own; with --midi it "
    "is compared with the recording of that name.",
)
@click.option("--rename", multiple=True, metavar="FOLDER=TIMBRE", help="The timbre of a sub-folder; repeatable.")
@click.option(
    "--per-timbre",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    metavar="N",
    help="Recordings that each timbre plays.",
)
@click.option(
    "--pairs",
    is_flag=True,
    help="Also play a phrase of every instrument in the timbre of every other (N x N renders of up to 6 s).",
)
@click.option("--midi", type=_FILE, multiple=True, metavar="FILE", help="What to play; repeatable.")
@click.option("--timbre", multiple=True, metavar="NAME", help="A timbre to play it in; repeatable; default: all.")
@click.option("--audio", type=_FILE, multiple=True, metavar="FILE", help="Score this recording of --midi instead.")
@click.option(
    "--reference", type=_FILE, multiple=True, metavar="AUDIO", help="The same played for real, one for each recording."
)
@click.option("--centroids", type=_FILE, metavar="FILE", help="Timbre references, in place of the bundled ones.")
@click.option("--json", type=_FILE, metavar="FILE", help="Also write every figure as JSON.")
@click.option("--html", type=_FILE, metavar="FILE", help="Also write one page with figures, pictures and sound.")
@click.option(
    "--examples",
    type=click.IntRange(0, 48),
    default=12,
    show_default=True,
    metavar="N",
    help="Recordings to hear on the page, about 0.4 MB each.",
)
@click.option("--save", type=_FOLDER, metavar="DIR", help="Keep each render and its picture.")
@click.option(
    "--steps",
    type=click.IntRange(1, int(CONTROLS["num_steps"].maximum)),
    help="Sampler steps; default: the instrument's.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of renders and of the bootstrap.")
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=0.5),
    help="How much of each piece to play; default: 30, or 8 of recordings' own pieces.",
)
@click.option(
    "--real-per-timbre",
    type=click.IntRange(0),
    default=24,
    show_default=True,
    metavar="N",
    help="Other recordings of each instrument from which timbres are learned.",
)
@click.option(
    "--pitch-model",
    type=click.Choice(["tiny", "full"]),
    help="CREPE network; tiny is about 25 times faster and makes more octave errors. Default: full, tiny for --pairs.",
)
@click.option("--make-centroids", type=_FOLDER, metavar="DIR", help="Make timbre references from DIR/<instrument>/*.")
@click.option("--out", type=_FILE, metavar="FILE", help="Where --make-centroids writes.")
def command(**arguments: Any) -> None:
    """Measure renders, or recordings, against the MIDI they play and the same played for real.

    Figures: pitch (CREPE), onset, offset and frame F1 (Basic Pitch, mir_eval), timbre (nearest average recording, and a
    classifier trained on real recordings whose own accuracy is stated), distances to real recordings, dynamics,
    loudness and silence. Each has a 95 % bootstrap interval over the recordings scored, and beside it what the real
    recordings reach.

    What takes long: the full CREPE network, half a second of one core per second of audio, for the render and for the
    real recording. Twenty timbres with two phrases of 8 s each take some seven minutes of one core, with
    --pitch-model tiny one. --pairs renders N x N phrases: 400 take some seven minutes more. Nothing is printed before
    the end.
    """
    options = EvaluateOptions(**arguments)
    if options.make_centroids is not None:
        _make_centroids(options.make_centroids, options.out)
        return
    _check(options)
    _run(options)


def _check(options: EvaluateOptions) -> None:
    from after.files import check_writable

    if options.out is not None:
        raise ConfigError("--out goes with --make-centroids; to write the figures use --json FILE")
    if options.audio and not options.midi:
        raise ConfigError("--audio needs --midi: give the MIDI file that the recording plays")
    if options.recordings is None and (options.pairs or options.rename):
        raise ConfigError(f"{'--pairs' if options.pairs else '--rename'} needs --recordings: say where real ones lie")
    if options.pairs and options.audio:
        raise ConfigError("--pairs plays an instrument: leave --audio away")
    for path in (options.json, options.html, options.save and options.save / "render.flac"):
        if path is not None:
            check_writable(path)


def _run(options: EvaluateOptions) -> None:
    from after.cli.evaluation_output import Keeper, progress_bar, show, write_files
    from after.evaluation.session import evaluate

    keeper = Keeper(options.save, options.examples if options.html else 0)
    outcome = evaluate(_request(options), progress=progress_bar, on_scored=keeper.keep)
    show(outcome)
    write_files(outcome, keeper.examples, json_path=options.json, html_path=options.html)


def _request(options: EvaluateOptions) -> "Request":
    from after.cli.bundle import parse_names
    from after.evaluation.session import Request

    plays_recorded = options.recordings is not None and not options.midi
    return Request(
        instrument=options.instrument,
        num_steps=options.steps,
        recordings=options.recordings,
        names=parse_names(options.rename),
        per_timbre=options.per_timbre,
        with_pairs=options.pairs,
        midi=options.midi,
        timbres=options.timbre,
        audio=options.audio,
        references=options.reference,
        centroids=options.centroids,
        seed=options.seed,
        max_s=options.max_seconds or (8.0 if plays_recorded else 30.0),
        real_per_timbre=options.real_per_timbre,
        pitch_model=options.pitch_model or "full",
        pair_pitch_model=options.pitch_model or "tiny",
    )


def _make_centroids(folder: Path, out: Path | None) -> None:
    from after.cli.evaluation_output import progress_bar
    from after.evaluation.centroids import compute_centroids, list_instruments, save_centroids
    from after.files import check_writable

    if out is None:
        raise ConfigError("--make-centroids needs --out FILE: say where to write the timbre references")
    check_writable(out)
    total = sum(len(paths) for paths in list_instruments(folder).values())
    with progress_bar("listening", total) as advance:
        references = compute_centroids(folder, on_progress=lambda _done, _total: advance())
    save_centroids(out, references)
    click.echo(f"{out}: {len(references.names)} instruments from {total} recordings")
