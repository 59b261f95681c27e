"""Recordings in memory as a store would give them, and their features."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from after.data.extract.contract import FeatureSettings
from after.data.extract.stored_audio import ShippedAudio, StoredAudio

RATE = 44_100


def stored(audio: NDArray[Any], chunk_samples: int, sample_rate: int = RATE) -> StoredAudio:
    num_chunks = -(-audio.size // chunk_samples)
    samples = np.zeros(num_chunks * chunk_samples, dtype=np.int16)
    samples[: audio.size] = np.clip(np.rint(audio * 32_768), -32_768, 32_767)
    with ShippedAudio(samples, audio.size, sample_rate, chunk_samples).open() as recording:
        return recording


def as_stored(audio: NDArray[Any]) -> NDArray[np.float32]:
    """Give audio as it is after 16 bits."""
    return stored(audio, audio.size).read(0, audio.size)


def chunks_of(feature: FeatureSettings, audio: NDArray[Any], chunk_samples: int, **given: int) -> list[NDArray[Any]]:
    found = list(feature.build().extract(stored(audio, chunk_samples, **given)))
    assert all(list(arrays) == list(found[0]) for arrays in found)
    return [array for arrays in found for array in arrays.values()]


def click(audio: NDArray[Any], at: int, level: float = 0.9) -> None:
    """Put a click of 40 samples with its middle at a sample."""
    length = 40
    audio[at - length // 2 : at + length // 2] += level * np.hanning(length) * np.sin(np.arange(length) * 0.9)


def chirp(duration_s: float, low_hz: float, octaves_per_s: float, rate: int = RATE) -> NDArray[np.float64]:
    """Give a rising tone with five overtones; its pitch at a time is `low_hz` 2^(octaves_per_s time)."""
    seconds = np.arange(round(duration_s * rate)) / rate
    phase = 2 * np.pi * np.cumsum(low_hz * 2.0 ** (octaves_per_s * seconds)) / rate
    return np.asarray(0.2 * sum(np.sin(k * phase) / k for k in range(1, 7)))
