"""A lock on a folder that the system lets go when its process ends, however it ends."""

import sys
from pathlib import Path
from typing import IO

from after.errors import CheckpointError

if sys.platform != "win32":
    import fcntl


class FolderLock:
    """Keeps two training processes out of the same run folder."""

    def __init__(self, folder: Path) -> None:
        """Name the folder; nothing is locked yet."""
        self.folder = folder
        self._file: IO[bytes] | None = None

    def acquire(self) -> None:
        """Take the lock, making the folder if need be.

        Raises:
            CheckpointError: another process holds it, or the folder cannot be made.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = (self.folder / ".lock").open("wb")
        except OSError as error:
            raise CheckpointError(f"cannot use run folder {self.folder}: {error.strerror or error}") from error
        if sys.platform == "win32":
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self.release()
            raise CheckpointError(
                f"run folder {self.folder} is in use by another process: wait for it, stop it, or use another folder"
            ) from error

    def release(self) -> None:
        """Let the lock go; does nothing when it is not held."""
        if self._file is not None:
            self._file.close()
            self._file = None
