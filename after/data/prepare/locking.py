"""One run at a time: a lock on the store, and the folder in which its workers leave what they made."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from after.errors import DataError


@contextmanager
def only_writer(path: Path) -> Iterator[Path]:
    """Keep other runs out of the store and give a fresh folder for decoded files, inside the store's disk."""
    spool_folder = path / "spool"
    with (path / "prepare.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(f"another prepare_dataset is writing {path}; wait for it, or name another --out") from error
        shutil.rmtree(spool_folder, ignore_errors=True)
        spool_folder.mkdir(exist_ok=True)  # a worker of a killed run may just have been writing into it
        try:
            yield spool_folder
        finally:
            shutil.rmtree(spool_folder, ignore_errors=True)
