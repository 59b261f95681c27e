"""Loudness per frame: level weighted the way the ear weights frequencies."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from after.features.frames import as_mono, slice_frames

FLOOR_DB = -100.0
"""What digital silence reads, in dB."""

# Pole frequencies of the A weighting in Hz, IEC 61672-1:2013, annex E, as computed from its equations.
_POLES_HZ = (20.598997, 107.65265, 737.86223, 12194.217)


def _response(frequency_hz: NDArray[np.float64]) -> NDArray[np.float64]:
    squared = np.square(frequency_hz)
    first, second, third, fourth = (pole**2 for pole in _POLES_HZ)
    rolled_off = (squared + first) * np.sqrt((squared + second) * (squared + third)) * (squared + fourth)
    return np.asarray(fourth * np.square(squared) / rolled_off)


def a_weighting(frequency_hz: ArrayLike) -> NDArray[np.float64]:
    """Give the gain of the A weighting, 1 at 1 kHz and 0 at 0 Hz.

    Args:
        frequency_hz: any shape, Hz.

    Returns:
        Linear gain, same shape.

    Source: IEC 61672-1:2013, section 5.5.7 and annex E, equation E.6.
    """
    return _response(np.asarray(frequency_hz, dtype=np.float64)) / _response(np.asarray(1000.0))


def measure_loudness(
    audio: ArrayLike, sample_rate: int, *, hop_length: int = 1024, window_length: int = 2048
) -> NDArray[np.float32]:
    """Measure the A-weighted level of each frame.

    Args:
        audio: [C, T] or [T], full scale +-1; channels are averaged.
        sample_rate: Hz.
        hop_length: samples per frame.
        window_length: samples of the Hann window centred on each frame.

    Returns:
        [L] float32 in dB, at least `FLOOR_DB`; L = ceil(T / hop_length). A full-scale sine at 1 kHz reads -3.01.

    Raises:
        AudioError: if `audio` is empty or not finite.
    """
    window = np.hanning(window_length + 1)[:-1].astype(np.float32)
    frequency_hz = np.fft.rfftfreq(window_length, 1.0 / sample_rate)
    weights = np.square(a_weighting(frequency_hz))
    weights[1:-1] *= 2.0  # a real signal has the same power again at the negative frequencies
    weights /= window_length * np.square(window).sum()
    windows = slice_frames(as_mono(audio), hop_length, window_length)
    power = np.empty(len(windows))
    for start in range(0, len(windows), 1024):  # bounds memory on long files
        spectrum = np.fft.rfft(windows[start : start + 1024] * window, axis=1)
        power[start : start + 1024] = (np.square(spectrum.real) + np.square(spectrum.imag)) @ weights
    return np.asarray(10.0 * np.log10(np.maximum(power, 10.0 ** (FLOOR_DB / 10.0))), dtype=np.float32)
