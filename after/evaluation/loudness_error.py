"""Whether a render is as loud as the recording of the same, frame by frame."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from after.features.frames import as_mono, level_db
from after.features.loudness import measure_loudness

_HOP_LENGTH = 1024
_LOWEST_DB = -70.0  # what is quieter counts as this: inaudible differences in a gap must not decide


@dataclass(frozen=True, slots=True)
class LoudnessError:
    """Differences of A-weighted levels where the recording sounds; NaN where it does not.

    Attributes:
        rmse_db: root mean square difference.
        offset_db: median of render minus recording: above 0 where the render is louder.
    """

    rmse_db: float
    offset_db: float


def measure_loudness_error(
    audio: ArrayLike, reference: ArrayLike, sample_rate: int, *, quiet_db: float = -50.0
) -> LoudnessError:
    """Compare the loudness of two recordings of the same.

    Args:
        audio: [C, T] or [T]; the shorter of the two is compared with the start of the longer.
        reference: [C, T] or [T], same sample rate.
        sample_rate: Hz.
        quiet_db: frames of the reference whose level is below this many dBFS are left out.

    Returns:
        The error.

    Raises:
        AudioError: if one of the two is empty or not finite.
    """
    mono, mono_reference = as_mono(audio), as_mono(reference)
    length = min(mono.size, mono_reference.size)
    mono, mono_reference = mono[:length], mono_reference[:length]
    sounds = level_db(mono_reference, _HOP_LENGTH) > quiet_db
    if not sounds.any():
        return LoudnessError(float("nan"), float("nan"))
    loudness, expected = (
        np.maximum(measure_loudness(signal, sample_rate, hop_length=_HOP_LENGTH), _LOWEST_DB)
        for signal in (mono, mono_reference)
    )
    difference = (loudness - expected)[sounds].astype(np.float64)
    return LoudnessError(float(np.sqrt(np.square(difference).mean())), float(np.median(difference)))
