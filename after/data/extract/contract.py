"""What a feature is: settings that travel and are compared, and an extractor that works through one recording."""

from collections.abc import Hashable, Iterator, Mapping
from typing import Any, Protocol

from after.data.extract.stored_audio import StoredAudio
from after.data.records import Array

Counts = dict[str, dict[int, int]]
"""Histograms by name: bin to number. Histograms of one name add up over chunks, files and groups."""


class Extractor(Protocol):
    """Computes one feature; made once per process, used for many recordings."""

    def extract(self, audio: StoredAudio) -> Iterator[Mapping[str, Array]]:
        """Give the arrays of each chunk by name, for all `audio.num_chunks` chunks in the order of time.

        Arrays with a value per frame have `audio.chunk_samples / hop_length` frames; frame k of a chunk describes its
        samples [k hop_length, (k + 1) hop_length). Only a bounded part of the audio may be in memory at a time, and
        the result must not depend on where chunks begin.
        """
        ...

    def count(self, arrays: Mapping[str, Array], num_samples: int) -> Counts:
        """Count what one chunk holds, for the manifest; only its first `num_samples` samples are audio."""
        ...


class FeatureSettings(Hashable, Protocol):
    """What decides a feature's values: a frozen dataclass that goes through pickle and may be a dictionary key."""

    @property
    def name(self) -> str:
        """Name of the feature; also of its array, or what its arrays' names begin with."""
        ...

    def to_manifest(self) -> dict[str, Any]:
        """Give everything that decides the values, as JSON; equal means that stored values stay good."""
        ...

    def build(self) -> Extractor:
        """Make the extractor.

        Raises:
            AfterError: if weights or packages that it needs are missing.
        """
        ...
