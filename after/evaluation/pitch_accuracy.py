"""Whether a render is in tune: its pitch against the notes it was asked to play."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from after.midi import Note


@dataclass(frozen=True, slots=True)
class PitchAccuracy:
    """Shares of the frames in which exactly one known pitch should sound; NaN where there is no such frame.

    Attributes:
        raw: in tune, of the frames that are voiced.
        chroma: the same with octave errors forgiven.
        overall: in tune, of all frames, voiced or not.
        voiced: voiced, of all frames.
        num_frames: how many frames there are.
    """

    raw: float
    chroma: float
    overall: float
    voiced: float
    num_frames: int


def find_lone_pitches(
    notes: Sequence[Note], times_s: NDArray[np.float64], *, edge_s: float = 0.05
) -> NDArray[np.float32]:
    """Tell which pitch sounds alone at each time.

    Args:
        notes: what was played, in any order.
        times_s: [L] increasing, seconds.
        edge_s: times closer than this to the start or the end of any note are left out.

    Returns:
        [L] MIDI pitch, NaN where no pitch or several different pitches sound, or a note edge is near.
    """
    lowest = np.full(times_s.size, np.inf, dtype=np.float32)
    highest = np.full(times_s.size, -np.inf, dtype=np.float32)
    is_near_edge = np.zeros(times_s.size, dtype=bool)
    for note in notes:
        sounds = slice(*np.searchsorted(times_s, [note.onset_s, note.onset_s + note.duration_s]))
        lowest[sounds] = np.minimum(lowest[sounds], note.pitch)
        highest[sounds] = np.maximum(highest[sounds], note.pitch)
        for time_s in (note.onset_s, note.onset_s + note.duration_s):
            is_near_edge[slice(*np.searchsorted(times_s, [time_s - edge_s, time_s + edge_s]))] = True
    return np.where((lowest == highest) & ~is_near_edge, lowest, np.nan).astype(np.float32)


def measure_pitch_accuracy(
    pitch: ArrayLike, is_voiced: ArrayLike, target_pitch: ArrayLike, *, tolerance_cents: float = 50.0
) -> PitchAccuracy:
    """Compare a pitch track with the pitches that should sound.

    Args:
        pitch: [L] fractional MIDI pitch; a NaN counts as wrong.
        is_voiced: [L] whether the frame has a pitch at all.
        target_pitch: [L] MIDI pitch, NaN in frames that do not count.
        tolerance_cents: largest deviation that is in tune.

    Returns:
        The shares; `raw` is 0, not NaN, where frames count but none is voiced.

    Source: Salamon et al. 2014, "Melody extraction from polyphonic music signals", section on evaluation; its raw
    pitch accuracy is `overall` here.
    """
    target = np.asarray(target_pitch, dtype=np.float64)
    counts = np.isfinite(target)
    num_frames = int(counts.sum())
    if num_frames == 0:
        return PitchAccuracy(float("nan"), float("nan"), float("nan"), float("nan"), 0)
    voiced = np.asarray(is_voiced, dtype=bool)[counts]
    cents = 100.0 * (np.asarray(pitch, dtype=np.float64)[counts] - target[counts])
    in_tune = np.abs(cents) <= tolerance_cents
    in_chroma = np.abs(cents - 1200.0 * np.round(cents / 1200.0)) <= tolerance_cents
    num_voiced = int(voiced.sum())
    return PitchAccuracy(
        raw=float(in_tune[voiced].sum() / max(1, num_voiced)),
        chroma=float(in_chroma[voiced].sum() / max(1, num_voiced)),
        overall=float(in_tune.mean()),
        voiced=num_voiced / num_frames,
        num_frames=num_frames,
    )
