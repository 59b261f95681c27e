"""Exported files: named so that hosts load them, written whole or not at all."""

from pathlib import Path

from after.errors import ExportError
from after.files import written_atomically
from after.manifest import EXPORT_SUFFIX


def write(path: str | Path, data: bytes) -> None:
    """Write an archive; it appears whole or not at all.

    Raises:
        ExportError: if it cannot be written.
    """
    path = check_name(path)
    try:
        with written_atomically(path) as temporary:
            temporary.write_bytes(data)
    except OSError as error:
        raise ExportError(f"cannot write {path}: {error.strerror or error}; choose another folder") from error


def check_name(path: str | Path) -> Path:
    """Give the path, after making sure that hosts can load a file of this name.

    Raises:
        ExportError: if the suffix is not .ts, or the stem has fewer than three characters (nn~ ends Pure Data then).
    """
    path = Path(path)
    if path.suffix != EXPORT_SUFFIX or len(path.stem) < 3:
        raise ExportError(f"{path} must be named <three characters or more>{EXPORT_SUFFIX}, or hosts do not load it")
    return path
