"""Whether the right notes start at the right time: a transcription against the notes that were asked for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from after.midi import Note


@dataclass(frozen=True, slots=True)
class OnsetScore:
    """How well two lists of notes agree, 0..1; all NaN where no note was asked for.

    Attributes:
        f1: harmonic mean of precision and recall.
        precision: share of the heard notes that were asked for.
        recall: share of the asked notes that were heard.
        num_asked: notes asked for.
        num_heard: notes heard.
    """

    f1: float
    precision: float
    recall: float
    num_asked: int
    num_heard: int


def match_notes(
    asked: Sequence[Note], heard: Sequence[Note], *, tolerance_s: float = 0.05, same_pitch: bool = True
) -> list[tuple[int, int]]:
    """Pair as many notes as can be paired, each at most once.

    Args:
        asked: one list of notes.
        heard: the other.
        tolerance_s: largest distance between the onsets of a pair, seconds.
        same_pitch: whether the two must have the same MIDI pitch.

    Returns:
        (index into `asked`, index into `heard`) of each pair.

    Source: Hopcroft and Karp 1973, as in scipy; the criterion is that of MIREX "note tracking, onset only".
    """
    if not asked or not heard:
        return []
    asked_onsets, heard_onsets = (np.array([note.onset_s for note in notes]) for notes in (asked, heard))
    # The margin of a nanosecond keeps notes exactly at the tolerance in, whatever the rounding of the difference.
    fits = np.abs(asked_onsets[:, None] - heard_onsets[None]) <= tolerance_s + 1e-9
    if same_pitch:
        asked_pitches, heard_pitches = (np.array([note.pitch for note in notes]) for notes in (asked, heard))
        fits &= asked_pitches[:, None] == heard_pitches[None]
    partners = maximum_bipartite_matching(csr_matrix(fits), perm_type="column")
    return [(index, int(partner)) for index, partner in enumerate(partners) if partner >= 0]


def score_onsets(
    asked: Sequence[Note], heard: Sequence[Note], *, tolerance_s: float = 0.05, same_pitch: bool = True
) -> OnsetScore:
    """Score a transcription by the onsets (and pitches) of its notes.

    Args:
        asked: the notes that were to be played.
        heard: the transcription.
        tolerance_s: largest onset error, seconds.
        same_pitch: whether the pitch must be right too.

    Returns:
        The score.
    """
    if not asked:
        return OnsetScore(float("nan"), float("nan"), float("nan"), 0, len(heard))
    num_pairs = len(match_notes(asked, heard, tolerance_s=tolerance_s, same_pitch=same_pitch))
    return OnsetScore(
        f1=2.0 * num_pairs / (len(asked) + len(heard)),
        precision=num_pairs / len(heard) if heard else 0.0,
        recall=num_pairs / len(asked),
        num_asked=len(asked),
        num_heard=len(heard),
    )
