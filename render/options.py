"""The options of every command that renders jobs, and the job that they describe."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from after.controls import CONTROLS
from render.errors import TimbreError

if TYPE_CHECKING:
    from render.job import Job

F = TypeVar("F", bound=Callable[..., Any])

ATTRIBUTES = {
    "steps": "num_steps",
    "guidance_structure": "guidance_structure",
    "guidance_timbre": "guidance_timbre",
    "temperature": "temperature",
    "transpose": "transpose",
}
"""Options that become attributes of the instrument."""

_FILE = click.Path(path_type=Path)


def range_of(name: str) -> click.IntRange | click.FloatRange:
    """Give the values that an instrument takes for a control: what it would clamp is refused."""
    control = CONTROLS[name]
    if control.is_int:
        return click.IntRange(int(control.minimum), int(control.maximum))
    return click.FloatRange(control.minimum, control.maximum)


_OPTIONS: dict[str, Callable[[Any], Any]] = {
    "timbre_for": click.option(
        "--timbre-for",
        multiple=True,
        metavar="CHANNEL=NAME",
        help="Timbre of one MIDI channel, 1-16; repeatable; goes before --timbre.",
    ),
    "instrument": click.option(
        "--instrument", type=_FILE, metavar="FILE", help="An instrument file; default: the bundled one."
    ),
    "effects": click.option(
        "--effects",
        default="none",
        show_default=True,
        metavar="NAME|FILE.toml",
        help="Effects on the mix: none, clean, room, plate, tape, wide, or a file of [[effect]] tables in pedalboard's "
        "words.",
    ),
    "transcribe": click.option(
        "--transcribe",
        is_flag=True,
        help="Write down the notes of a recording (Basic Pitch) where the instrument is played by notes.",
    ),
    "seed": click.option(
        "--seed",
        type=click.IntRange(0, 2**31 - 1),
        default=0,
        show_default=True,
        help="The same seed gives the same audio.",
    ),
    "steps": click.option(
        "--steps",
        type=range_of("num_steps"),
        help="Sampler steps: more is slower and finer; default: the instrument's.",
    ),
    "guidance_structure": click.option(
        "--guidance-structure", type=range_of("guidance_structure"), help="How strictly INPUT is followed."
    ),
    "guidance_timbre": click.option(
        "--guidance-timbre", type=range_of("guidance_timbre"), help="How strictly the timbre is followed."
    ),
    "temperature": click.option(
        "--temperature", type=range_of("temperature"), help="How much chance there is in the sound."
    ),
    "transpose": click.option(
        "--transpose", type=range_of("transpose"), metavar="SEMITONES", help="Shift all pitches."
    ),
    "tail_seconds": click.option(
        "--tail-seconds",
        type=click.FloatRange(0, 60),
        default=3.0,
        show_default=True,
        help="How long the instrument may ring after the end; silence is cut.",
    ),
    "bit_depth": click.option(
        "--bit-depth",
        type=click.Choice(["16", "24", "32"]),
        default="24",
        show_default=True,
        help="32 is float, wav only.",
    ),
    "normalize": click.option(
        "--normalize",
        is_flag=True,
        help="Bring the peak to -1 dBFS; without it the level changes only if the mix would clip.",
    ),
    "loudness": click.option(
        "--loudness",
        type=click.FloatRange(-60, 0),
        metavar="LUFS",
        help="Bring the loudness there instead, such as -16, as far as --true-peak allows.",
    ),
    "true_peak": click.option(
        "--true-peak",
        type=click.FloatRange(-20, 0),
        default=-1.0,
        show_default=True,
        metavar="DBTP",
        help="With --loudness: what the peak, between samples too, does not exceed.",
    ),
}

JOB_OPTIONS = ("timbre", *_OPTIONS)
"""Names of what `timbre_option` and `job_options` add."""


def timbre_option(*, several: bool = False) -> Callable[[F], F]:
    """Add `--timbre`, with `several` repeatable."""
    more = "; several, repeated or parted by commas, each render all" if several else ""
    return click.option(
        "--timbre",
        multiple=several,
        default=("auto",) if several else "auto",
        show_default=True,
        metavar="NAME|FILE|X,Y",
        help="Timbre of every channel: a name of the instrument (part of it is enough), an audio file, a place on the "
        "map of timbres, or auto for the one nearest to each channel's General MIDI program (of a recording: the "
        f"first){more}.",
    )


def job_options(command: F) -> F:
    """Add the other options that say how something is rendered."""
    for option in reversed(_OPTIONS.values()):
        command = option(command)
    return command


def make_job(source: Path, values: Mapping[str, Any]) -> "Job":
    """Turn the values of the options into a job.

    Args:
        source: a MIDI file, a recording or a session.
        values: by the names in `JOB_OPTIONS`; others are ignored.

    Raises:
        TimbreError: if a `timbre_for` is none.
    """
    from render.engine import RenderSettings
    from render.job import Job

    return Job(
        source=source,
        timbre=values["timbre"],
        timbre_for=tuple(parse_timbre_for(values["timbre_for"]).items()),
        instrument=values["instrument"],
        effects=values["effects"],
        transcribe=values["transcribe"],
        settings=RenderSettings(
            seed=values["seed"],
            tail_s=values["tail_seconds"],
            normalize=values["normalize"],
            loudness_lufs=values["loudness"],
            true_peak_dbtp=values["true_peak"],
            attributes={
                attribute: values[option] for option, attribute in ATTRIBUTES.items() if values[option] is not None
            },
        ),
    )


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
