"""CREPE's pitch against the note that sounds alone, frame by frame."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from after.data.extract.pitch import PitchExtractor, PitchSettings
from after.data.extract.stored_audio import StoredAudio
from after.evaluation.dynamics import find_rests
from after.evaluation.pitch_accuracy import find_lone_pitches
from after.features.frames import count_frames, frame_times_s
from after.midi import Note

EDGE_S = 0.05
"""Frames so near to the beginning or the end of any note do not count."""

_TOLERANCE_SEMITONES = 0.5


@dataclass(frozen=True, slots=True)
class PitchCounts:
    """Frames in which exactly one note sounds, and frames in which none does.

    Attributes:
        alone: one note sounds.
        in_tune: of these, the pitch is that note's within 50 cents, voiced or not.
        in_chroma: the same, octave errors forgiven.
        voiced: of these, CREPE calls them voiced.
        rest: no note sounds.
        voiced_rest: of these, CREPE calls them voiced.
    """

    alone: int = 0
    in_tune: int = 0
    in_chroma: int = 0
    voiced: int = 0
    rest: int = 0
    voiced_rest: int = 0

    def __add__(self, other: Self) -> "PitchCounts":
        return PitchCounts(
            self.alone + other.alone,
            self.in_tune + other.in_tune,
            self.in_chroma + other.in_chroma,
            self.voiced + other.voiced,
            self.rest + other.rest,
            self.voiced_rest + other.voiced_rest,
        )


@dataclass(frozen=True, slots=True)
class PitchScore:
    """Shares of the frames that count, 0..1; NaN where there are none.

    Attributes:
        raw: raw pitch accuracy, within 50 cents.
        chroma: raw chroma accuracy.
        voicing_recall: share of the frames with a note that are called voiced.
        false_alarm: share of the frames without a note that are called voiced; a note that still rings is one.
    """

    raw: float
    chroma: float
    voicing_recall: float
    false_alarm: float


def score(counts: PitchCounts) -> PitchScore:
    """Give the shares.

    Source: Salamon et al. 2014, "Melody extraction from polyphonic music signals", section on evaluation.
    """
    alone = counts.alone or float("nan")
    return PitchScore(
        raw=counts.in_tune / alone,
        chroma=counts.in_chroma / alone,
        voicing_recall=counts.voiced / alone,
        false_alarm=counts.voiced_rest / (counts.rest or float("nan")),
    )


def count_frames_in_tune(
    extractor: PitchExtractor, settings: PitchSettings, audio: StoredAudio, notes: Sequence[Note]
) -> PitchCounts:
    """Track the pitch as the data store does, and compare it with the notes.

    Args:
        extractor: what `settings.build()` gives.
        settings: of the feature.
        audio: a recording.
        notes: what it plays, pedal applied.
    """
    num_frames = count_frames(audio.num_samples, settings.hop_length)
    tracks = np.concatenate([arrays["pitch"] for arrays in extractor.extract(audio)], axis=1)[:, :num_frames]
    times_s = frame_times_s(num_frames, settings.hop_length, audio.sample_rate)
    voiced = tracks[1] >= settings.voicing
    target = find_lone_pitches(notes, times_s, edge_s=EDGE_S)
    is_alone = np.isfinite(target)
    is_rest = find_rests(notes, times_s, release_s=EDGE_S, lead_s=EDGE_S)
    error = 69.0 + 12.0 * np.log2(tracks[0][is_alone].astype(np.float64) / 440.0) - target[is_alone]
    return PitchCounts(
        alone=int(is_alone.sum()),
        in_tune=int((np.abs(error) <= _TOLERANCE_SEMITONES).sum()),
        in_chroma=int((np.abs(error - 12.0 * np.round(error / 12.0)) <= _TOLERANCE_SEMITONES).sum()),
        voiced=int(voiced[is_alone].sum()),
        rest=int(is_rest.sum()),
        voiced_rest=int(voiced[is_rest].sum()),
    )
