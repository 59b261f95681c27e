"""From note activations per frame to notes with a start and an end."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Activations = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class NoteSearch:
    """Thresholds of the search; the defaults are the published ones.

    Attributes:
        onset_threshold: onset activation from which a peak starts a note, 0..1.
        frame_threshold: note activation below which a note fades, 0..1.
        min_frames: shorter notes are dropped (11 frames are 128 ms).
        patience_frames: frames in a row below the threshold that end a note.
        infer_onsets: also start notes where the activation jumps up.
        fill_gaps: also take notes without an onset from what activation remains.
    """

    onset_threshold: float = 0.5
    frame_threshold: float = 0.3
    min_frames: int = 11
    patience_frames: int = 11
    infer_onsets: bool = True
    fill_gaps: bool = True


@dataclass(frozen=True, slots=True)
class FoundNote:
    """A note in frames and rows: sounds in [first_frame, end_frame), with its mean activation in 0..1."""

    first_frame: int
    end_frame: int
    row: int
    activation: float


def find_notes(
    onsets: Activations, frames: Activations, search: NoteSearch, *, rise_scale: float | None = None
) -> list[FoundNote]:
    """Follow the activation from each onset, latest first, and then explain what is left.

    Args:
        onsets: [L, P] in 0..1, likelihood that a note of row P starts in a frame.
        frames: [L, P] in 0..1, likelihood that it sounds.
        search: thresholds.
        rise_scale: what makes a rise of the activation an onset activation; None measures it (`measure_rise_scale`).
            A piece of a recording needs that of the whole.

    Returns:
        Notes in the order found; notes of one row do not overlap.

    Source: Bittner et al. 2022, section 2.3, "note creation".
    """
    if len(frames) < 3:
        return []
    remaining = frames.copy()
    if search.infer_onsets:
        scale = (
            measure_rise_scale(float(onsets.max()), float(rises(frames).max())) if rise_scale is None else rise_scale
        )
        onsets = np.maximum(onsets, rises(frames) * np.float32(scale))
    found: list[FoundNote] = []
    for start, row in _onset_peaks(onsets, search.onset_threshold):
        end = _follow(remaining[start + 1 :, row], search) + start + 1
        if end - start <= search.min_frames:
            continue
        found.append(FoundNote(start, end, row, float(frames[start:end, row].mean())))
        _claim(remaining, start, end, row)
    return found + _fill_gaps(frames, remaining, search) if search.fill_gaps else found


def rises(frames: Activations) -> Activations:
    """Give how much the activation [L, P] has risen over the last one and two frames, whichever is less."""
    rise = np.zeros_like(frames)
    rise[2:] = np.minimum(frames[2:] - frames[1:-1], frames[2:] - frames[:-2]).clip(min=0.0)
    return rise


def measure_rise_scale(highest_onset: float, highest_rise: float) -> float:
    """Give the factor that makes the highest rise of a recording as high as its highest onset activation."""
    return highest_onset / highest_rise if highest_rise > 0.0 else 1.0


def _onset_peaks(onsets: Activations, threshold: float) -> list[tuple[int, int]]:
    """Frames and rows of the local maxima above the threshold, latest first."""
    middle = onsets[1:-1]
    is_peak = (middle > onsets[:-2]) & (middle > onsets[2:]) & (middle >= threshold)
    starts, rows = np.nonzero(is_peak)
    return [(int(start) + 1, int(row)) for start, row in zip(starts[::-1], rows[::-1], strict=True)]


def _follow(activation: Activations, search: NoteSearch) -> int:
    """Count the frames until the activation stays low, those low frames not included."""
    low_frames = 0
    for frame, is_low in enumerate(activation < search.frame_threshold):
        low_frames = low_frames + 1 if is_low else 0
        if low_frames == search.patience_frames:
            return frame + 1 - low_frames
    return len(activation) - low_frames


def _claim(remaining: Activations, start: int, end: int, row: int) -> None:
    """Mark a note as explained, with the semitones beside it, into which its activation leaks."""
    remaining[start:end, max(0, row - 1) : row + 2] = 0.0


def _fill_gaps(frames: Activations, remaining: Activations, search: NoteSearch) -> list[FoundNote]:
    """Grow a note to both sides from the strongest activation that no note explains, until none is left."""
    found: list[FoundNote] = []
    unexplained = np.flatnonzero(remaining > search.frame_threshold)
    strongest_first = unexplained[np.argsort(-remaining.reshape(-1)[unexplained], kind="stable")]
    for place in strongest_first.tolist():
        middle, row = divmod(place, remaining.shape[1])
        if remaining[middle, row] == 0.0:  # a note has been found there since
            continue
        end = middle + 1 + _follow(remaining[middle + 1 :, row], search)
        start = middle - _follow(remaining[:middle, row][::-1], search)
        _claim(remaining, start, end, row)
        end -= 1  # the last frame is given away, as in the authors' program, so that results can be compared
        if end - start > search.min_frames:
            found.append(FoundNote(start, end, row, float(frames[start:end, row].mean())))
    return found
