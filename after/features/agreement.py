"""Whether two recordings play the same pitches at the same times."""

import numpy as np
from numpy.typing import NDArray

from after.features.pitch import track_pitch

_SAME_CENTS = 50.0


def pitch_agreement(original: NDArray[np.float32], made: NDArray[np.float32], sample_rate: int) -> float | None:
    """Give the share of the original's voiced frames that are voiced in both, at the same pitch within 50 cents.

    None where no frame is voiced in the original.
    """
    first, second = (track_pitch(audio, sample_rate) for audio in (original, made))
    is_voiced = first.is_voiced()
    if not is_voiced.any():
        return None
    near = np.abs(first.pitch - second.pitch) < _SAME_CENTS / 100.0
    return float((near & second.is_voiced())[is_voiced].mean())
