"""A few chunks that stand for a store: which ones, and what there is to draw of each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

import numpy as np
from numpy.typing import NDArray

from after.data.feature_records import FeatureRecord
from after.data.records import SourceRecord, source_id
from after.data.store import Store

_FULL_SCALE = np.float32(32_768.0)


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One chunk.

    Attributes:
        record: the recording it is from.
        start_s: its place there.
        duration_s: the chunk's length; the audio may be shorter.
        mono: [T] float32 in +-1, without the padding.
        notes: [N, 4], of the MIDI file, or else transcribed.
        pitch: [2, L], f0_hz and periodicity, with its feature's record; None where it is not complete.
    """

    record: SourceRecord
    start_s: float
    duration_s: float
    mono: NDArray[np.float32]
    notes: NDArray[np.float32]
    pitch: tuple[NDArray[np.float32], FeatureRecord] | None


def choose_examples(records: Sequence[SourceRecord], number: int) -> list[tuple[SourceRecord, int]]:
    """Choose recordings and the index of a chunk in each: always the same for the same store.

    Groups take turns; if there are too many, every n-th in the order of their names. In a group different recordings
    come before different chunks of one.
    """
    groups: dict[str, list[SourceRecord]] = {}
    for record in records:
        if record.kind == "recording" and record.num_chunks:
            groups.setdefault(record.group, []).append(record)
    names = sorted(groups)
    if len(names) > number:
        names = [names[index * len(names) // number] for index in range(number)]
    rounds = zip_longest(*(_in_turn(groups[name], number) for name in names))
    chosen = (pair for round_ in rounds for pair in round_ if pair is not None)
    return sorted(islice(chosen, number), key=lambda pair: (pair[0].group, pair[0].source, pair[1]))


def read_example(store: Store, record: SourceRecord, index: int) -> Example:
    """Read what there is of a chunk.

    Raises:
        DataError: if the store is damaged.
    """
    manifest = store.manifest
    sample_rate, chunk_samples = int(manifest["sample_rate"]), int(manifest["chunk_samples"])
    key = record.chunk_key(index)
    names = set(store.names(key))
    valid_samples = min(chunk_samples, record.stored_samples - index * chunk_samples)
    notes = np.zeros((0, 4), dtype=np.float32)
    for name in ("notes", "transcribed_notes"):
        if name in names:
            notes = store.read(key, [name])[name]
            break
    feature = store.features.get(record, "pitch")
    return Example(
        record=record,
        start_s=index * chunk_samples / sample_rate,
        duration_s=chunk_samples / sample_rate,
        mono=store.read_slice(key, "audio", 0, max(1, valid_samples)) / _FULL_SCALE,
        notes=notes,
        pitch=(store.read(key, ["pitch"])["pitch"], feature) if feature is not None and "pitch" in names else None,
    )


def _in_turn(records: Sequence[SourceRecord], number: int) -> Iterator[tuple[SourceRecord, int]]:
    """Give the middle chunk of each recording, in an order that has nothing to do with names; then other chunks."""
    some = sorted(records, key=lambda record: source_id(record.source))[:number]
    middles = {record.source: (record.num_chunks - 1) // 2 for record in some}
    yield from ((record, middles[record.source]) for record in some)
    for record in some:
        yield from ((record, index) for index in range(record.num_chunks) if index != middles[record.source])
