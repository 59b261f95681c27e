"""Where a render ends: what rings on is kept, silence is cut, and nothing stops with a click."""

import numpy as np
from numpy.typing import NDArray

from render.large import pieces

SILENCE_DBFS = -70.0
"""A tail is over when no sample rises above this level any more."""

FADE_S = 0.05


def fade_end(audio: NDArray[np.float32], sample_rate: int, duration_s: float = FADE_S) -> None:
    """Let the last moments of [C, T] audio fall to silence along half a cosine, in place."""
    length = min(round(duration_s * sample_rate), audio.shape[-1])
    if length:
        ramp = 0.5 + 0.5 * np.cos(np.pi * (np.arange(length) + 1) / length)
        audio[:, -length:] *= ramp.astype(np.float32)


def find_end(
    audio: NDArray[np.float32], sample_rate: int, *, keep_samples: int, silence_dbfs: float = SILENCE_DBFS
) -> int:
    """Tell where the silence at the end of [C, T] audio begins, and the fade after the last sound is over.

    Args:
        audio: float32, full scale +-1.
        sample_rate: in Hz.
        keep_samples: the end is never before this sample (the last note-off).
        silence_dbfs: peak level below which the tail counts as silent.
    """
    threshold, last = 10.0 ** (silence_dbfs / 20.0), 0
    for piece in reversed(list(pieces(audio.shape[1]))):
        loud = np.flatnonzero(np.abs(audio[:, piece]).max(axis=0) > threshold)
        if loud.size:
            last = piece.start + int(loud[-1]) + 1
            break
    return min(audio.shape[-1], max(last, keep_samples) + round(FADE_S * sample_rate))
