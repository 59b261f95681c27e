"""A piece as it is written, played by every instrument: what renders of a model are compared with."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from after.audio import write_audio
from after.data.synthesis.player import PhraseSynthesizer
from after.data.synthesis.samples import SampledInstrument
from after.errors import MidiError
from after.midi import Note, apply_pedal, read_midi, write_midi

_DRUM_CHANNEL = 9


def transpose_by_octaves(notes: Sequence[Note], pitches: Collection[int]) -> tuple[Note, ...]:
    """Transpose as a whole by the octaves that make most notes playable, nearest ones first; drop the rest.

    Args:
        notes: any order.
        pitches: that can be played.
    """
    shifts = sorted(range(-96, 97, 12), key=abs)
    best = max(shifts, key=lambda shift: sum(note.pitch + shift in pitches for note in notes))
    moved = (replace(note, pitch=note.pitch + best) for note in notes if note.pitch + best in pitches)
    return tuple(sorted(moved))


def play_references(
    instruments: Mapping[str, SampledInstrument], midi_files: Iterable[Path], out: Path, *, max_s: float
) -> Iterator[Path]:
    """Write `out`/<name>/<MIDI file's name>.flac, and beside it a MIDI file of what is played.

    Args:
        instruments: by the names that the folders get.
        midi_files: what to play; drums are left out, the pedal is honoured.
        out: folder.
        max_s: only notes that start before this time, cut there.

    Yields:
        each recording, when it is written.

    Raises:
        MidiError: if a file cannot be read or gives an instrument nothing to play.
    """
    scores = {path: apply_pedal(read_midi(path)) for path in midi_files}
    for name, instrument in instruments.items():
        synthesizer = PhraseSynthesizer(instrument)
        for path, score in scores.items():
            early = [note for note in score if note.midi_channel != _DRUM_CHANNEL and note.onset_s < max_s]
            notes = [replace(note, duration_s=min(note.duration_s, max_s - note.onset_s)) for note in early]
            played = transpose_by_octaves(notes, synthesizer.playable_pitches)
            if not played:
                raise MidiError(
                    f"{path} has no note for {instrument.name}: give another file or a larger --max-seconds"
                )
            recording = out / name / f"{path.stem}.flac"
            write_midi(recording.with_suffix(".mid"), played)
            write_audio(recording, synthesizer.render(played), synthesizer.sample_rate)
            yield recording
