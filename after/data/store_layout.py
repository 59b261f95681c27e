"""How the store names its LMDB records.

Records, all readable without this program:

- `manifest`: JSON, see `Store.manifest`.
- `source/<id>`: JSON `SourceRecord` of one file. It is written last, so a file whose record exists is wholly there.
- `skipped/<id>`: JSON, a file that was refused and why.
- `chunk/<key>`: JSON metadata of one chunk.
- `array/<key>/<name>`: a safetensors block with one array, so that adding latents does not rewrite audio.
- `feature/<chunk prefix>-<name>`: JSON `FeatureRecord`, written after the arrays of a feature of one file.
"""

import mmap
from collections.abc import Iterator
from pathlib import Path

from after.data.database import Mode, Transaction, scan_keys
from after.data.records import SourceRecord
from after.errors import DataError

_DATA, _LOCK = "data.mdb", "lock.mdb"


def is_store(path: Path) -> bool:
    """Tell whether a folder holds a store; one whose making failed at once has less than LMDB's first two pages."""
    file = path / _DATA
    return file.is_file() and file.stat().st_size >= 2 * mmap.PAGESIZE


def check_place(path: Path, mode: Mode) -> None:
    """Refuse a place where no store is, or, for writing, where something else is; remove what a full disk left there.

    Raises:
        DataError: says what to name instead.
    """
    if is_store(path):
        return
    if mode == "r":
        raise DataError(f"{path} is not a data store; make one with `after prepare_dataset INPUT --out {path}`")
    if path.exists() and not (path.is_dir() and {entry.name for entry in path.iterdir()} <= {_DATA, _LOCK}):
        raise DataError(f"{path} exists and is not a data store; name a new folder")
    file = path / _DATA
    if file.exists() and file.stat().st_size:  # LMDB takes an empty file for a new one, but not half a page
        file.unlink()


def chunk_key(key: str) -> bytes:
    """Give the LMDB key of a chunk's metadata."""
    return f"chunk/{key}".encode()


def array_key(key: str, name: str) -> bytes:
    """Give the LMDB key of one array of a chunk; with an empty name, what all of them begin with."""
    return f"array/{key}/{name}".encode()


def feature_key(chunk_prefix: str, name: str) -> bytes:
    """Give the LMDB key of a feature's record; with an empty name, what all of a file's begin with."""
    return f"feature/{chunk_prefix}-{name}".encode()


def prefix_of(record_key: bytes) -> str:
    """Give the source's chunk prefix from the key of a `chunk/`, `array/` or `feature/` record."""
    return record_key.split(b"/")[1].partition(b"-")[0].decode()


def scan_chunk_records(transaction: Transaction) -> Iterator[bytes]:
    """Give the keys of all records that belong to a file's chunks."""
    yield from scan_keys(transaction, b"chunk/")
    yield from scan_keys(transaction, b"array/")
    yield from scan_keys(transaction, b"feature/")


def delete_chunks(transaction: Transaction, identifier: bytes, *, keep_prefix: str | None) -> None:
    """Remove the chunks of a source's present version, unless it is the version to keep."""
    data = transaction.get(b"source/" + identifier)
    if data is None:
        return
    prefix = SourceRecord.from_json(bytes(data)).chunk_prefix
    if prefix == keep_prefix:
        return
    for kind in (b"chunk/", b"array/", b"feature/"):
        for key in list(scan_keys(transaction, kind + prefix.encode() + b"-")):
            transaction.delete(key)
