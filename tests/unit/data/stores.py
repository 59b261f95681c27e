"""Stores written by hand: what is in them is known without preparing or analysing anything."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from after.data.feature_records import FeatureRecord
from after.data.records import Array, FileStamp, SourceRecord, encode_array
from after.data.store import Chunk, Store

SAMPLE_RATE = 32_000
CHUNK_SAMPLES = 64_000
HOP_LENGTH = 640


def write_manifest(store: Store, **more: Any) -> None:
    store.write_manifest(
        {"sample_rate": SAMPLE_RATE, "chunk_samples": CHUNK_SAMPLES, "summary": {}, "skipped": [], "warnings": []}
        | more
    )


def add(
    store: Store,
    source: str,
    *,
    num_samples: int = CHUNK_SAMPLES,
    notes: Sequence[Sequence[float]] | None = None,
    **fields: Any,
) -> SourceRecord:
    """Add a file of 220 Hz; the notes are given from the start of each of its chunks."""
    number = -(-num_samples // CHUNK_SAMPLES)
    values: dict[str, Any] = {
        "source": source,
        "split": "train",
        "split_rank": 0.5,
        "group": Path(source).parent.name,
        "license": "",
        "audio": FileStamp(size_bytes=1, mtime_ns=2, content_hash="v1"),
        "midi": None,
        "chunk_prefix": source.encode("utf-8", "surrogateescape").hex(),
        "num_chunks": number,
        "num_samples": num_samples,
        "source_sample_rate": SAMPLE_RATE,
        "source_channels": 1,
        "peak_db": -6.0,
        "clipped_samples": 0,
        "dropped_samples": 0,
        "num_notes": None if notes is None else number * len(notes),
        "pitch_counts": {int(note[2]): number for note in notes or ()},
    }
    record = SourceRecord(**values | fields)
    time = np.arange(number * CHUNK_SAMPLES)
    audio = np.where(time < num_samples, 16_384 * np.sin(2 * np.pi * 220 * time / SAMPLE_RATE), 0.0).astype(np.int16)
    chunks = []
    for index in range(number):
        arrays: dict[str, Array] = {"audio": audio[index * CHUNK_SAMPLES : (index + 1) * CHUNK_SAMPLES]}
        if notes is not None:
            arrays["notes"] = np.asarray(notes, dtype=np.float32).reshape(-1, 4)
        chunks.append(Chunk({"index": index}, arrays))
    store.put_source(record, chunks)
    return record


def add_feature(
    store: Store,
    record: SourceRecord,
    name: str,
    array: Array,
    *,
    settings: Mapping[str, Any] | None = None,
    counts: Mapping[str, Mapping[int, int]] | None = None,
) -> None:
    """Give every chunk of a file the same array."""
    feature = FeatureRecord(name=name, settings=settings or {}, counts=counts or {})
    blocks = ((index, name, encode_array(name, array)) for index in range(record.num_chunks))
    store.features.put(record, feature, blocks)
