"""One LMDB folder: reading while another process writes, and a map that grows by itself."""

import contextlib
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, Self, TypeVar

import lmdb

from after.errors import DataError

Mode = Literal["r", "a"]
Result = TypeVar("Result")
Transaction = lmdb.Transaction

_READ_MAP_BYTES = 1 << 40
"""Address space, not memory: a reader never has to follow a writer that grows the map."""

_FIRST_WRITE_MAP_BYTES = 1 << 26
_MAX_READERS = 512

_log = logging.getLogger(__name__)


class Database:
    """A sorted map of bytes to bytes on disk; every read sees one consistent state, every write is all or nothing."""

    def __init__(self, path: Path, mode: Mode, environment: lmdb.Environment) -> None:
        """Use `Database.open` instead."""
        self.path = path
        self.mode = mode
        self._environment = environment
        # Growing the map moves it, so a process that writes must not read at that moment.
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: Path, mode: Mode) -> Self:
        """Open the folder; "a" makes it where it is missing.

        Raises:
            DataError: if it is damaged, not accessible, or open in this process already.
        """
        try:
            return cls(path, mode, _open_for_writing(path) if mode == "a" else _open_for_reading(path))
        except (lmdb.Error, OSError) as error:
            raise DataError(f"{path} cannot be opened as a data store ({error})") from error

    def close(self) -> None:
        """Close the folder; calling it again does nothing."""
        self._environment.close()

    @contextlib.contextmanager
    def reading(self) -> Iterator[Transaction]:
        """Give a transaction whose values are views that end with it."""
        with self._lock if self.mode == "a" else contextlib.nullcontext():
            transaction = self._begin(write=False)
            try:
                yield transaction
            finally:
                transaction.abort()

    def write(self, work: Callable[[Transaction], Result]) -> Result:
        """Run `work` in one transaction; it runs again from the start when the map has to grow.

        Raises:
            DataError: if the store was opened for reading, or the disk refuses.
        """
        if self.mode == "r":
            raise DataError(f'{self.path} was opened for reading; open it with mode "a"')
        with self._lock:
            while True:
                try:
                    transaction = self._begin(write=True)
                    with transaction:
                        return work(transaction)
                except lmdb.MapFullError:
                    self._grow()
                except lmdb.Error as error:
                    raise DataError(f"{self.path} cannot be written ({error}); is the disk full?") from error

    def _begin(self, *, write: bool) -> Transaction:
        """Start a transaction, following another process that has grown the map."""
        while True:
            try:
                return self._environment.begin(write=write, buffers=True)
            except lmdb.MapResizedError:
                self._environment.set_mapsize(0)
            except lmdb.Error as error:
                raise DataError(f"{self.path} cannot be read ({error})") from error

    def _grow(self) -> None:
        """Double the map."""
        size_bytes = 2 * self._environment.info()["map_size"]
        _log.debug("%s: map grows to %d MiB", self.path, size_bytes >> 20)
        self._environment.set_mapsize(size_bytes)


def scan(transaction: Transaction, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Give the records whose key begins with `prefix`, sorted by key."""
    with transaction.cursor() as cursor:
        found = cursor.set_range(prefix)
        while found and bytes(cursor.key()).startswith(prefix):
            yield bytes(cursor.key()), bytes(cursor.value())
            found = cursor.next()


def scan_keys(transaction: Transaction, prefix: bytes) -> Iterator[bytes]:
    """Give the keys that begin with `prefix`, sorted, without touching the values."""
    with transaction.cursor() as cursor:
        found = cursor.set_range(prefix)
        while found and bytes(cursor.key()).startswith(prefix):
            yield bytes(cursor.key())
            found = cursor.next()


def _open_for_writing(path: Path) -> lmdb.Environment:
    """Open with a small map that grows; slots of readers that died are freed."""
    path.mkdir(parents=True, exist_ok=True)
    environment = lmdb.open(
        os.fsencode(path), map_size=_FIRST_WRITE_MAP_BYTES, metasync=False, readahead=False, max_readers=_MAX_READERS
    )
    environment.reader_check()
    return environment


def _open_for_reading(path: Path) -> lmdb.Environment:
    """Open with a map of any size; without locks only where the folder is read-only, so that nobody can write.

    The system may read ahead: a crop is many pages in a row, and page by page a cold disk gives a fifth of the speed.
    """
    try:
        return lmdb.open(os.fsencode(path), map_size=_READ_MAP_BYTES, readonly=True, max_readers=_MAX_READERS)
    except (lmdb.ReadonlyError, PermissionError, lmdb.LockError):
        return lmdb.open(os.fsencode(path), map_size=_READ_MAP_BYTES, readonly=True, lock=False)
