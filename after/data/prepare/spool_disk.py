"""Errors of the disk that holds the spool files end a run; they say nothing about the file being worked on."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from after.errors import DataError


@contextmanager
def writing_to_spool(path: Path) -> Iterator[None]:
    """Turn a failed write into an error that ends the run.

    Raises:
        DataError: if the body raises OSError.
    """
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{path.parent} cannot be written ({error.strerror or error}): make room on this disk, then run the same "
            "command again; what is stored so far stays"
        ) from error
