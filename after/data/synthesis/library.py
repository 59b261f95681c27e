"""A library of MIDI pieces to draw phrases from, held as arrays."""

import csv
import logging
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from after.errors import ConfigError, DataError, MidiError
from after.midi import apply_pedal, read_midi

MANIFEST_NAME = "manifest_midi.csv"
DRUM_CHANNEL = 9
ONSET, DURATION, PITCH, VELOCITY = range(4)

NoteArray = NDArray[np.float64]
"""[N, 4]: onset in s, duration in s, pitch, velocity; sorted by onset, then pitch."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """One MIDI file: a note array for each (track, channel) that is no drum part; pedal already in the durations."""

    name: str
    parts: tuple[NoteArray, ...]

    def merged(self) -> NoteArray:
        """Give all parts as one."""
        return sort_notes(np.concatenate(self.parts))


@dataclass(frozen=True, slots=True, eq=False)
class MidiLibrary:
    """Pieces, and what the manifest says about their licences."""

    pieces: tuple[Piece, ...]
    licences: tuple[tuple[str, int], ...] = ()
    attributions: tuple[str, ...] = ()
    held_out: int = 0
    failures: tuple[str, ...] = ()


def sort_notes(notes: NoteArray) -> NoteArray:
    """Sort by onset, then by pitch."""
    order = np.lexsort((notes[:, PITCH], notes[:, ONSET]))
    return np.asarray(notes[order], dtype=np.float64)


def load_midi_library(
    places: Sequence[str | Path], *, rows_modulo: int = 0, progress: Callable[[float], None] | None = None
) -> MidiLibrary:
    """Read the MIDI files of folders (searched deeply) and single files.

    Args:
        places: folders and `.mid` / `.midi` files.
        rows_modulo: where above 0, every file is held out whose row in `manifest_midi.csv` (inside or beside its
            folder) is congruent to 0 modulo this number, whether the rows are counted from 0 or from 1.
        progress: called with the share done.

    Returns:
        The pieces that could be read, in the order of their paths; `failures` names the others.

    Raises:
        DataError: if a place does not exist or no file can be read.
        ConfigError: if rows are to be held out and there is no manifest.
    """
    files, rows = _find_files(places)
    if rows_modulo and not rows:
        raise ConfigError(f"hold_out.midi_rows_modulo needs a {MANIFEST_NAME} inside or beside {places[0]}")
    kept = [path for path in files if not _is_held_out(rows.get(path.resolve()), rows_modulo)]
    pieces, failures, licences, attributions = [], [], Counter[str](), set()
    for index, path in enumerate(kept):
        try:
            pieces.append(_read_piece(path))
        except MidiError as error:
            failures.append(str(error))
            _log.warning("left out: %s", error)
            continue
        row = rows.get(path.resolve())
        if row is not None:
            licences[row.licence] += 1
            attributions.add(row.attribution)
        if progress:
            progress((index + 1) / len(kept))
    if not pieces:
        reason = failures[0] if failures else "there are no .mid files, or all are held out"
        raise DataError(f"no MIDI piece could be read from {', '.join(map(str, places))}: {reason}")
    return MidiLibrary(
        tuple(pieces),
        tuple(sorted(licences.items())),
        tuple(sorted(attributions - {""})),
        len(files) - len(kept),
        tuple(failures),
    )


@dataclass(frozen=True, slots=True)
class _Row:
    """What the manifest says about one file."""

    number: int
    licence: str
    attribution: str


def _is_held_out(row: _Row | None, modulo: int) -> bool:
    """Tell whether a file is held out, counting rows from 0 and from 1."""
    return bool(modulo and row is not None and (row.number % modulo == 0 or (row.number + 1) % modulo == 0))


def _find_files(places: Sequence[str | Path]) -> tuple[list[Path], dict[Path, _Row]]:
    """List the MIDI files of the places, and the manifest rows about them by resolved path."""
    files: list[Path] = []
    rows: dict[Path, _Row] = {}
    for place in map(Path, places):
        if place.is_dir():
            files += (path for path in sorted(place.rglob("*")) if path.suffix.lower() in (".mid", ".midi"))
        elif place.is_file():
            files.append(place)
        else:
            raise DataError(f"{place} does not exist; give MIDI files or folders of them")
        for folder in (place, place.parent, place.parent.parent):
            if (folder / MANIFEST_NAME).is_file():
                rows |= _read_manifest(folder / MANIFEST_NAME)
                break
    return list(dict.fromkeys(files)), rows


def _read_manifest(manifest: Path) -> dict[Path, _Row]:
    with manifest.open(newline="", encoding="utf-8") as stream:
        return {
            (manifest.parent / row["path"]).resolve(): _Row(number, row.get("licence", ""), row.get("attribution", ""))
            for number, row in enumerate(csv.DictReader(stream))
        }


def _read_piece(path: Path) -> Piece:
    """Read one file's parts, with the pedal applied and drums left out."""
    parts: dict[tuple[int, int], list[tuple[float, float, int, int]]] = defaultdict(list)
    for note in apply_pedal(read_midi(path)):
        if note.midi_channel != DRUM_CHANNEL:
            parts[note.track, note.midi_channel].append((note.onset_s, note.duration_s, note.pitch, note.velocity))
    if not parts:
        raise MidiError(f"{path} holds only drums; give a file with pitched notes")
    return Piece(path.name, tuple(sort_notes(np.array(notes, dtype=np.float64)) for notes in parts.values()))
