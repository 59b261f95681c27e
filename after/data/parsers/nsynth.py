"""NSynth: single notes of many instruments, each four seconds long.

    [nsynth-train/ nsynth-valid/ nsynth-test/]  examples.json  audio/NOTE_STR.wav

Source: Engel, Resnick, Roberts, Dieleman, Eck, Simonyan and Norouzi 2017, arXiv 1704.01279.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from after.data.parsers.contract import Problem, Recording
from after.data.parsers.walk import list_folder
from after.errors import DataError
from after.midi import Note

HELD_S = 3.0
"""Each key is held for three seconds; the fourth is the release."""

LICENSE = "CC-BY-4.0"

_TABLE = "examples.json"
_PEEK_BYTES = 1 << 16
_SIDES: Mapping[str, Literal["train", "validation"]] = {"train": "train", "valid": "validation"}
_REMEDY = "mend the entry, or copy the table from the data set again"
_SIDE = re.compile(r"nsynth-(train|valid|test)")


class NSynth:
    """The notes of NSynth, or of any folder with such a table; the group is the instrument (`instrument_str`).

    `nsynth-train` and `nsynth-valid` stay on their side; `nsynth-test` is left out unless that folder is the input.
    """

    def recognizes(self, root: Path) -> bool:
        """Look for the table and the audio: in the root, or in a folder of a side in it."""
        return bool(_parts(root))

    def recordings(self, root: Path) -> Iterator[Recording | Problem]:
        """Give every note of the table."""
        for folder, side in _parts(root):
            present = {path.name for path in list_folder(folder / "audio")}
            for name, entry in _entries(folder / _TABLE).items():
                path = folder / "audio" / f"{name}.wav"
                if path.name not in present:
                    yield Problem(path, f"missing: {_TABLE} names it")
                    continue
                yield Recording(
                    path=path,
                    notes=(_note(folder / _TABLE, name, entry),),
                    group=str(entry["instrument_str"]),
                    split=side,
                    license=LICENSE,
                )


def _parts(root: Path) -> list[tuple[Path, Literal["train", "validation"] | None]]:
    """Give the folders that hold a table, with their side."""
    if _is_part(root):
        return [(root, _side(root))]
    return [(folder, side) for folder in list_folder(root) if (side := _side(folder)) and _is_part(folder)]


def _side(folder: Path) -> Literal["train", "validation"] | None:
    match = _SIDE.fullmatch(folder.name)
    return _SIDES.get(match.group(1)) if match else None


def _is_part(folder: Path) -> bool:
    """Tell without reading a table of hundreds of megabytes."""
    try:
        with (folder / _TABLE).open("rb") as stream:
            return b'"instrument_str"' in stream.read(_PEEK_BYTES) and (folder / "audio").is_dir()
    except OSError:
        return False


def _entries(table: Path) -> dict[str, Mapping[str, Any]]:
    """Read the table."""
    try:
        with table.open(encoding="utf-8") as stream:
            entries = json.load(stream)
    except (OSError, ValueError) as error:
        raise DataError(f"{table} cannot be read ({error}); copy it from the data set again") from error
    if not isinstance(entries, dict):
        raise DataError(f"{table} does not map the names of notes to what they are; copy it from the data set again")
    return entries


def _note(table: Path, name: str, entry: Mapping[str, Any]) -> Note:
    """Give the one note of an entry."""
    try:
        pitch, velocity, _ = entry["pitch"], entry["velocity"], entry["instrument_str"]
    except (KeyError, TypeError) as error:
        raise DataError(f"{table}: {name!r} lacks pitch, velocity or instrument_str; {_REMEDY}") from error
    if type(pitch) is not int or type(velocity) is not int or not (0 <= pitch <= 127 and 1 <= velocity <= 127):
        raise DataError(
            f"{table}: {name!r} has pitch {pitch!r} and velocity {velocity!r}, not MIDI's 0-127 and 1-127; {_REMEDY}"
        )
    return Note(0.0, pitch, velocity, HELD_S)
