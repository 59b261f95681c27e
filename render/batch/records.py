"""What a folder of outputs remembers: from what each of them was rendered, so that nothing is rendered twice.

    DIR/.after-batch/records/HASH.json   the latest renders of one output (HASH of its path below DIR), newest first
    DIR/.after-batch/lock                held while a record and its output change
    DIR/.after-batch/spool-*             what is being rendered

A record is written just before its output is moved into place, and beside the new render it keeps the one that lies
there still. So whenever a batch is killed, an output is one of the renders in its record; an output that is none of
them is the user's: edited, or put there by something else.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from after.data.pool.scratch import scratch_folder
from after.files import written_atomically
from render.errors import OutputError

FOLDER = ".after-batch"
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Made:
    """One render of an output: what names its audio and format, and the file as it was written."""

    fingerprint: str
    size_bytes: int
    mtime_ns: int
    sha256: str

    def is_file(self, path: Path) -> bool:
        """Tell whether a file is still this render: its time or else its contents are the same."""
        status = path.stat()
        if status.st_size != self.size_bytes:
            return False
        return status.st_mtime_ns == self.mtime_ns or hash_file(path) == self.sha256


class Records:
    """The memory of one folder of outputs; several batches may use it at once.

    Attributes:
        folder: absolute.
    """

    def __init__(self, folder: Path) -> None:
        """Use the memory of a folder, which need not exist."""
        self.folder = folder
        self._memory = folder / FOLDER

    def has(self, output: Path) -> bool:
        """Tell whether a path is that of an output, whatever lies there now."""
        return output.is_relative_to(self.folder) and self._place(output).is_file()

    def find(self, output: Path) -> Made | None:
        """Give the render that lies at a path; None where it is something else.

        Raises:
            OSError: if there is no file, or it cannot be read.
        """
        return next((made for made in self._read(output) if made.is_file(output)), None)

    def put(self, spool_path: Path, output: Path, fingerprint: str, sha256: str, *, force: bool) -> None:
        """Move a render to where it belongs and remember it; a kill at any point leaves it done or not done.

        Args:
            spool_path: the render, on the same disk.
            output: where it belongs; the folder is made.
            fingerprint: what it was rendered from.
            sha256: of its contents, in hex.
            force: replace even what no batch has rendered.

        Raises:
            OutputError: if something else has come to lie there.
            OSError: if it cannot be written.
        """
        output.parent.mkdir(parents=True, exist_ok=True)
        with spool_path.open("rb") as file:
            os.fsync(file.fileno())
        status = spool_path.stat()
        made = [Made(fingerprint, status.st_size, status.st_mtime_ns, sha256)]
        with self._locked():
            if output.exists():
                before = self.find(output)
                if before is not None:
                    made.append(before)
                elif not force:
                    raise OutputError(f"{output} was put there, or changed, while it was rendered; it is left alone")
            self._write(output, made)
            spool_path.replace(output)

    def spool(self) -> AbstractContextManager[Path]:
        """Give a folder for what is on the way; what killed batches left is deleted."""
        self._memory.mkdir(parents=True, exist_ok=True)
        return scratch_folder(self._memory, "spool-")

    def _place(self, output: Path) -> Path:
        name = os.fsencode(output.relative_to(self.folder))
        return self._memory / "records" / f"{hashlib.sha256(name).hexdigest()}.json"

    def _read(self, output: Path) -> list[Made]:
        """Give what is remembered of an output; nothing where the record is missing or is none."""
        try:
            renders = json.loads(self._place(output).read_text(encoding="utf-8"))["renders"]
            return [Made(**render) for render in renders]
        except (OSError, ValueError, TypeError, KeyError):
            return []

    def _write(self, output: Path, made: list[Made]) -> None:
        record = {
            "schema_version": SCHEMA_VERSION,
            "output": str(output.relative_to(self.folder)),
            "renders": [asdict(render) for render in made],
        }
        with written_atomically(self._place(output)) as temporary, temporary.open("w", encoding="utf-8") as file:
            json.dump(record, file, indent=1)
            file.flush()
            os.fsync(file.fileno())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with (self._memory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def hash_file(path: Path) -> str:
    """Give the SHA-256 of a file's contents, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
