"""By how much one signal lags behind another."""

import numpy as np
from numpy.typing import NDArray


def find_lag(reference: NDArray[np.float32], delayed: NDArray[np.float32]) -> int:
    """Give the lag in samples at which the cross-correlation of two signals [T] is largest; below 0 if it leads."""
    size = 2 * max(reference.size, delayed.size)
    correlation = np.fft.irfft(np.fft.rfft(delayed, size) * np.conj(np.fft.rfft(reference, size)), size)
    lag = int(np.argmax(correlation))
    return lag - size if lag > size // 2 else lag
