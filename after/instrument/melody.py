"""A melody to measure instruments with that are played by audio: short tones of a voice that does not exist."""

import numpy as np
from numpy.typing import NDArray

_TONE_S, _REST_S = 0.17, 0.03
_NUM_HARMONICS = 8


def make_melody(num_samples: int, sample_rate: int, *, seed: int = 0) -> NDArray[np.float32]:
    """Give a tone after another, each with harmonics, vibrato and a decay, between G2 and G5.

    Args:
        num_samples: T.
        sample_rate: Hz.
        seed: of pitches and levels.

    Returns:
        audio [1, T] below full scale.
    """
    rng = np.random.default_rng(seed)
    length, rest = round(_TONE_S * sample_rate), round(_REST_S * sample_rate)
    tones = [np.zeros(rest // 2)]
    for _ in range(num_samples // (length + rest) + 1):
        pitch, level = rng.integers(43, 80), rng.uniform(0.1, 0.4)
        tones += [level * tone(440.0 * 2.0 ** ((pitch - 69) / 12.0), length, sample_rate), np.zeros(rest)]
    return np.concatenate(tones)[None, :num_samples].astype(np.float32)


def tone(f0_hz: float, num_samples: int, sample_rate: int) -> NDArray[np.float64]:
    """Give one tone [T] with a peak of at most 1."""
    time_s = np.arange(num_samples) / sample_rate
    phase = 2.0 * np.pi * f0_hz * time_s + 0.05 * np.sin(2.0 * np.pi * 6.0 * time_s)
    harmonics = [k for k in range(1, _NUM_HARMONICS + 1) if k * f0_hz < 0.4 * sample_rate] or [1]
    sound = np.sum([np.sin(k * phase) / k for k in harmonics], axis=0) / sum(1.0 / k for k in harmonics)
    fade = np.minimum(1.0, np.minimum(time_s, time_s[::-1]) / 0.005)
    return np.asarray(sound * fade * np.exp(-3.0 * time_s))
