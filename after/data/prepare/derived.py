"""Recordings that are made from others for training: transposed and stretched copies, and examples of silence.

They follow from the recordings in the store and the settings alone, so a run brings them up to date like files: what
is missing is made, what no longer belongs is removed.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from after.data.extract.copies import Copy, CopyTask, RenderedCopy, copy_notes, draw_copy, make_copy
from after.data.extract.stored_audio import AudioInStore
from after.data.extract.with_audio import run_with_audio
from after.data.pool.choose import Workforce
from after.data.prepare.chunks import chunk_spans, cut_chunks
from after.data.prepare.decode import PEAK_FLOOR_DB
from after.data.prepare.notes import NoteArray
from after.data.prepare.settings import PrepareSettings
from after.data.records import Chunk, FileStamp, SourceRecord, source_id
from after.data.store import Store

Progress = Callable[[int, int], None]

_NO_FILE = FileStamp(size_bytes=0, mtime_ns=0, content_hash="")


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A copy that the store should have."""

    original: SourceRecord
    copy: Copy
    source: str
    chunk_prefix: str


def put_silence(store: Store, settings: PrepareSettings) -> None:
    """Bring the examples of silence up to date: for each group that trains, a share of its number of chunks."""
    chunks_by_group: dict[str, int] = {}
    known = {}
    for record in store.sources():
        if record.kind == "silence":
            known[record.source] = record
        elif record.kind == "recording" and record.split == "train":
            chunks_by_group[record.group] = chunks_by_group.get(record.group, 0) + record.num_chunks
    wanted = {}
    for group, num_chunks in chunks_by_group.items():
        record = _silence(group, math.ceil(settings.silent_share * num_chunks), settings)
        if record.num_chunks:
            wanted[record.source] = record
    store.remove(source for source in known if source not in wanted)
    for source, record in wanted.items():
        if source not in known or known[source].chunk_prefix != record.chunk_prefix:
            store.put_source(record, _silent_chunks(record.num_chunks, settings))


def put_copies(
    store: Store,
    settings: PrepareSettings,
    *,
    workforce: Workforce,
    spool_folder: Path,
    progress: Progress | None = None,
) -> list[str]:
    """Bring the copies of the recordings that train up to date; interrupted, the next call continues.

    Returns:
        the copies that made their worker crash.

    Raises:
        DataError: if the disk refuses.
    """
    wanted = {copy.source: copy for copy in _wanted_copies(store.sources(), settings)}
    known = _tidy_copies(store, wanted)
    to_do = [copy for source, copy in wanted.items() if known.get(source) != copy.chunk_prefix]
    tasks = [_task(store, copy, settings, spool_folder) for copy in to_do]
    crashed = []

    with closing(run_with_audio(make_copy, tasks, workforce, store)) as results:
        for done, (task, outcome) in enumerate(results):
            if outcome is None:
                crashed.append(task.source)
            else:
                _store_copy(store, wanted[task.source], outcome, task.spool_path, settings)
            task.spool_path.unlink(missing_ok=True)
            if progress is not None:
                progress(done + 1, len(tasks))
    return crashed


def _tidy_copies(store: Store, wanted: Mapping[str, _Wanted]) -> dict[str, str]:
    """Remove copies that no longer belong, and give the others the group and the licence of their originals.

    Returns:
        the chunk prefix of each copy that is there.
    """
    known = {record.source: record for record in store.sources() if record.kind == "copy"}
    store.remove(source for source in known if source not in wanted)
    kept = {source: _as_original(known[source], copy.original) for source, copy in wanted.items() if source in known}
    store.put_records(record for source, record in kept.items() if record != known[source])
    return {source: record.chunk_prefix for source, record in kept.items()}


def absolute_notes(store: Store, record: SourceRecord, settings: PrepareSettings) -> NoteArray | None:
    """Give the notes of a recording with times from its start, or None where it has none."""
    if record.num_notes is None:
        return None
    pieces = []
    for index, key in enumerate(record.chunk_keys()):
        notes = store.read(key, ("notes",))["notes"].astype(np.float64)
        begun_here = notes if index == 0 else notes[notes[:, 0] >= 0.0]
        start_s = index * settings.chunk_samples / settings.sample_rate
        pieces.append(begun_here + np.array([start_s, 0.0, 0.0, 0.0]))
    whole: NoteArray = np.concatenate(pieces)
    return whole


def _as_original(copy: SourceRecord, original: SourceRecord) -> SourceRecord:
    """Give a copy the group and the licence that its original has now."""
    return replace(copy, group=original.group, license=original.license)


def _wanted_copies(records: Sequence[SourceRecord], settings: PrepareSettings) -> Iterator[_Wanted]:
    """Give the copies that these records call for."""
    for record in records:
        if record.kind != "recording" or record.split != "train":
            continue
        for number in range(1, settings.copies + 1):
            source = f"{record.source}#{number}"
            copy = draw_copy(settings.copy_settings, settings.seed, record.source, number)
            version = source_id(f"{record.chunk_prefix} {copy.semitones} {copy.tempo}")
            yield _Wanted(record, copy, source, f"{source_id(source)}{version[:8]}")


def _task(store: Store, wanted: _Wanted, settings: PrepareSettings, spool_folder: Path) -> CopyTask:
    """Describe the work on one copy for a worker process."""
    audio = AudioInStore(store.path, wanted.original, settings.sample_rate, settings.chunk_samples)
    return CopyTask(wanted.source, audio, wanted.copy, spool_folder / source_id(wanted.source))


def _store_copy(
    store: Store, wanted: _Wanted, outcome: RenderedCopy, spool_path: Path, settings: PrepareSettings
) -> None:
    """Write a finished copy."""
    original = wanted.original
    notes = absolute_notes(store, original, settings)
    notes = None if notes is None else copy_notes(notes, wanted.copy)
    spans = chunk_spans(outcome.num_samples, settings.chunk_samples)
    pitches, counts = np.unique(notes[:, 2] if notes is not None else [], return_counts=True)
    record = replace(
        original,
        source=wanted.source,
        kind="copy",
        original=original.source,
        semitones=wanted.copy.semitones,
        tempo=wanted.copy.tempo,
        chunk_prefix=wanted.chunk_prefix,
        num_chunks=len(spans),
        num_samples=outcome.num_samples,
        dropped_samples=outcome.num_samples - sum(span.valid_samples for span in spans),
        peak_db=outcome.peak_db,
        clipped_samples=outcome.clipped_samples,
        num_notes=None if notes is None else len(notes),
        pitch_counts={int(pitch): int(count) for pitch, count in zip(pitches, counts, strict=True)},
        warnings=(),
    )
    store.put_source(record, cut_chunks(record, spool_path, notes, settings))


def _silence(group: str, num_chunks: int, settings: PrepareSettings) -> SourceRecord:
    """Describe a group's examples of silence."""
    source = f"#silence/{group}"
    return SourceRecord(
        source=source,
        split="train",
        split_rank=1.0,
        group=group,
        license="",
        audio=_NO_FILE,
        midi=None,
        chunk_prefix=f"{source_id(source)}{num_chunks:08x}",
        num_chunks=num_chunks,
        num_samples=num_chunks * settings.chunk_samples,
        source_sample_rate=settings.sample_rate,
        source_channels=1,
        peak_db=PEAK_FLOOR_DB,
        clipped_samples=0,
        dropped_samples=0,
        num_notes=0,
        kind="silence",
    )


def _silent_chunks(num_chunks: int, settings: PrepareSettings) -> Iterator[Chunk]:
    """Give chunks in which nothing is played and nothing sounds."""
    length = settings.chunk_samples
    arrays = {"audio": np.zeros(length, dtype="<i2"), "notes": np.zeros((0, 4), dtype=np.float32)}
    for index in range(num_chunks):
        metadata = {"offset_samples": index * length, "valid_samples": length, "peak_db": PEAK_FLOOR_DB}
        yield Chunk({"index": index, **metadata}, arrays)
