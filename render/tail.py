"""Where a render ends: what rings on is kept, silence is cut, and nothing stops with a click."""

import numpy as np
from numpy.typing import NDArray

SILENCE_DBFS = -70.0
"""A tail is over when no sample rises above this level any more."""

FADE_S = 0.05


def fade_out(audio: NDArray[np.float32], sample_rate: int, duration_s: float = FADE_S) -> NDArray[np.float32]:
    """Give [C, T] audio whose last moments fall to silence along half a cosine."""
    length = min(round(duration_s * sample_rate), audio.shape[-1])
    faded = np.array(audio, dtype=np.float32)
    if length:
        ramp = 0.5 + 0.5 * np.cos(np.pi * (np.arange(length) + 1) / length)
        faded[:, -length:] *= ramp.astype(np.float32)
    return faded


def trim_tail(
    audio: NDArray[np.float32], sample_rate: int, *, keep_samples: int, silence_dbfs: float = SILENCE_DBFS
) -> NDArray[np.float32]:
    """Cut the silence off the end of [C, T] audio, with a short fade after the last sound.

    Args:
        audio: float32, full scale +-1.
        sample_rate: in Hz.
        keep_samples: never cut before this sample (the last note-off).
        silence_dbfs: peak level below which the tail counts as silent.

    Returns:
        [C, T'] with T' between `keep_samples` and T; the samples before the fade are unchanged.
    """
    loud = np.flatnonzero(np.abs(audio).max(axis=0) > 10.0 ** (silence_dbfs / 20.0))
    last = int(loud[-1]) + 1 if loud.size else 0
    end = min(audio.shape[-1], max(last, keep_samples) + round(FADE_S * sample_rate))
    return fade_out(audio[:, :end], sample_rate)
