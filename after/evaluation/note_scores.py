"""Whether the right notes sound at the right time: a transcription against the notes asked for, by mir_eval."""

from collections.abc import Sequence
from dataclasses import dataclass

import mir_eval.multipitch
import mir_eval.transcription
import numpy as np
from numpy.typing import NDArray

from after.midi import Note
from after.units import pitch_to_hz

FRAME_S = 0.01
"""Distance of the frames at which sounding pitches are compared, seconds; MIREX multiple-F0 estimation has the same."""


@dataclass(frozen=True, slots=True)
class NoteScore:
    """How well two lists of notes agree, 0..1; all NaN where no note was asked for.

    Attributes:
        f1: harmonic mean of precision and recall of notes, by onset and pitch.
        precision: share of the heard notes that were asked for.
        recall: share of the asked notes that were heard.
        offset_f1: as `f1`, where a note must also end in time: within 50 ms or a fifth of its length.
        frame_f1: harmonic mean of precision and recall of the pitches that sound, every 10 ms.
        num_asked: notes asked for.
        num_heard: notes heard.
    """

    f1: float
    precision: float
    recall: float
    offset_f1: float
    frame_f1: float
    num_asked: int
    num_heard: int


def score_notes(asked: Sequence[Note], heard: Sequence[Note], *, tolerance_s: float = 0.05) -> NoteScore:
    """Score a transcription.

    Args:
        asked: the notes that were to be played.
        heard: the transcription.
        tolerance_s: largest onset error, seconds; the pitch must be the same within 50 cents.

    Returns:
        The score.

    Source: Raffel et al. 2014, "mir_eval: a transparent implementation of common MIR metrics", ISMIR;
    `mir_eval.transcription` and `mir_eval.multipitch`.
    """
    if not asked:
        unknown = float("nan")
        return NoteScore(unknown, unknown, unknown, unknown, unknown, 0, len(heard))
    if not heard:
        return NoteScore(0.0, 0.0, 0.0, 0.0, 0.0, len(asked), 0)
    notes = (*_intervals_and_hz(asked), *_intervals_and_hz(heard))
    score = mir_eval.transcription.precision_recall_f1_overlap
    precision, recall, f1, _ = score(*notes, onset_tolerance=tolerance_s, offset_ratio=None)
    *_, offset_f1, _ = score(*notes, onset_tolerance=tolerance_s, offset_min_tolerance=tolerance_s)
    return NoteScore(
        f1=float(f1),
        precision=float(precision),
        recall=float(recall),
        offset_f1=float(offset_f1),
        frame_f1=_score_frames(asked, heard),
        num_asked=len(asked),
        num_heard=len(heard),
    )


def _score_frames(asked: Sequence[Note], heard: Sequence[Note]) -> float:
    end_s = max(note.end_s for note in (*asked, *heard))
    times_s = np.arange(0.0, end_s + FRAME_S, FRAME_S)
    precision, recall, *_ = mir_eval.multipitch.metrics(
        times_s, _sounding_hz(asked, times_s), times_s, _sounding_hz(heard, times_s)
    )
    return float(2.0 * precision * recall / (precision + recall)) if precision + recall > 0.0 else 0.0


def _intervals_and_hz(notes: Sequence[Note]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give [N, 2] start and end in seconds and [N] frequencies."""
    intervals = np.array([(note.onset_s, max(note.end_s, note.onset_s + 1e-3)) for note in notes])
    return intervals, np.array([pitch_to_hz(note.pitch) for note in notes])


def _sounding_hz(notes: Sequence[Note], times_s: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """List the frequencies that sound at each time, each once."""
    sounds = np.zeros((times_s.size, 128), dtype=bool)
    for note in notes:
        sounds[slice(*np.searchsorted(times_s, [note.onset_s, note.end_s])), note.pitch] = True
    hz = np.array([pitch_to_hz(pitch) for pitch in range(128)])
    return [hz[row] for row in sounds]
