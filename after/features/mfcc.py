"""Mel-frequency cepstral statistics: a fingerprint of timbre that no model here was trained on."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.fft import dct

from after.features.frames import as_mono
from after.features.mel import magnitude_spectrogram, mel_filters

NUM_COEFFICIENTS = 20
"""Coefficients kept, the zeroth (level) not among them."""

_NUM_MELS = 40
_LOW_HZ, _HIGH_HZ = 40.0, 12000.0
_RANGE_DB = 70.0  # bands further below the loudest band of the recording count as equally silent
_ACTIVE_DB = 40.0  # frames further below the loudest frame are not the instrument but what follows it


def mfcc(audio: ArrayLike, sample_rate: int, *, hop_length: int = 1024) -> NDArray[np.float32]:
    """Compute cepstral coefficients 1 to 20, which do not change when the whole recording gets louder.

    Args:
        audio: [C, T] or [T]; channels are averaged.
        sample_rate: Hz, at least 24 000 so that the bands up to 12 kHz exist.
        hop_length: samples per frame.

    Returns:
        [NUM_COEFFICIENTS, L] float32; [NUM_COEFFICIENTS, 0] for silence. Frames more than 40 dB below the loudest
        frame are left out.

    Raises:
        AudioError: if `audio` is empty or not finite.

    Source: Davis and Mermelstein 1980, section II, equation 1 (with an orthonormal cosine transform).
    """
    magnitude = magnitude_spectrogram(as_mono(audio), hop_length=hop_length)
    mels = mel_filters(sample_rate, 2048, _NUM_MELS, _LOW_HZ, _HIGH_HZ) @ np.square(magnitude)
    frame_power = mels.sum(axis=0)
    mels = mels[:, frame_power > frame_power.max() * 10.0 ** (-_ACTIVE_DB / 10.0)]
    if mels.size == 0:
        return np.zeros((NUM_COEFFICIENTS, 0), dtype=np.float32)
    decibels = 10.0 * np.log10(np.maximum(mels / mels.max(), 10.0 ** (-_RANGE_DB / 10.0)))
    return np.asarray(dct(decibels, axis=0, norm="ortho")[1 : NUM_COEFFICIENTS + 1], dtype=np.float32)


def mfcc_statistics(audio: ArrayLike, sample_rate: int) -> NDArray[np.float32]:
    """Summarise the timbre of a recording by the mean and the standard deviation of each coefficient.

    Both move with pitch as well as with the instrument: compare recordings of the same notes where possible.

    Args:
        audio: [C, T] or [T].
        sample_rate: Hz, at least 24 000.

    Returns:
        [2 NUM_COEFFICIENTS]: means, then standard deviations; NaN throughout for silence.

    Raises:
        AudioError: if `audio` is empty or not finite.
    """
    coefficients = mfcc(audio, sample_rate)
    if coefficients.shape[1] == 0:
        return np.full(2 * NUM_COEFFICIENTS, np.nan, dtype=np.float32)
    return np.concatenate([coefficients.mean(axis=1), coefficients.std(axis=1)])
