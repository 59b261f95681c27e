"""What a player may change while the instrument runs."""

import math
from dataclasses import dataclass

from after.controls import CONTROLS
from after.errors import InstrumentError


@dataclass(frozen=True, kw_only=True, slots=True)
class Attributes:
    """What a player may change while the instrument runs; values out of range are clamped.

    Raises:
        InstrumentError: if a value is no number.

    Attributes:
        num_steps: sampler steps, 1 to 64; more is slower and finer.
        guidance_structure: 1 follows the model, more exaggerates what is played; 0 to 10.
        guidance_timbre: likewise for the timbre.
        temperature: standard deviation of the noise, 0 to 2.
        transpose: semitones added to every note, held ones too, or to the pitch of audio, -48 to 48; no effect where
            structure is learned, which names no pitches.
    """

    num_steps: int = 4
    guidance_structure: float = 1.0
    guidance_timbre: float = 1.0
    temperature: float = 1.0
    transpose: int = 0

    def __post_init__(self) -> None:
        """Clamp to the ranges."""
        for name, control in CONTROLS.items():
            value = getattr(self, name)
            if math.isnan(value):
                raise InstrumentError(f"{name} is NaN: give a number from {control.minimum:g} to {control.maximum:g}")
            value = min(max(value, control.minimum), control.maximum)
            object.__setattr__(self, name, round(value) if control.is_int else float(value))
