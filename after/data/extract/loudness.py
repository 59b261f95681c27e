"""The feature `loudness`: A-weighted level of each frame."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from after.data.extract.contract import Counts
from after.data.extract.frame_grid import check_lengths, frames_per_chunk
from after.data.extract.stored_audio import StoredAudio
from after.data.records import Array
from after.features.frames import count_frames
from after.features.loudness import measure_loudness


@dataclass(frozen=True, kw_only=True, slots=True)
class LoudnessSettings:
    """Samples per frame, and of the window around it, at the store's rate."""

    hop_length: int = 1024
    window_length: int = 2048

    def __post_init__(self) -> None:
        """Check the ranges."""
        check_lengths(hop_length=self.hop_length, window_length=self.window_length)

    @property
    def name(self) -> str:
        """Name of the feature and of its array, [L] float32 in dB, -100 in silence."""
        return "loudness"

    def to_manifest(self) -> dict[str, Any]:
        """Give the settings as JSON."""
        return asdict(self)

    def build(self) -> "LoudnessExtractor":
        """Make the extractor."""
        return LoudnessExtractor(self)


class LoudnessExtractor:
    """Measures chunk after chunk, each with the audio beside it that the windows of its outer frames reach."""

    def __init__(self, settings: LoudnessSettings) -> None:
        self._settings = settings

    def extract(self, audio: StoredAudio) -> Iterator[Mapping[str, Array]]:
        """Give the loudness of each chunk."""
        hop, window = self._settings.hop_length, self._settings.window_length
        num_frames = frames_per_chunk(audio, hop, "the loudness's")
        context = count_frames(max(0, window - hop), hop)
        for index in range(audio.num_chunks):
            start = index * audio.chunk_samples - context * hop
            piece = audio.read(start, start + (num_frames + 2 * context) * hop)
            loudness = measure_loudness(piece, audio.sample_rate, hop_length=hop, window_length=window)
            yield {"loudness": loudness[context : context + num_frames]}

    def count(self, arrays: Mapping[str, Array], num_samples: int) -> Counts:
        """Count frames by whole dB."""
        loudness = arrays["loudness"][: count_frames(num_samples, self._settings.hop_length)]
        return {"loudness_db": dict(Counter(np.rint(loudness).astype(int).tolist()))}
