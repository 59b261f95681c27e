"""Which features a store has of which recording: a record that is written after all arrays of the feature."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from after.data.database import Database, Transaction, scan
from after.data.records import SourceRecord, encode_json
from after.data.store_layout import array_key, chunk_key, feature_key
from after.errors import DataError

_BATCH_BYTES = 1 << 26


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureRecord:
    """One feature of one recording.

    Attributes:
        name: of the feature.
        settings: everything that decided its values.
        counts: histograms by name, from bin to number.
    """

    name: str
    settings: Mapping[str, Any]
    counts: Mapping[str, Mapping[int, int]] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """Give the record as JSON."""
        return encode_json(asdict(self))

    @staticmethod
    def from_json(data: bytes) -> "FeatureRecord":
        """Read what `to_json` wrote."""
        values = json.loads(data)
        values["counts"] = {
            name: {int(bin_): number for bin_, number in counts.items()} for name, counts in values["counts"].items()
        }
        return FeatureRecord(**values)


class FeatureRecords:
    """The features of a store's recordings; they go with the recording, and no other feature is touched by one."""

    def __init__(self, database: Database) -> None:
        """Use `Store.features` instead."""
        self._database = database

    def get(self, record: SourceRecord, name: str) -> FeatureRecord | None:
        """Give one feature of a recording, or None where it is missing or not complete."""
        with self._database.reading() as transaction:
            data = transaction.get(feature_key(record.chunk_prefix, name))
            return None if data is None else FeatureRecord.from_json(bytes(data))

    def of(self, record: SourceRecord) -> list[FeatureRecord]:
        """Give all complete features of a recording, sorted by name."""
        with self._database.reading() as transaction:
            prefix = feature_key(record.chunk_prefix, "")
            return [FeatureRecord.from_json(data) for _, data in scan(transaction, prefix)]

    def put(self, record: SourceRecord, feature: FeatureRecord, blocks: Iterable[tuple[int, str, bytes]]) -> None:
        """Add or replace a feature; until it is complete the recording counts as having none of this name.

        Args:
            record: the recording, in the store.
            feature: written last.
            blocks: chunk index, array name and encoded array.

        Raises:
            DataError: if a chunk is not in the store, it was opened for reading, or the disk refuses.
        """
        self.forget([record], feature.name)
        rows: list[tuple[int, bytes, bytes]] = []
        size_bytes = 0
        for index, name, block in blocks:
            rows.append((index, array_key(record.chunk_key(index), name), block))
            size_bytes += len(block)
            if size_bytes > _BATCH_BYTES:
                self._write(record, rows)
                rows, size_bytes = [], 0
        self._write(record, rows, (feature_key(record.chunk_prefix, feature.name), feature.to_json()))

    def forget(self, records: Iterable[SourceRecord], name: str) -> None:
        """Make recordings count as not having a feature; its arrays stay until they are replaced."""
        keys = [feature_key(record.chunk_prefix, name) for record in records]
        with self._database.reading() as transaction:
            present = [key for key in keys if transaction.get(key) is not None]
        if present:
            self._database.write(lambda transaction: [transaction.delete(key) for key in present])

    def _write(
        self, record: SourceRecord, rows: list[tuple[int, bytes, bytes]], last: tuple[bytes, bytes] | None = None
    ) -> None:
        """Write arrays, and perhaps the record after them, in one transaction."""

        def write(transaction: Transaction) -> None:
            for index, key, block in rows:
                if transaction.get(chunk_key(record.chunk_key(index))) is None:
                    raise DataError(f"{self._database.path} has no chunk {index} of {record.source}; prepare it again")
                transaction.put(key, block)
            if last is not None:
                transaction.put(*last)

        self._database.write(write)
