"""Test signals with known answers: float32 audio [1, T], full scale 1."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Audio = NDArray[np.float32]


def sine(frequency_hz: float, duration_s: float, sample_rate: int = 44100, level: float = 0.5) -> Audio:
    """Give a sine that starts at phase zero."""
    time_s = _time_s(duration_s, sample_rate)
    return _mono(level * np.sin(2 * np.pi * frequency_hz * time_s))


def sweep(from_hz: float, to_hz: float, duration_s: float, sample_rate: int = 44100, level: float = 0.5) -> Audio:
    """Give an exponential sine sweep; at time t its frequency is from * (to / from) ** (t / duration)."""
    time_s = _time_s(duration_s, sample_rate)
    octaves = np.log(to_hz / from_hz)
    phase = 2 * np.pi * from_hz * duration_s / octaves * (np.exp(time_s / duration_s * octaves) - 1)
    return _mono(level * np.sin(phase))


def impulse(position_samples: int, length_samples: int, level: float = 1.0) -> Audio:
    """Give silence with one sample at `position_samples`."""
    audio = np.zeros((1, length_samples), dtype=np.float32)
    audio[0, position_samples] = level
    return audio


def chord(pitches: Sequence[int], duration_s: float, sample_rate: int = 44100, level: float = 0.5) -> Audio:
    """Give MIDI pitches sounding together, one decaying sine each, their sum at most `level`."""
    decay = np.exp(-2.0 * _time_s(duration_s, sample_rate))
    tones = [sine(440.0 * 2 ** ((pitch - 69) / 12), duration_s, sample_rate, level) for pitch in pitches]
    return _mono(np.mean(tones, axis=0)[0] * decay)


def noise(duration_s: float, sample_rate: int = 44100, level: float = 0.1, seed: int = 0) -> Audio:
    """Give white Gaussian noise of RMS `level`."""
    samples = round(duration_s * sample_rate)
    return _mono(level * np.random.default_rng(seed).standard_normal(samples))


def _time_s(duration_s: float, sample_rate: int) -> NDArray[np.float64]:
    return np.arange(round(duration_s * sample_rate)) / sample_rate


def _mono(signal: NDArray[np.float64]) -> Audio:
    return signal.astype(np.float32)[None]
