"""Transcribed notes against the notes that were played, by mir_eval."""

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from after.data.extract.stored_audio import StoredAudio
from after.data.extract.transcription import TranscriptionExtractor
from after.errors import ConfigError
from after.midi import Note

TOLERANCE_S = 0.05
"""Of onsets, if nothing else is asked for; offsets may be off by this, or by a fifth of the note if that is more."""

TOLERANCE_CENTS = 50.0


@dataclass(frozen=True, slots=True)
class NoteCounts:
    """Notes played, notes heard, and pairs of the two: by onset and pitch, and by offset as well."""

    played: int = 0
    heard: int = 0
    onset_pairs: int = 0
    offset_pairs: int = 0

    def __add__(self, other: Self) -> "NoteCounts":
        return NoteCounts(
            self.played + other.played,
            self.heard + other.heard,
            self.onset_pairs + other.onset_pairs,
            self.offset_pairs + other.offset_pairs,
        )


@dataclass(frozen=True, slots=True)
class NoteScore:
    """0..1; NaN where nothing was played or, for the precision, nothing heard."""

    precision: float
    recall: float
    f1: float


def score(pairs: int, counts: NoteCounts) -> NoteScore:
    """Give what a number of pairs amounts to."""
    return NoteScore(
        precision=pairs / counts.heard if counts.heard else float("nan"),
        recall=pairs / counts.played if counts.played else float("nan"),
        f1=2.0 * pairs / (counts.played + counts.heard) if counts.played else float("nan"),
    )


def check_mir_eval() -> None:
    """Make sure that notes can be compared.

    Raises:
        ConfigError: if mir_eval is not installed.
    """
    if importlib.util.find_spec("mir_eval") is None:
        raise ConfigError("mir_eval, which compares notes, is missing: pip install mir_eval")


def hear_notes(extractor: TranscriptionExtractor, audio: StoredAudio) -> NDArray[np.float64]:
    """Transcribe a recording as the data store does, and put its chunks together: [N, 4] like the array `notes`."""
    parts = []
    for index, arrays in enumerate(extractor.extract(audio)):
        notes = arrays["transcribed_notes"].astype(np.float64)
        begun = notes[notes[:, 0] >= 0.0]  # the others stand in the chunk before, too
        start_s = index * audio.chunk_samples / audio.sample_rate
        parts.append(begun + np.array([start_s, 0.0, 0.0, 0.0]))
    return np.concatenate(parts)


def count_notes(played: Sequence[Note], heard: NDArray[np.float64], *, tolerance_s: float = TOLERANCE_S) -> NoteCounts:
    """Pair as many notes as can be paired, each at most once.

    Args:
        played: what the MIDI file plays, pedal applied.
        heard: [N, 4] onset_s, duration_s, pitch, velocity.
        tolerance_s: by which onsets may differ.

    Source: MIREX "note tracking", as in mir_eval.
    """
    from mir_eval.transcription import match_notes
    from mir_eval.util import midi_to_hz

    if not played or not len(heard):
        return NoteCounts(len(played), len(heard))
    rows = np.array([(note.onset_s, note.duration_s, note.pitch) for note in played])
    notes = [(_spans(part), midi_to_hz(part[:, 2])) for part in (rows, heard)]
    (spans, pitches_hz), (heard_spans, heard_hz) = notes
    onset_pairs, offset_pairs = (
        len(
            match_notes(
                spans,
                pitches_hz,
                heard_spans,
                heard_hz,
                onset_tolerance=tolerance_s,
                pitch_tolerance=TOLERANCE_CENTS,
                offset_ratio=ratio,
                offset_min_tolerance=TOLERANCE_S,
            )
        )
        for ratio in (None, 0.2)
    )
    return NoteCounts(len(played), len(heard), onset_pairs, offset_pairs)


def _spans(notes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give start and end of each note in seconds, [N, 2]."""
    return np.stack([notes[:, 0], notes[:, 0] + notes[:, 1]], axis=1)
