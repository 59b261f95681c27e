"""MAESTRO: piano performances with the MIDI recorded by the instrument, named by a table.

    maestro-v3.0.0.csv  YEAR/NAME.wav  YEAR/NAME.midi

Source: Hawthorne, Stasyuk, Roberts, Simon, Huang, Dieleman, Elsen, Engel and Eck 2019, arXiv 1810.12247.
"""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

from after.data.parsers.contract import Problem, Recording
from after.data.parsers.walk import is_file, list_folder
from after.errors import DataError

COLUMNS = (
    "canonical_composer",
    "canonical_title",
    "split",
    "year",
    "midi_filename",
    "audio_filename",
    "duration",
)
LICENSE = "CC-BY-NC-SA-4.0"

_SIDES: Mapping[str, Literal["train", "validation"]] = {"train": "train", "validation": "validation"}
_LEFT_OUT = "test"
_HEADER_CHARS = 1 << 14


class Maestro:
    """The performances of MAESTRO's table, or of any table with its columns, which may itself be the input.

    Each row stays on the side that `split` says; rows of `test` are left out. The group is the year: each year's
    competition has its pianos, its hall and its microphones.
    """

    def recognizes(self, root: Path) -> bool:
        """Look for a table with the columns."""
        return bool(_tables(root))

    def recordings(self, root: Path) -> Iterator[Recording | Problem]:
        """Give every row's recording."""
        table, *others = _tables(root)
        if others:
            names = ", ".join(path.name for path in (table, *others))
            raise DataError(f"{root} has several tables of recordings ({names}): give one of them as the input")
        license_text = LICENSE if table.name.lower().startswith("maestro") else ""
        for line, row in _rows(table):
            side = row["split"].strip().lower()
            if side == _LEFT_OUT:
                continue
            if side not in _SIDES:
                raise _damaged(table, line, f"split {side!r} is none of train, validation and test")
            path = _path(table, line, row["audio_filename"])
            if not is_file(path):
                yield Problem(path, f"missing: line {line} of {table.name} names it")
                continue
            yield Recording(
                path=path,
                midi_path=_path(table, line, row["midi_filename"]),
                group=f"piano_{row['year'].strip()}",
                split=_SIDES[side],
                license=license_text,
            )


def _tables(root: Path) -> list[Path]:
    """Give the tables with MAESTRO's columns: the root itself, or in it."""
    candidates = list_folder(root) if root.is_dir() else [root]
    return [path for path in candidates if path.suffix.lower() == ".csv" and is_file(path) and _has_columns(path)]


def _has_columns(path: Path) -> bool:
    try:
        with path.open(encoding="utf-8-sig", newline="", errors="replace") as stream:
            header = next(csv.reader([stream.readline(_HEADER_CHARS)]), [])
    except (OSError, csv.Error):
        return False
    return set(COLUMNS) <= set(header)


def _rows(table: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """Give the rows with their line numbers."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, strict=True)
            for row in reader:
                if any(row.get(column) is None for column in COLUMNS) or None in row:
                    raise _damaged(table, reader.line_num, "it has not as many fields as the header")
                yield reader.line_num, row
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{table} cannot be read ({error}); copy it from the data set again") from error


def _path(table: Path, line: int, name: str) -> Path:
    """Give the path of a file that a row names."""
    inside = PurePosixPath(name.strip())
    if not inside.name or inside.is_absolute() or ".." in inside.parts:
        raise _damaged(table, line, f"{name!r} is not a path inside the data set")
    return table.parent / inside


def _damaged(table: Path, line: int, what: str) -> DataError:
    return DataError(f"{table}, line {line}: {what}; mend the line, or copy the table from the data set again")
