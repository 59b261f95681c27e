"""Folders for files on the way; those of processes that were killed are deleted by the next one."""

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def scratch_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Give a new folder that is deleted at the end, and delete those that killed processes left beside it.

    Each folder holds a file that its process keeps locked, which the system unlocks at the process's end.

    Args:
        parent: where to make it.
        prefix: of its name; what else begins with it in `parent` is taken for such a folder.
    """
    for path in parent.glob(f"{prefix}*/lock"):
        with suppress(OSError), path.open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path.parent, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=parent) as folder, Path(folder, "new").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        Path(folder, "new").rename(Path(folder, "lock"))
        yield Path(folder)
