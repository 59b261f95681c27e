"""Compare a render with recorded audio, in the order in which differences explain each other."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from after.config import from_dict
from render.golden.errors import GoldenError
from render.golden.measures import (
    FRAME_HOP,
    LEVEL_WINDOW_S,
    FloatArray,
    find_lag,
    level_difference_db,
    octaves,
    overlap,
    residual_cells_db,
    residual_db,
    window_levels_db,
)

CHECKS = ("format", "finite", "alignment", "level", "window level", "residual", "spectral")


@dataclass(frozen=True, kw_only=True, slots=True)
class Tolerance:
    """How much a render may differ.

    The defaults lie between what must pass and what must not. "Rounding" is white noise of +-1e-4 of full scale on
    sound of any level; kernels of other processors (SSE4, AVX2) differ by less: -119 and -93 dB. All figures are in
    docs/golden.md.

    Attributes:
        length_samples: in its length; what both have is compared.
        alignment_samples: in its position.
        level_db: in its level as a whole.
        window_level_db: in the level of any window of 0.1 s of a channel.
        residual_db: energy of the difference after alignment, relative to the reference, which counts as -26 dBFS if
            it is quieter.
        spectral_db: the same in any octave of any frame of a channel, which counts as -50 dBFS if it is quieter.
    """

    length_samples: int = 0
    alignment_samples: int = 0  # a shift by 1 sample must be found, under rounding too
    level_db: float = 0.1  # rounding 0.001; must be found: 0.2
    window_level_db: float = 0.1  # rounding 0.004; must be found: 0.2
    residual_db: float = -55.0  # rounding -59; wet level of a reverb 0.080 to 0.082: -49
    spectral_db: float = -34.0  # rounding -37; damping of a reverb 0.60 to 0.65: -32

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            may_be_negative = field.name in ("residual_db", "spectral_db")
            if not np.isfinite(value) or (value < 0 and not may_be_negative):
                raise GoldenError(f"{field.name} is {value}; give {'a number' if may_be_negative else '0 or more'}")


def make_tolerance(values: Mapping[str, float]) -> Tolerance:
    """Check what came from outside.

    Raises:
        ConfigError: for a name that is none, and values of a wrong type or out of range.
    """
    return from_dict(Tolerance, values, source="tolerances")


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """audio [C, T], full scale +-1, at `sample_rate` (Hz)."""

    audio: NDArray[np.floating[Any]]
    sample_rate: int


@dataclass(frozen=True, slots=True)
class Check:
    """One verdict.

    Attributes:
        name: what was looked at.
        has_passed: None if it could not be looked at.
        figure: what was found, with its unit.
        where: the place of the worst.
        limit: what is allowed.
    """

    name: str
    has_passed: bool | None
    figure: str
    where: str = ""
    limit: str = ""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The verdicts, in the order of `CHECKS`; `lag_samples` is by how much the render comes late."""

    checks: tuple[Check, ...]
    lag_samples: int = 0

    @property
    def has_passed(self) -> bool:
        """Whether nothing differs by more than it may."""
        return all(check.has_passed for check in self.checks)


def compare_audio(reference: Sound, render: Sound, tolerance: Tolerance | None = None) -> Comparison:
    """Compare a render with its reference.

    Format comes first, then NaN and infinity, alignment, levels, and the energy of the difference. What follows a check
    that failed is still measured: after another length on what both have, after NaN with zeros in their place, after a
    lag with the render moved back. Of another rate or number of channels nothing more can be said.
    """
    tolerance = tolerance or Tolerance()
    checks = [_check_format(reference, render, tolerance), _check_finite(render)]
    if not can_be_subtracted(reference, render):
        return Comparison((*checks, *(Check(name, None, "not measured") for name in CHECKS[2:])))
    wanted, found = (finite_audio(sound) for sound in (reference, render))
    lag = find_lag(wanted, found, render.sample_rate)
    aligned = abs(lag) <= tolerance.alignment_samples
    checks.append(_check("alignment", aligned, f"{lag:+d}" if lag else "0", "samples", tolerance.alignment_samples))
    pair = overlap(wanted, found, lag)
    checks += _check_levels(*pair, render.sample_rate, tolerance)
    checks += _check_residuals(*pair, render.sample_rate, tolerance)
    return Comparison(tuple(checks), lag)


def can_be_subtracted(reference: Sound, render: Sound) -> bool:
    """Tell whether there is sound of one rate and number of channels."""
    is_alike = (reference.sample_rate, len(reference.audio)) == (render.sample_rate, len(render.audio))
    return is_alike and bool(reference.audio.size and render.audio.size)


def finite_audio(sound: Sound) -> FloatArray:
    """Give audio [C, T] with zeros where there is no number."""
    return np.nan_to_num(sound.audio.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)


def _check_format(reference: Sound, render: Sound, tolerance: Tolerance) -> Check:
    found, wanted = ((s.sample_rate, *s.audio.shape) for s in (render, reference))
    figures = [
        f"{is_} {unit}" if is_ == was else f"{is_} {unit} instead of {was}"
        for is_, was, unit in zip(found, wanted, ("Hz", "channels", "samples"), strict=True)
    ]
    is_long = abs(found[2] - wanted[2]) <= tolerance.length_samples
    limit = f"{tolerance.length_samples} samples"
    return Check("format", found[:2] == wanted[:2] and is_long, ", ".join(figures), limit=limit)


def _check_finite(render: Sound) -> Check:
    wrong = np.flatnonzero(~np.isfinite(render.audio).all(axis=0))
    where = f"from {wrong[0] / render.sample_rate:.3f} s" if wrong.size else ""
    return Check("finite", not wrong.size, f"{wrong.size} NaN or infinite", where, "0")


def _check_levels(wanted: FloatArray, found: FloatArray, sample_rate: int, tolerance: Tolerance) -> tuple[Check, ...]:
    overall = level_difference_db(wanted, found)
    windows = window_levels_db(wanted, found, sample_rate)
    channel, window = _place_of_highest(np.abs(windows))
    worst = float(windows[channel, window])
    where = f"at {window * LEVEL_WINDOW_S / 2:.2f} s, channel {channel + 1}"
    is_near = abs(worst) <= tolerance.window_level_db
    return (
        _check("level", abs(overall) <= tolerance.level_db, _decibels(overall), "dB", tolerance.level_db),
        _check("window level", is_near, _decibels(worst), "dB", tolerance.window_level_db, where),
    )


def _check_residuals(
    wanted: FloatArray, found: FloatArray, sample_rate: int, tolerance: Tolerance
) -> tuple[Check, ...]:
    overall = residual_db(wanted, found)
    cells = residual_cells_db(wanted, found, sample_rate)
    channel, band, frame = _place_of_highest(cells)
    worst = float(cells[channel, band, frame])
    where = f"at {frame * FRAME_HOP / sample_rate:.2f} s, {octaves(sample_rate)[1][band]} Hz, channel {channel + 1}"
    return (
        _check("residual", overall <= tolerance.residual_db, _ratio(overall), "dB", tolerance.residual_db),
        _check("spectral", worst <= tolerance.spectral_db, _ratio(worst), "dB", tolerance.spectral_db, where),
    )


def _check(name: str, has_passed: bool, figure: str, unit: str, limit: float, where: str = "") -> Check:
    return Check(name, bool(has_passed), f"{figure} {unit}", where, f"{limit:g} {unit}")


def _decibels(value_db: float) -> str:
    return f"{round(value_db, 3) + 0.0:+.3f}"  # never -0.000


def _ratio(value_db: float) -> str:
    return f"{value_db:.1f}" if value_db > -200.0 else "under -200"


def _place_of_highest(values: FloatArray) -> tuple[int, ...]:
    return tuple(int(k) for k in np.unravel_index(int(np.argmax(values)), values.shape))
