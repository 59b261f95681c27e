"""How much of a signal is the reference, whatever its gain: the scale-invariant signal-to-distortion ratio."""

import numpy as np
from numpy.typing import ArrayLike

from after.errors import AudioError
from after.features.frames import as_mono


def measure_si_sdr_db(audio: ArrayLike, reference: ArrayLike) -> float:
    """Compare waveforms after the gain that fits the reference best.

    A codec that does not keep phases scores badly however alike it sounds: partials at other phases are distortion.

    Args:
        audio: [C, T] or [T]; channels are averaged.
        reference: same length.

    Returns:
        dB; infinite for a scaled copy, minus infinity for silence or something orthogonal, NaN for a silent reference.

    Raises:
        AudioError: if one is empty or not finite, or the lengths differ.

    Source: Le Roux et al. 2019, arXiv 1811.02508, equation 3.
    """
    estimate, target = as_mono(audio).astype(np.float64), as_mono(reference).astype(np.float64)
    if estimate.size != target.size:
        raise AudioError(f"{estimate.size} and {target.size} samples cannot be compared: cut both to the same length")
    energy = float(target @ target)
    if energy == 0.0:
        return float("nan")
    scaled = float(estimate @ target) / energy * target
    kept, error = float(scaled @ scaled), float(np.square(scaled - estimate).sum())
    if kept == 0.0:
        return float("-inf")
    return float("inf") if error == 0.0 else 10.0 * float(np.log10(kept / error))
