"""How well features hear what recordings play: measured one by one, pooled by group, as rows and as plain data."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from after.data.extract.loudness import LoudnessSettings
from after.data.extract.pitch import PitchSettings
from after.data.extract.transcription import TranscriptionSettings
from after.evaluation import features_notes, features_pitch
from after.evaluation.features_loudness import compare_loudness
from after.evaluation.features_notes import TOLERANCE_S, NoteCounts, count_notes, hear_notes
from after.evaluation.features_pitch import PitchCounts, count_frames_in_tune
from after.evaluation.features_recordings import Played
from after.evaluation.report import as_json

ALL = "all"
"""Name of the row over all groups."""

NOTE_COLUMNS = (
    "group", "files", "played", "heard", "precision", "recall", "onset F1", "precision", "recall", "on + off F1",
)  # fmt: skip
PITCH_COLUMNS = ("group", "frames", "raw 50c", "chroma 50c", "voicing recall", "rest frames", "false alarm")
LOUDNESS_COLUMNS = ("group", "frames", "mean dB", "95 % dB")


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """What was counted in one recording, or in several.

    Attributes:
        name: of the recording, or of the group.
        group: of the recording, or of all in it.
        files: how many recordings.
        notes: transcribed and played.
        frames: pitch against notes.
        loudness_db: absolute differences of the two ways to measure it, one for each audible frame.
    """

    name: str
    group: str
    files: int
    notes: NoteCounts
    frames: PitchCounts
    loudness_db: NDArray[np.float64]


def measure_features(
    recordings: Iterable[Played], pitch: PitchSettings, *, tolerance_s: float = TOLERANCE_S
) -> list[Heard]:
    """Compute the features of each recording as the data store does, and count what is right.

    Args:
        recordings: from `read_played`.
        pitch: which CREPE network, and from which periodicity a frame is voiced.
        tolerance_s: by which onsets of notes may differ.

    Raises:
        CheckpointError: if weights or packages that a feature needs are missing.
        ConfigError: if mir_eval is not installed.
    """
    features_notes.check_mir_eval()
    loudness = LoudnessSettings()
    transcriber, tracker, meter = TranscriptionSettings().build(), pitch.build(), loudness.build()
    return [
        Heard(
            name=played.name,
            group=played.group,
            files=1,
            notes=count_notes(played.notes, hear_notes(transcriber, played.audio), tolerance_s=tolerance_s),
            frames=count_frames_in_tune(tracker, pitch, played.audio, played.notes),
            loudness_db=compare_loudness(meter, loudness, played.audio),
        )
        for played in recordings
    ]


def pool(recordings: Sequence[Heard]) -> list[Heard]:
    """Add up each group, sorted, and then all; every note and every frame counts once."""
    groups = sorted({heard.group for heard in recordings})
    pooled = [_add_up(group, [heard for heard in recordings if heard.group == group]) for group in groups]
    return [*pooled, _add_up(ALL, recordings)]


def _add_up(name: str, recordings: Sequence[Heard]) -> Heard:
    return Heard(
        name=name,
        group=name,
        files=len(recordings),
        notes=sum((heard.notes for heard in recordings), NoteCounts()),
        frames=sum((heard.frames for heard in recordings), PitchCounts()),
        loudness_db=np.concatenate([heard.loudness_db for heard in recordings]),
    )


def note_row(heard: Heard) -> tuple[str, ...]:
    """Give the cells of `NOTE_COLUMNS`."""
    counts = heard.notes
    scores = (features_notes.score(pairs, counts) for pairs in (counts.onset_pairs, counts.offset_pairs))
    figures = [cell(value) for score in scores for value in (score.precision, score.recall, score.f1)]
    return heard.name, str(heard.files), str(counts.played), str(counts.heard), *figures


def pitch_row(heard: Heard) -> tuple[str, ...]:
    """Give the cells of `PITCH_COLUMNS`."""
    score, counts = features_pitch.score(heard.frames), heard.frames
    of_notes = (cell(score.raw), cell(score.chroma), cell(score.voicing_recall))
    return heard.name, str(counts.alone), *of_notes, str(counts.rest), cell(score.false_alarm)


def loudness_row(heard: Heard) -> tuple[str, ...]:
    """Give the cells of `LOUDNESS_COLUMNS`."""
    mean, most = loudness_figures(heard)
    return heard.name, str(heard.loudness_db.size), cell(mean), cell(most)


TABLES: tuple[tuple[str, tuple[str, ...], Callable[[Heard], tuple[str, ...]]], ...] = (
    ("notes: Basic Pitch against the MIDI file; by onset and pitch, then by offset as well", NOTE_COLUMNS, note_row),
    ("pitch: CREPE against the note that sounds alone", PITCH_COLUMNS, pitch_row),
    ("loudness: absolute difference to an A-weighting filter", LOUDNESS_COLUMNS, loudness_row),
)
"""Title, columns, and what makes a row."""


def loudness_figures(heard: Heard) -> tuple[float, float]:
    """Give the mean of the differences, and what 95 % of them stay below, in dB; NaN where no frame is audible."""
    if not heard.loudness_db.size:
        return float("nan"), float("nan")
    return float(heard.loudness_db.mean()), float(np.percentile(heard.loudness_db, 95.0))


def cell(value: float) -> str:
    """Write a figure, with - for none."""
    return "-" if math.isnan(value) else f"{value:.3f}"


def as_data(recordings: Sequence[Heard]) -> dict[str, object]:
    """Give every figure as plain data: of all, of each group and of each recording."""
    *groups, whole = pool(recordings)
    data = {
        "overall": _figures(whole),
        "groups": {heard.name: _figures(heard) for heard in groups},
        "recordings": [{"name": heard.name, "group": heard.group, **_figures(heard)} for heard in recordings],
    }
    plain = as_json(data)
    assert isinstance(plain, dict)
    return plain


def _figures(heard: Heard) -> dict[str, object]:
    mean, most = loudness_figures(heard)
    counts = heard.notes
    return {
        "files": heard.files,
        "notes": {
            "played": counts.played,
            "heard": counts.heard,
            "onset": features_notes.score(counts.onset_pairs, counts),
            "onset_and_offset": features_notes.score(counts.offset_pairs, counts),
        },
        "pitch": {
            "frames": heard.frames.alone,
            "rest_frames": heard.frames.rest,
            "score": features_pitch.score(heard.frames),
        },
        "loudness": {"frames": heard.loudness_db.size, "mean_db": mean, "most_db": most},
    }
