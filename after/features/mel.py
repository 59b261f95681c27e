"""Log-mel spectrogram and the distance between two of them."""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from after.errors import AudioError
from after.features.frames import as_mono, level_db, slice_frames


@lru_cache(maxsize=16)
def mel_filters(
    sample_rate: int, window_length: int, num_mels: int, low_hz: float = 0.0, high_hz: float | None = None
) -> NDArray[np.float32]:
    """Build triangular filters of height 1, equally spaced in mel.

    Args:
        sample_rate: Hz.
        window_length: samples per transform.
        num_mels: number of bands.
        low_hz: lower edge of the first band.
        high_hz: upper edge of the last band; half the sample rate if None.

    Returns:
        [num_mels, window_length / 2 + 1].

    Source: O'Shaughnessy 1987, mel = 2595 log10(1 + f / 700).
    """
    high_hz = sample_rate / 2 if high_hz is None else high_hz
    low_mel, high_mel = (2595.0 * math.log10(1.0 + edge_hz / 700.0) for edge_hz in (low_hz, high_hz))
    mel_edges = np.linspace(low_mel, high_mel, num_mels + 2)
    edges_hz = 700.0 * (10.0 ** (mel_edges / 2595.0) - 1.0)
    bins_hz = np.fft.rfftfreq(window_length, 1.0 / sample_rate)
    rising = (bins_hz - edges_hz[:-2, None]) / np.diff(edges_hz)[:-1, None]
    falling = (edges_hz[2:, None] - bins_hz) / np.diff(edges_hz)[1:, None]
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)), dtype=np.float32)


def magnitude_spectrogram(
    mono: NDArray[np.float32], *, hop_length: int = 1024, window_length: int = 2048
) -> NDArray[np.float32]:
    """Give the magnitude of the Hann-windowed short-time spectrum, not scaled by the window.

    Args:
        mono: [T].
        hop_length: samples per frame.
        window_length: samples per window, centred on the frame.

    Returns:
        [window_length / 2 + 1, L] float32; a full-scale sine peaks at window_length / 4.
    """
    window = np.hanning(window_length + 1)[:-1].astype(np.float32)
    windows = slice_frames(mono, hop_length, window_length)
    blocks = [
        np.abs(np.fft.rfft(windows[start : start + 1024] * window, axis=1)).astype(np.float32)
        for start in range(0, len(windows), 1024)  # bounds the memory of the double-precision transform
    ]
    return np.concatenate(blocks).T


def log_mel(
    audio: ArrayLike, sample_rate: int, *, hop_length: int = 1024, num_mels: int = 80, floor: float = 1e-3
) -> NDArray[np.float32]:
    """Compute the natural logarithm of the mel magnitudes.

    Args:
        audio: [C, T] or [T]; channels are averaged.
        sample_rate: Hz.
        hop_length: samples per frame; the Hann window has 2048 samples.
        num_mels: bands from 0 Hz to half the sample rate.
        floor: smallest magnitude, in units where a full-scale sine in the middle of one band reads about 512.

    Returns:
        [num_mels, L] float32.

    Raises:
        AudioError: if `audio` is empty or not finite.
    """
    magnitude = magnitude_spectrogram(as_mono(audio), hop_length=hop_length)
    mels = mel_filters(sample_rate, 2048, num_mels) @ magnitude
    return np.asarray(np.log(np.maximum(mels, floor)), dtype=np.float32)


def log_mel_distance(
    audio: ArrayLike, reference: ArrayLike, sample_rate: int, *, hop_length: int = 1024, quiet_db: float = -50.0
) -> float:
    """Average the absolute log-mel difference over the frames in which the reference sounds.

    Args:
        audio: [C, T] or [T]; the shorter of the two is compared with the start of the longer.
        reference: [C, T] or [T], same sample rate.
        sample_rate: Hz.
        hop_length: samples per frame.
        quiet_db: frames of the reference whose level is below this many dBFS are left out.

    Returns:
        Natural-log units, 0 for equal audio; NaN if the reference never exceeds `quiet_db`.

    Raises:
        AudioError: if one of the two is empty or not finite.
    """
    mono, mono_reference = as_mono(audio), as_mono(reference)
    length = min(mono.size, mono_reference.size)
    if length == 0:
        raise AudioError("nothing to compare: one of the two recordings is empty")
    mono, mono_reference = mono[:length], mono_reference[:length]
    is_loud = level_db(mono_reference, hop_length) > quiet_db
    if not is_loud.any():
        return float("nan")
    difference = log_mel(mono, sample_rate, hop_length=hop_length)
    difference = np.abs(difference - log_mel(mono_reference, sample_rate, hop_length=hop_length))
    return float(difference[:, is_loud].mean())
