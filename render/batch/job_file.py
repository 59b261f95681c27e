"""A file of jobs: a CSV table with one row, or a TOML file with one `[[job]]` table, for each render.

    source,timbre,effects,seed
    verse.mid,cello,room,
    chorus.mid,flute,,7

Columns are the options of `after render`, with `source` for what is rendered and `out` for where. What a row leaves
empty is taken from the command line. Paths are relative to the job file, `out` to the folder of the batch.
"""

import csv
import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from render.errors import RenderError

PATHS = ("source", "instrument")
"""Columns that always name files."""

PATHS_OR_NAMES = ("timbre", "effects")
"""Columns that name files if what they hold looks like a path."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one job says: values as the options give them, by name, and where it stands, for messages."""

    place: str
    source: Path
    out: Path | None
    values: Mapping[str, Any]


def read_job_file(path: Path, options: Mapping[str, click.Parameter]) -> tuple[Row, ...]:
    """Read a job file, CSV unless its name ends in .toml.

    Args:
        path: of it.
        options: those that a row may set, by name; they convert and check what it says.

    Raises:
        RenderError: naming the place, if the file or a value is none, or a column is unknown.
    """
    tables = _toml_tables(path) if path.suffix.lower() == ".toml" else _csv_tables(path)
    rows = tuple(_row(place, table, path.parent, options) for place, table in tables)
    if not rows:
        raise RenderError(f"{path} holds no jobs; give one row, or [[job]] table, for each render")
    return rows


def _csv_tables(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the rows of a CSV file, empty cells left out."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            if repeated := {name for name in header if header.count(name) > 1}:
                raise RenderError(f"{path} has two columns {', '.join(sorted(repeated))}; give each column a name")
            for cells in reader:
                place = f"{path} line {reader.line_num}"
                if len(cells) > len(header):
                    raise RenderError(f'{place} has {len(cells)} cells for {len(header)} columns; quote commas: "a,b"')
                table = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if cell.strip()}
                if table:
                    yield place, table
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise RenderError(f"{path} cannot be read as CSV ({error}); give a table with a row of names first") from error


def _toml_tables(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the tables of a TOML file."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RenderError(f"{path} cannot be read as TOML ({error}); give a [[job]] table for each render") from error
    jobs = document.get("job", [])
    if set(document) - {"job"} or not isinstance(jobs, list) or not all(isinstance(job, dict) for job in jobs):
        raise RenderError(f"{path} is no list of jobs; write each as [[job]], with its values below")
    for number, table in enumerate(jobs, start=1):
        yield f"{path} job {number}", table


def _row(place: str, table: Mapping[str, Any], folder: Path, options: Mapping[str, click.Parameter]) -> Row:
    """Check one row, and convert what it says."""
    known = ("source", "out", *options)
    named = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise RenderError(f"{place}: unknown column {key!r}{hint}; columns: {', '.join(known)}")
        named[name] = value
    if "source" not in named:
        raise RenderError(f"{place} has no source; name the MIDI file or the recording to render")
    texts = {name: _texts(place, name, value) for name, value in named.items()}
    texts = {name: [_located(name, text, folder) for text in items] for name, items in texts.items()}
    values = {name: _convert(place, options[name], items) for name, items in texts.items() if name in options}
    source, out = (_single(place, name, texts.get(name, [])) for name in ("source", "out"))
    return Row(place, Path(source or ""), Path(out) if out else None, values)


def _texts(place: str, name: str, value: object) -> list[str]:
    """Give what a cell says as texts, as a command line would; `;` parts the assignments of `timbre_for`."""
    if isinstance(value, str) and name == "timbre_for":
        return [part for part in value.split(";") if part.strip()]
    if isinstance(value, dict) and name == "timbre_for":
        return [f"{channel}={timbre}" for channel, timbre in value.items()]
    items = value if isinstance(value, list) else [value]
    for item in items:
        if not isinstance(item, str | bool | int | float):
            raise RenderError(f"{place}: {name} = {value!r} must be a text or a number")
    return [str(item) for item in items]


def _located(name: str, text: str, folder: Path) -> str:
    """Make paths relative to the folder of the job file."""
    if name in PATHS:
        return str(folder / text)
    if name == "timbre_for":
        channel, equals, timbre = text.partition("=")
        return f"{channel}{equals}{_located('timbre', timbre.strip(), folder)}"
    return str(folder / text) if name in PATHS_OR_NAMES and is_path(folder / text) else text


def is_path(path: Path) -> bool:
    """Tell whether a timbre or effects mean a file: its name has a suffix, and it is there."""
    return bool(path.suffix) and path.is_file()


def _convert(place: str, option: click.Parameter, texts: Sequence[str]) -> Any:
    """Turn texts into the value of an option."""
    try:
        converted = [option.type.convert(text, option, None) for text in texts]
    except click.BadParameter as error:
        raise RenderError(f"{place}: {option.name}: {error.message.rstrip('.')}") from error
    return tuple(converted) if option.multiple else _single(place, str(option.name), converted)


def _single(place: str, name: str, items: Sequence[Any]) -> Any:
    """Give the only one of several values, or None."""
    if len(items) > 1:
        raise RenderError(f"{place}: {name} takes one value, not {len(items)}")
    return items[0] if items else None
