"""Folders of synthetic audio for the data tests."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

FORMATS = {"flac": "FLAC", "ogg": "OGG", "mp3": "MP3", "aiff": "AIFF", "wav": "WAV"}


def sine(frequency_hz: float, duration_s: float, sample_rate: int = 44_100, level: float = 0.5) -> NDArray[np.float64]:
    return level * np.sin(2 * np.pi * frequency_hz * np.arange(round(duration_s * sample_rate)) / sample_rate)


def save(path: str | Path, audio: NDArray[np.floating], sample_rate: int = 44_100, subtype: str | None = None) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, audio, sample_rate, format=FORMATS[path.suffix[1:]], subtype=subtype)
    return path


def save_set(root: str | Path, seconds_by_name: Mapping[str, float]) -> Path:
    for index, (name, duration_s) in enumerate(seconds_by_name.items()):
        save(Path(root, name), sine(200 + 20 * index, duration_s))
    return Path(root)


def fundamental_hz(audio: NDArray[np.floating], sample_rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(audio.size)))
    peak = int(np.argmax(spectrum))
    left, centre, right = np.log(spectrum[peak - 1 : peak + 2])
    return (peak + 0.5 * (left - right) / (left - 2 * centre + right)) * sample_rate / audio.size
