"""Recorded audio: FLAC files of 24 bits."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from after.audio import read_audio, write_audio
from after.errors import AudioError
from render.golden.compare import Comparison, Sound, Tolerance, compare_audio
from render.golden.errors import GoldenError

NAME = re.compile(r"\w[\w.-]*")
"""Names that are files on any system."""

MOST_CHANNELS = 8

_LAST_BITS = 2.0**-22
"""What 24 bits may change: half of the last bit, and libsndfile's full scale of 1 - 2^-23."""


def make_sound(audio: ArrayLike, sample_rate: int) -> Sound:
    """Check what came from outside: audio [C, T] or [T] of floats, at a rate in Hz.

    Raises:
        GoldenError: if it is something else.
    """
    samples = np.asarray(audio)
    if samples.ndim not in (1, 2) or not np.issubdtype(samples.dtype, np.floating):
        raise GoldenError(f"audio is {samples.dtype} {list(samples.shape)}; give floats [channels, samples] within +-1")
    if int(sample_rate) != sample_rate or sample_rate <= 0:
        raise GoldenError(f"sample_rate is {sample_rate}; give a whole number of Hz above 0")
    return Sound(np.atleast_2d(samples), int(sample_rate))


def read_reference(path: Path) -> Sound | None:
    """Read recorded audio; None if there is none.

    Raises:
        GoldenError: if it cannot be read.
    """
    if not path.exists():
        return None
    try:
        return Sound(*read_audio(path))
    except AudioError as error:
        raise GoldenError(f"{error}, or record it again") from error


def record_sound(path: Path, sound: Sound, tolerance: Tolerance | None = None) -> str:
    """Make audio the reference, whole or not at all; what would stay the same to the last bit is left alone.

    Returns:
        "new", "unchanged", or "changed" with what differs.

    Raises:
        GoldenError: if a FLAC file cannot hold it as it is, or the place does not allow writing.
    """
    _check_recordable(sound)
    try:
        old, said = read_reference(path), "new"
    except GoldenError:
        old, said = None, "new, in place of a file that could not be read"
    if old is not None:
        if _is_same(old, sound):
            return "unchanged"
        said = f"changed: {describe_changes(compare_audio(old, sound, tolerance))}"
    try:
        write_audio(path, sound.audio, sound.sample_rate, subtype="PCM_24")
    except (AudioError, OSError) as error:
        raise GoldenError(str(error)) from error
    return said


def describe_changes(comparison: Comparison) -> str:
    """Say in one line by what audio differs from what it was: what is beyond the tolerances, or how little it is."""
    failed = [check for check in comparison.checks if check.has_passed is False]
    if failed:
        return "; ".join(f"{check.name} {check.figure} {check.where}".rstrip() for check in failed)
    residual = next(check for check in comparison.checks if check.name == "residual")
    return f"within its tolerances, residual {residual.figure}"


def _check_recordable(sound: Sound) -> None:
    channels, length = sound.audio.shape
    if not length or not 1 <= channels <= MOST_CHANNELS:
        raise GoldenError(
            f"audio of {channels} channels and {length} samples cannot be recorded; it takes 1 to {MOST_CHANNELS} "
            "channels that are not empty"
        )
    if not np.isfinite(sound.audio).all():
        raise GoldenError("audio that holds NaN or infinity cannot be recorded; mend what renders it first")
    peak = float(np.abs(sound.audio).max())
    if peak > 1.0:
        raise GoldenError(f"audio that peaks at {peak:.3f} cannot be recorded; bring it within +-1")


def _is_same(old: Sound, new: Sound) -> bool:
    """Tell whether recording `new` would give `old` again."""
    if old.sample_rate != new.sample_rate or old.audio.shape != new.audio.shape:
        return False
    return bool((np.abs(old.audio - new.audio) <= _LAST_BITS).all())
