"""The audio of one stored recording, read piece by piece wherever it lies."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from after.audio import FloatAudio
from after.data.records import SourceRecord
from after.data.store import Store

_FULL_SCALE = np.float32(32_768.0)


class ChunkReader(Protocol):
    """Reads samples [start, stop) of one chunk, int16."""

    def __call__(self, index: int, start: int, stop: int) -> NDArray[np.int16]:
        """Read."""
        ...


@dataclass(frozen=True, slots=True)
class StoredAudio:
    """One recording as the store holds it: mono at `sample_rate`, chunks without gaps, its end cut where chunks end.

    `num_samples` are audio; the last chunk may be longer and is filled with zeros.
    """

    sample_rate: int
    num_samples: int
    chunk_samples: int
    num_chunks: int
    read_chunk: ChunkReader

    def read(self, start: int, stop: int) -> FloatAudio:
        """Read samples [start, stop) as float32 in +-1; beyond both ends there is silence."""
        audio = np.zeros(max(0, stop - start), dtype=np.float32)
        position = max(0, start)
        end = min(stop, self.num_samples)
        while position < end:
            index, offset = divmod(position, self.chunk_samples)
            length = min(end - position, self.chunk_samples - offset)
            piece = self.read_chunk(index, offset, offset + length)
            audio[position - start : position - start + length] = piece / _FULL_SCALE
            position += length
        return audio

    def valid_samples(self, index: int) -> int:
        """Give how many samples of a chunk are audio."""
        return min(self.chunk_samples, self.num_samples - index * self.chunk_samples)


@dataclass(frozen=True, slots=True)
class AudioInStore:
    """Where a recording lies, for a process that can reach the store."""

    path: Path
    record: SourceRecord
    sample_rate: int
    chunk_samples: int

    @contextmanager
    def open(self) -> Iterator[StoredAudio]:
        """Open the store for reading, and give the recording."""
        with Store.open(self.path) as store:
            yield self.read_from(store)

    def read_from(self, store: Store) -> StoredAudio:
        """Give the recording as a store that is open already holds it."""

        def read_chunk(index: int, start: int, stop: int) -> NDArray[np.int16]:
            return store.read_slice(self.record.chunk_key(index), "audio", start, stop)

        record = self.record
        return StoredAudio(self.sample_rate, record.stored_samples, self.chunk_samples, record.num_chunks, read_chunk)

    def ship(self, store: Store) -> "ShippedAudio":
        """Take the samples along, for a process that cannot reach the store."""
        pieces = [
            store.read_slice(self.record.chunk_key(index), "audio", 0, self.chunk_samples)
            for index in range(self.record.num_chunks)
        ]
        samples = np.concatenate(pieces)
        return ShippedAudio(samples, self.record.stored_samples, self.sample_rate, self.chunk_samples)


@dataclass(frozen=True, slots=True, eq=False)
class AudioInOpenStore:
    """Where a recording lies, for the process that has the store open: LMDB opens it once per process."""

    store: Store
    audio: AudioInStore

    @contextmanager
    def open(self) -> Iterator[StoredAudio]:
        """Give the recording."""
        yield self.audio.read_from(self.store)


@dataclass(frozen=True, slots=True, eq=False)
class ShippedAudio:
    """A whole recording in memory, int16 [T], 90 kB per second; `num_samples` of them are audio."""

    samples: NDArray[np.int16]
    num_samples: int
    sample_rate: int
    chunk_samples: int

    @contextmanager
    def open(self) -> Iterator[StoredAudio]:
        """Give the recording."""

        def read_chunk(index: int, start: int, stop: int) -> NDArray[np.int16]:
            first = index * self.chunk_samples
            return self.samples[first + start : first + stop]

        num_chunks = len(self.samples) // self.chunk_samples
        yield StoredAudio(self.sample_rate, self.num_samples, self.chunk_samples, num_chunks, read_chunk)
