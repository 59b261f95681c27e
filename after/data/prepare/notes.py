"""Notes of a chunk: those of the MIDI file beside the audio that sound in it."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from after.data.records import FileStamp
from after.midi import Note, apply_pedal, read_midi

NoteArray = NDArray[np.float64]
"""[N, 4]: onset_s, duration_s, pitch, velocity; sorted by onset."""

_LATE_S = 0.1
_TAIL_S = 10.0


def read_notes(path: Path) -> NoteArray:
    """Read all notes of a MIDI file as they sound (sustain pedal applied), times from the start of the file.

    Raises:
        MidiError: if the file is not MIDI, truncated, or has no notes.
    """
    return array_of(apply_pedal(read_midi(path)))


def array_of(notes: Iterable[Note]) -> NoteArray:
    """Give notes as rows, sorted."""
    rows = [(note.onset_s, note.duration_s, note.pitch, note.velocity) for note in sorted(notes)]
    return np.asarray(rows, dtype=np.float64).reshape(-1, 4)


def stamp_of(notes: Iterable[Note]) -> FileStamp:
    """Give what a file of these notes would be known by, so that a changed table is noticed like a changed file."""
    data = array_of(notes).astype("<f8").tobytes()
    content_hash = hashlib.blake2b(data, digest_size=16).hexdigest()
    return FileStamp(size_bytes=len(data), mtime_ns=0, content_hash=content_hash)


def notes_in_span(notes: NoteArray, start_s: float, stop_s: float) -> NDArray[np.float32]:
    """Give the notes that sound in [start_s, stop_s), onsets relative to `start_s`.

    Returns:
        float32 [N, 4]; an onset is negative where the note began earlier, its duration stays whole.
    """
    onset_s, end_s = notes[:, 0], notes[:, 0] + notes[:, 1]
    # A note of no length still sounds: its onset counts.
    sounding = notes[(onset_s < stop_s) & ((end_s > start_s) | (onset_s >= start_s))]
    # The difference is taken in double precision; hours into a file float32 would blur it to milliseconds.
    relative: NDArray[np.float32] = (sounding - np.array([start_s, 0.0, 0.0, 0.0])).astype(np.float32)
    return relative


def mismatch(notes: NoteArray, duration_s: float) -> str | None:
    """Say how notes and audio disagree in length, or give None.

    Notes may end in silence and audio may ring on, so only late onsets and long rests count.
    """
    if not len(notes):
        return None
    late = int(np.count_nonzero(notes[:, 0] > duration_s + _LATE_S))
    if late:
        return f"MIDI is longer than the audio: {late} of {len(notes)} notes begin after its end ({duration_s:.2f} s)"
    end_s = float(np.max(notes[:, 0] + notes[:, 1]))
    if duration_s - end_s > _TAIL_S:
        return f"MIDI is shorter than the audio: its last note ends at {end_s:.2f} s, the audio at {duration_s:.2f} s"
    return None
