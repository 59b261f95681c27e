"""The data store: chunks of audio and what belongs to them, in one LMDB folder."""

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

from after.data.database import Database, Mode, Transaction, scan, scan_keys
from after.data.feature_records import FeatureRecords
from after.data.records import Array, Chunk, SourceRecord, encode_array, encode_json, source_id, view_array
from after.data.store_layout import array_key, check_place, chunk_key, delete_chunks, prefix_of, scan_chunk_records
from after.errors import DataError

SCHEMA_VERSION = 2
"""Raised when the records change in a way that older programs would misread; stores of version 1 can be read."""

_BATCH_BYTES = 1 << 26
"""A transaction holds its new pages in memory, so longer files are written in several."""

Split = Literal["train", "validation"]


class Store:
    """Chunks of audio with notes and features; one writer, any number of readers in other processes.

    LMDB allows one open handle per store and process: share the object, do not open it twice.
    """

    def __init__(self, database: Database) -> None:
        """Use `Store.open` instead."""
        self.path = database.path
        self.features = FeatureRecords(database)
        self._database = database

    @classmethod
    def open(cls, path: str | Path, mode: Mode = "r") -> Self:
        """Open a store.

        Args:
            path: the store's folder.
            mode: "r" to read, "a" to read and write; "a" makes a new, empty store where there is none.

        Raises:
            DataError: if there is no store, the folder holds something else, or another version wrote it.
        """
        path = Path(path)
        check_place(path, mode)
        store = cls(Database.open(path, mode))
        version = store.manifest.get("schema_version", SCHEMA_VERSION)
        if not 1 <= version <= SCHEMA_VERSION:
            store.close()
            raise DataError(
                f"{path} has schema version {version}, this program reads up to {SCHEMA_VERSION}: "
                "prepare it again, or use the version of AFTER that made it"
            )
        return store

    def close(self) -> None:
        """Close the store; calling it again does nothing."""
        self._database.close()

    def __enter__(self) -> Self:
        """Give the store itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()

    @property
    def manifest(self) -> dict[str, Any]:
        """JSON facts about the whole: schema_version, sample_rate, chunk_samples, settings, summary, skipped, warnings.

        Empty before the first `write_manifest`.
        """
        with self._database.reading() as transaction:
            data = transaction.get(b"manifest")
            return {} if data is None else dict(json.loads(bytes(data)))

    def write_manifest(self, manifest: Mapping[str, object]) -> None:
        """Replace the manifest; the schema version is added."""
        self._put([(b"manifest", encode_json({**manifest, "schema_version": SCHEMA_VERSION}))])

    def check_rate(self, sample_rate: int) -> None:
        """Refuse to be used with a codec of another sample rate.

        Raises:
            DataError: if the store has another rate, or is empty.
        """
        manifest = self.manifest
        if "sample_rate" not in manifest:
            raise DataError(f"{self.path} is empty: fill it with `after prepare_dataset INPUT --out {self.path}`")
        if manifest["sample_rate"] != sample_rate:
            raise DataError(
                f"{self.path} was prepared at {manifest['sample_rate']} Hz, the codec runs at {sample_rate} Hz: "
                f"prepare it again with --sample-rate {sample_rate}, or take a codec of the store's rate"
            )

    def sources(self) -> list[SourceRecord]:
        """Give the record of every file in the store, sorted by path."""
        with self._database.reading() as transaction:
            found = [SourceRecord.from_json(data) for _, data in scan(transaction, b"source/")]
        return sorted(found, key=lambda record: record.source)

    def skipped(self) -> list[dict[str, str]]:
        """Give the refused files as {"source", "reason"}, sorted by path."""
        with self._database.reading() as transaction:
            found: list[dict[str, str]] = [json.loads(data) for _, data in scan(transaction, b"skipped/")]
        return sorted(found, key=lambda entry: entry["source"])

    def keys(self, split: Split | None = None) -> list[str]:
        """Give the sorted chunk keys of one split, or of all."""
        return sorted(key for record in self.sources() if split in (None, record.split) for key in record.chunk_keys())

    def names(self, key: str) -> list[str]:
        """Give the names of the arrays stored for a chunk, sorted."""
        prefix = array_key(key, "")
        with self._database.reading() as transaction:
            return [name[len(prefix) :].decode() for name in scan_keys(transaction, prefix)]

    def has(self, key: str, name: str) -> bool:
        """Tell whether the chunk has an array of this name."""
        with self._database.reading() as transaction:
            return transaction.get(array_key(key, name)) is not None

    def read(self, key: str, names: Iterable[str] | None = None) -> dict[str, Array]:
        """Copy arrays of one chunk out of the store.

        Args:
            key: from `keys`.
            names: the arrays wanted; None for all.

        Raises:
            DataError: if the chunk does not have one of them.
        """
        wanted = self.names(key) if names is None else list(names)
        with self._database.reading() as transaction:
            return {name: view_array(self._block(transaction, key, name)).copy() for name in wanted}

    def read_slice(self, key: str, name: str, start: int, stop: int) -> Array:
        """Copy `array[..., start:stop]` of one array; of long rows only that part is read from the disk.

        Raises:
            DataError: if the chunk does not have the array.
        """
        with self._database.reading() as transaction:
            return view_array(self._block(transaction, key, name))[..., start:stop].copy()

    def read_rows(self, key: str, name: str, start: int, stop: int) -> Array:
        """Copy `array[start:stop]` of one array; only that part is read from the disk.

        Raises:
            DataError: if the chunk does not have the array.
        """
        with self._database.reading() as transaction:
            return view_array(self._block(transaction, key, name))[start:stop].copy()

    def metadata(self, key: str) -> dict[str, Any]:
        """Give a chunk's metadata: source, offset_samples, valid_samples, split, group, license, content_hash, ...

        Raises:
            DataError: if there is no such chunk.
        """
        with self._database.reading() as transaction:
            data = transaction.get(chunk_key(key))
            if data is None:
                raise self._no_chunk(key)
            chunk: dict[str, Any] = json.loads(bytes(data))
            source = transaction.get(b"source/" + source_id(chunk["source"]).encode())
            if source is None:
                raise self._no_chunk(key)
            record = SourceRecord.from_json(bytes(source))
        return {
            **chunk,
            "split": record.split,
            "group": record.group,
            "license": record.license,
            "content_hash": record.audio.content_hash,
        }

    def update(self, key: str, arrays: Mapping[str, Array]) -> None:
        """Add or replace arrays of one chunk, all or none of them.

        Raises:
            DataError: if there is no such chunk, or the store was opened for reading.
        """
        self.write_many([(key, arrays)])

    def write_many(self, items: Iterable[tuple[str, Mapping[str, Array]]], *, batch_size: int = 64) -> None:
        """Add or replace arrays of many chunks, one transaction per `batch_size` chunks.

        Raises:
            DataError: if a key is not a chunk of this store, or the store was opened for reading.
        """
        remaining = iter(items)
        while batch := list(islice(remaining, batch_size)):
            rows = [
                (array_key(key, name), encode_array(name, array)) for key, part in batch for name, array in part.items()
            ]
            self._put(rows, must_exist=[key for key, _ in batch])

    def put_source(self, record: SourceRecord, chunks: Iterable[Chunk]) -> None:
        """Write a file's chunks and then its record; the chunks of its former version go in the same transaction.

        Until the record is there nobody sees the chunks, so an interruption leaves the store as it was.

        Raises:
            DataError: if the store was opened for reading, or the disk refuses.
        """
        rows: list[tuple[bytes, bytes]] = []
        size_bytes = 0
        for index, chunk in enumerate(chunks):
            key = record.chunk_key(index)
            new = [(array_key(key, name), encode_array(name, array)) for name, array in chunk.arrays.items()]
            new.append((chunk_key(key), encode_json({**chunk.metadata, "source": record.source})))
            rows += new
            size_bytes += sum(len(data) for _, data in new)
            if size_bytes > _BATCH_BYTES:
                self._put(rows)
                rows, size_bytes = [], 0
        identifier = source_id(record.source).encode()

        def write(transaction: Transaction) -> None:
            for row_key, data in rows:
                transaction.put(row_key, data)
            delete_chunks(transaction, identifier, keep_prefix=record.chunk_prefix)
            transaction.delete(b"skipped/" + identifier)
            transaction.put(b"source/" + identifier, record.to_json())

        self._database.write(write)

    def put_records(self, records: Iterable[SourceRecord]) -> None:
        """Replace the records of sources whose chunks stay as they are."""
        self._put([(b"source/" + source_id(record.source).encode(), record.to_json()) for record in records])

    def put_skipped(self, source: str, reason: str) -> None:
        """Note a refused file; what the store has of an earlier version stays."""
        self._put([(b"skipped/" + source_id(source).encode(), encode_json({"source": source, "reason": reason}))])

    def remove(self, sources: Iterable[str]) -> None:
        """Remove files with everything that belongs to them."""
        identifiers = [source_id(source).encode() for source in sources]

        def write(transaction: Transaction) -> None:
            for identifier in identifiers:
                delete_chunks(transaction, identifier, keep_prefix=None)
                transaction.delete(b"source/" + identifier)

        self._database.write(write)

    def forget_skipped(self, sources: Iterable[str]) -> None:
        """Remove the notes about refused files that are gone or good again."""
        keys = [b"skipped/" + source_id(source).encode() for source in sources]
        self._database.write(lambda transaction: [transaction.delete(key) for key in keys])

    def drop_orphans(self) -> int:
        """Remove what an interrupted `put_source` left without a record; returns the number of LMDB records."""
        known = {record.chunk_prefix for record in self.sources()}
        with self._database.reading() as transaction:
            orphans = [key for key in scan_chunk_records(transaction) if prefix_of(key) not in known]
        if orphans:
            self._database.write(lambda transaction: [transaction.delete(key) for key in orphans])
        return len(orphans)

    def _put(self, rows: list[tuple[bytes, bytes]], must_exist: Iterable[str] = ()) -> None:
        """Write rows in one transaction, provided that these chunks exist."""

        def write(transaction: Transaction) -> None:
            for key in must_exist:
                if transaction.get(chunk_key(key)) is None:
                    raise self._no_chunk(key)
            for row_key, data in rows:
                transaction.put(row_key, data)

        self._database.write(write)

    def _block(self, transaction: Transaction, key: str, name: str) -> bytes | memoryview:
        """Find one array's block inside a transaction."""
        block = transaction.get(array_key(key, name))
        if block is None:
            raise DataError(f"chunk {key!r} of {self.path} has no array {name!r}; see Store.names and Store.keys")
        return block

    def _no_chunk(self, key: str) -> DataError:
        return DataError(f"{self.path} has no chunk {key!r}; take keys from Store.keys")
