"""What is played: the notes of MIDI files, cut to length and moved into an instrument's range."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from after.errors import MidiError
from after.midi import Note, apply_pedal, read_midi

TAIL_S = 1.5
"""Time rendered after the last note, so that its release and the silence after it can be judged."""

_DRUM_CHANNEL = 9


@dataclass(frozen=True, slots=True)
class Phrase:
    """Something to play: a name, and notes with the pedal applied.

    Attributes:
        name: of the MIDI file, without suffix.
        notes: at least one.
        is_cut: whether the piece goes on after the last note's end.
    """

    name: str
    notes: tuple[Note, ...]
    is_cut: bool = False

    @property
    def duration_s(self) -> float:
        """Time until the last note ends, seconds."""
        return max(note.end_s for note in self.notes)

    @property
    def length_s(self) -> float:
        """Time to render and to compare: with a tail, unless a recording of the piece would go on there."""
        return self.duration_s + (0.0 if self.is_cut else TAIL_S)


def read_phrase(path: str | Path, *, max_s: float | None = None) -> Phrase:
    """Read the pitched notes of a MIDI file, pedal applied; drums are left out.

    Args:
        path: MIDI file.
        max_s: only notes that start before this time, cut there.

    Raises:
        MidiError: if the file cannot be read or holds no pitched note in that time.
    """
    limit_s = float("inf") if max_s is None else max_s
    everything = [note for note in apply_pedal(read_midi(path)) if note.midi_channel != _DRUM_CHANNEL]
    notes = tuple(
        Note(note.onset_s, note.pitch, note.velocity, min(note.duration_s, limit_s - note.onset_s))
        for note in everything
        if note.onset_s < limit_s
    )
    if not notes:
        raise MidiError(f"{path} holds no pitched note before {limit_s} s: give another file or a longer excerpt")
    return Phrase(Path(path).stem, notes, is_cut=any(note.end_s > limit_s for note in everything))


def build_phrase() -> Phrase:
    """Build the phrase that is played where no MIDI file is given: two octaves from C3, in leaps, soft and loud."""
    degrees = (0, 12, 4, 7, 11, 14, 2, 17, 5, 9, 16, 21, 12, 23, 19, 24)
    velocities = (40, 100, 70, 120)
    return Phrase(
        "built_in", tuple(Note(0.25 + 0.6 * i, 48 + d, velocities[i % 4], 0.5) for i, d in enumerate(degrees))
    )


def move_into_range(notes: Sequence[Note], lowest: int, highest: int) -> tuple[Note, ...]:
    """Transpose notes by whole octaves, as few as possible, so that as many as possible lie in a range.

    Args:
        notes: any.
        lowest: MIDI pitch.
        highest: MIDI pitch.
    """

    def badness(shift: int) -> tuple[int, int]:
        return sum(not lowest <= note.pitch + shift <= highest for note in notes), abs(shift)

    allowed = [shift for shift in range(-60, 61, 12) if all(0 <= note.pitch + shift <= 127 for note in notes)]
    best = min(allowed, key=badness)
    return tuple(replace(note, pitch=note.pitch + best) for note in notes)
