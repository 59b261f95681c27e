"""A-weighted levels by a filter in time, to hold those that the store takes from spectra against."""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.signal import bilinear_zpk, sosfilt, sosfreqz, zpk2sos

from after.audio import resample
from after.data.extract.loudness import LoudnessExtractor, LoudnessSettings
from after.data.extract.stored_audio import StoredAudio
from after.features.frames import count_frames
from after.features.loudness import FLOOR_DB

AUDIBLE_DB = -60.0
"""Frames whose filtered level is lower do not count."""

_OVERSAMPLING = 4
_CONTEXT_S = 1.0
_BLOCK_FRAMES = 2048


def analog_poles_hz() -> tuple[float, float, float, float]:
    """Compute the pole frequencies of the A weighting.

    Source: IEC 61672-1:2013, annex E, equations E.1 to E.5: f_r is the reference frequency, f_L and f_H are the
    frequencies where the C weighting falls by 3 dB, f_A where the A weighting's own high-pass does.
    """
    f_r, f_l, f_h, f_a = 1000.0, 10.0**1.5, 10.0**3.9, 10.0**2.45
    d = math.sqrt(0.5)
    b = (f_r**2 + f_l**2 * f_h**2 / f_r**2 - d * (f_l**2 + f_h**2)) / (1.0 - d)
    c = f_l**2 * f_h**2
    root = math.sqrt(b**2 - 4.0 * c)
    first, fourth = math.sqrt((-b - root) / 2.0), math.sqrt((-b + root) / 2.0)
    second, third = (3.0 - math.sqrt(5.0)) / 2.0 * f_a, (3.0 + math.sqrt(5.0)) / 2.0 * f_a
    return first, second, third, fourth


@lru_cache(maxsize=8)
def weighting_filter(sample_rate: int) -> NDArray[np.float64]:
    """Give the A weighting as second-order sections [S, 6], gain 1 at 1 kHz.

    The bilinear transform bends frequencies: at 176.4 kHz the weighting is 0.04 dB off at 8 kHz, 0.3 at 16.
    """
    first, second, third, fourth = (-2.0 * np.pi * pole for pole in analog_poles_hz())
    zeros, poles = np.zeros(4), np.array([first, first, second, third, fourth, fourth])
    sections = zpk2sos(*bilinear_zpk(zeros, poles, 1.0, sample_rate))
    _, response = sosfreqz(sections, worN=[1000.0], fs=sample_rate)
    sections[0, :3] /= abs(response[0])
    return np.asarray(sections)


def filter_loudness(audio: StoredAudio, settings: LoudnessSettings) -> NDArray[np.float64]:
    """Measure the level of each frame in dB: filter at four times the rate, then RMS under the Hann window.

    Args:
        audio: a recording.
        settings: frames and windows, those of the feature.

    Returns:
        [L], at least `FLOOR_DB`.
    """
    num_frames = count_frames(audio.num_samples, settings.hop_length)
    blocks = (range(start, min(start + _BLOCK_FRAMES, num_frames)) for start in range(0, num_frames, _BLOCK_FRAMES))
    power = np.concatenate([_block_power(audio, frames, settings) for frames in blocks])
    return np.asarray(10.0 * np.log10(np.maximum(power, 10.0 ** (FLOOR_DB / 10.0))))


def _block_power(audio: StoredAudio, frames: range, settings: LoudnessSettings) -> NDArray[np.float64]:
    """Measure some frames; the audio before them lets the filter settle."""
    hop, length = settings.hop_length, settings.window_length
    context = round(_CONTEXT_S * audio.sample_rate)
    first = frames.start * hop + (hop - length) // 2
    piece = audio.read(first - context, first + len(frames) * hop + length + context)
    rate = _OVERSAMPLING * audio.sample_rate
    weighted = sosfilt(weighting_filter(rate), resample(piece, audio.sample_rate, rate).astype(np.float64))
    hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(_OVERSAMPLING * length) / (_OVERSAMPLING * length))
    energy, total = np.square(hann), float(np.square(hann).sum())
    starts = _OVERSAMPLING * (context + np.arange(len(frames)) * hop)
    return np.array([np.square(weighted[start : start + hann.size]) @ energy / total for start in starts])


def compare_loudness(
    extractor: LoudnessExtractor, settings: LoudnessSettings, audio: StoredAudio
) -> NDArray[np.float64]:
    """Measure the loudness as the data store does, and by the filter.

    Returns:
        Absolute differences in dB, of the frames above `AUDIBLE_DB`.
    """
    filtered = filter_loudness(audio, settings)
    measured = np.concatenate([arrays["loudness"] for arrays in extractor.extract(audio)])[: filtered.size]
    return np.asarray(np.abs(measured - filtered)[filtered > AUDIBLE_DB])
