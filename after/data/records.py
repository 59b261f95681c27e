"""What the store knows about one source file, and the blocks that hold its arrays."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from after.errors import DataError

Array = NDArray[Any]
Kind = Literal["recording", "copy", "silence"]

_DTYPES: Mapping[str, np.dtype[Any]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("bool"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class FileStamp:
    """A file's size, modification time and contents; equal hashes mean equal contents."""

    size_bytes: int
    mtime_ns: int
    content_hash: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceRecord:
    """One audio file in the store: where it came from, where it belongs, what it gave.

    `split_rank` in 0..1 orders the files for the split; `chunk_prefix` begins the keys of its chunks; `num_samples`
    counts at the store's sample rate; `pitch_counts` maps a MIDI pitch to its number of notes.

    A `kind` of "copy" is another file (`original`), `semitones` higher and `tempo` times as fast; "silence" is an
    example of nothing being played. Both belong to training only.
    """

    source: str
    split: str
    split_rank: float
    group: str
    license: str
    audio: FileStamp
    midi: FileStamp | None
    chunk_prefix: str
    num_chunks: int
    num_samples: int
    source_sample_rate: int
    source_channels: int
    peak_db: float
    clipped_samples: int
    dropped_samples: int
    num_notes: int | None
    pitch_counts: Mapping[int, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    kind: Kind = "recording"
    original: str = ""
    semitones: float = 0.0
    tempo: float = 1.0

    @property
    def stored_samples(self) -> int:
        """Samples of audio that are in chunks."""
        return self.num_samples - self.dropped_samples

    def chunk_key(self, index: int) -> str:
        """Give the key of the chunk with this index."""
        return f"{self.chunk_prefix}-{index:06d}"

    def chunk_keys(self) -> list[str]:
        """Give the keys of all chunks, in the order of time."""
        return [self.chunk_key(index) for index in range(self.num_chunks)]

    def to_json(self) -> bytes:
        """Give the record as JSON, always the same bytes for the same record."""
        return encode_json(asdict(self))

    @staticmethod
    def from_json(data: bytes) -> "SourceRecord":
        """Read what `to_json` wrote."""
        values = json.loads(data)
        values["audio"] = FileStamp(**values["audio"])
        values["midi"] = FileStamp(**values["midi"]) if values["midi"] else None
        values["pitch_counts"] = {int(pitch): count for pitch, count in values["pitch_counts"].items()}
        values["warnings"] = tuple(values["warnings"])
        return SourceRecord(**values)


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk as it is written: its metadata and its arrays by name."""

    metadata: Mapping[str, object]
    arrays: Mapping[str, Array]


def encode_json(value: object) -> bytes:
    """Give a value as JSON with sorted keys, so that equal values give equal bytes."""
    # ASCII only: file names that are not UTF-8 hold lone surrogates, which UTF-8 cannot carry.
    return json.dumps(value, sort_keys=True, allow_nan=False).encode("ascii")


def source_id(source: str) -> str:
    """Give a short name for a source path; store keys are limited to 511 bytes, paths are not."""
    return hashlib.blake2b(source.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def encode_array(name: str, array: Array) -> bytes:
    """Give one array as a safetensors block."""
    # safetensors writes the buffer as it lies in memory: a transposed view must be laid out first.
    return safetensors.numpy.save({name: np.ascontiguousarray(array)})


def view_array(block: bytes | memoryview) -> Array:
    """Look at the only array of a safetensors block without copying it.

    The view lives as long as `block` does. safetensors' own reader copies everything, and a training crop needs an
    eighth of a chunk.

    Raises:
        DataError: if the block is damaged.

    Source: the safetensors format: u64 header length, JSON header, data.
    """
    try:
        start = 8 + int.from_bytes(block[:8], "little")
        header = json.loads(bytes(block[8:start]))
        (entry,) = (value for name, value in header.items() if name != "__metadata__")
        first, last = entry["data_offsets"]
        dtype = _DTYPES[entry["dtype"]]
        flat = np.frombuffer(block, dtype, count=(last - first) // dtype.itemsize, offset=start + first)
        array: Array = flat.reshape(entry["shape"])
        return array
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"a block of the store is damaged ({error}); prepare the store again") from error
