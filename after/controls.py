"""What a player may change while an instrument runs: names, ranges, defaults, units; one table for every host."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Control:
    """One number that a player may change.

    Attributes:
        is_int: whole numbers only.
        minimum: smaller values are clamped to it.
        maximum: larger values are clamped to it.
        default: value of a new instrument.
        unit: of the value, empty for a plain number.
        text: what it does, in a few words.
    """

    is_int: bool
    minimum: float
    maximum: float
    default: float
    unit: str
    text: str


CONTROLS: dict[str, Control] = {
    "num_steps": Control(
        is_int=True, minimum=1, maximum=64, default=4, unit="steps", text="sampler steps; more is slower and finer"
    ),
    "guidance_structure": Control(
        is_int=False, minimum=0, maximum=10, default=1, unit="", text="more than 1 exaggerates what is played"
    ),
    "guidance_timbre": Control(
        is_int=False, minimum=0, maximum=10, default=1, unit="", text="more than 1 exaggerates the timbre"
    ),
    "temperature": Control(
        is_int=False, minimum=0, maximum=2, default=1, unit="", text="standard deviation of the noise"
    ),
    "transpose": Control(
        is_int=True,
        minimum=-48,
        maximum=48,
        default=0,
        unit="semitones",
        text="shift of everything that is played; no effect where structure is learned",
    ),
}
"""Attributes of an instrument, in the order in which they are shown."""

STREAM_CONTROLS: dict[str, Control] = {
    "seed": Control(is_int=True, minimum=0, maximum=2**31 - 1, default=0, unit="", text="of the noise"),
    "timbre_memory_s": Control(
        is_int=False,
        minimum=0,
        maximum=3600,
        default=0,
        unit="s",
        text="how long the method timbre remembers; 0 for ever",
    ),
    "reset": Control(
        is_int=True, minimum=0, maximum=1, default=0, unit="", text="any value forgets everything heard and played"
    ),
}
"""What only an exported file has as attributes, beside `CONTROLS`: the runtime offers it in other ways."""
