"""A module with the attributes of an instrument, as exported methods that get and set them."""

import math

import torch
from torch import nn

from after.controls import CONTROLS, STREAM_CONTROLS
from after.streaming.host import describe_attribute


class Controlled(nn.Module):
    """Base of what a player may control: the numbers of `after.controls`, clamped to their ranges.

    Getters give a tuple of one and setters give 0, as hosts want it. A value that is no number changes nothing.
    """

    limits: dict[str, tuple[float, float]]

    def __init__(self) -> None:
        super().__init__()
        controls = CONTROLS | STREAM_CONTROLS
        self.limits = {name: (control.minimum, control.maximum) for name, control in controls.items()}
        for name, control in controls.items():
            describe_attribute(self, name, is_int=control.is_int)
        self.num_steps = int(CONTROLS["num_steps"].default)
        self.guidance_structure = float(CONTROLS["guidance_structure"].default)
        self.guidance_timbre = float(CONTROLS["guidance_timbre"].default)
        self.temperature = float(CONTROLS["temperature"].default)
        self.transpose = int(CONTROLS["transpose"].default)
        self.seed = int(STREAM_CONTROLS["seed"].default)
        self.timbre_memory_s = float(STREAM_CONTROLS["timbre_memory_s"].default)

    @torch.jit.export
    def get_attributes(self) -> list[str]:
        """List what a host may set."""
        return list(self.limits.keys())

    def _whole(self, name: str, value: int) -> int:
        low, high = self.limits[name]
        return max(int(low), min(int(high), value))

    def _within(self, name: str, value: float, before: float) -> float:
        if math.isnan(value):
            return before
        low, high = self.limits[name]
        return max(low, min(high, value))

    @torch.jit.export
    def get_num_steps(self) -> tuple[int]:
        """Give the number of sampler steps."""
        return (self.num_steps,)

    @torch.jit.export
    def set_num_steps(self, value: int) -> int:
        """Set the number of sampler steps; give 0."""
        self.num_steps = self._whole("num_steps", value)
        return 0

    @torch.jit.export
    def get_guidance_structure(self) -> tuple[float]:
        """Give the guidance strength of what is played."""
        return (self.guidance_structure,)

    @torch.jit.export
    def set_guidance_structure(self, value: float) -> int:
        """Set the guidance strength of what is played; give 0."""
        self.guidance_structure = self._within("guidance_structure", value, self.guidance_structure)
        return 0

    @torch.jit.export
    def get_guidance_timbre(self) -> tuple[float]:
        """Give the guidance strength of the timbre."""
        return (self.guidance_timbre,)

    @torch.jit.export
    def set_guidance_timbre(self, value: float) -> int:
        """Set the guidance strength of the timbre; give 0."""
        self.guidance_timbre = self._within("guidance_timbre", value, self.guidance_timbre)
        return 0

    @torch.jit.export
    def get_temperature(self) -> tuple[float]:
        """Give the standard deviation of the noise."""
        return (self.temperature,)

    @torch.jit.export
    def set_temperature(self, value: float) -> int:
        """Set the standard deviation of the noise; give 0."""
        self.temperature = self._within("temperature", value, self.temperature)
        return 0

    @torch.jit.export
    def get_transpose(self) -> tuple[int]:
        """Give the semitones added to every pitch."""
        return (self.transpose,)

    @torch.jit.export
    def set_transpose(self, value: int) -> int:
        """Set the semitones added to every pitch (no effect on learned structure); give 0."""
        self.transpose = self._whole("transpose", value)
        return 0

    @torch.jit.export
    def get_seed(self) -> tuple[int]:
        """Give the seed of the noise."""
        return (self.seed,)

    @torch.jit.export
    def set_seed(self, value: int) -> int:
        """Set the seed of the noise, from the next frame on; give 0."""
        self.seed = self._whole("seed", value)
        return 0

    @torch.jit.export
    def get_timbre_memory_s(self) -> tuple[float]:
        """Give the seconds after which `timbre` has forgotten most."""
        return (self.timbre_memory_s,)

    @torch.jit.export
    def set_timbre_memory_s(self, value: float) -> int:
        """Set the seconds after which `timbre` has forgotten most, 0 for never; give 0."""
        self.timbre_memory_s = self._within("timbre_memory_s", value, self.timbre_memory_s)
        return 0
