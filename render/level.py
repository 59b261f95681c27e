"""The level of the finished mix: full scale is never exceeded without a word about it."""

import math

import numpy as np
from numpy.typing import NDArray

from render.large import peak_of, scaled

CEILING_DBFS = -0.3
"""Where the peak goes if the mix would clip: just under full scale, for the sake of lossy players."""

NORMALIZED_DBFS = -1.0


def protect_peak(audio: NDArray[np.float32], *, normalize: bool = False) -> tuple[NDArray[np.float32], str | None]:
    """Scale the mix if it would clip, or in any case with `normalize`.

    Args:
        audio: [C, T] float32.
        normalize: bring the peak to -1 dBFS, whatever it is.

    Returns:
        the audio, unchanged if nothing was to be done, and a remark for the user, or None.
    """
    peak = peak_of(audio)
    if peak == 0.0:
        return audio, "the render is silent"
    if not normalize and peak <= 1.0:
        return audio, None
    target_dbfs = NORMALIZED_DBFS if normalize else CEILING_DBFS
    change_db = target_dbfs - 20.0 * math.log10(peak)
    why = "normalised" if normalize else f"the mix peaked at {20.0 * math.log10(peak):+.1f} dBFS: scaled"
    return scaled(audio, 10.0 ** (change_db / 20.0)), f"{why} by {change_db:+.1f} dB to a peak of {target_dbfs} dBFS"
