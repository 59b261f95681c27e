"""The figures of one recording against the notes it plays, whether a model or a person made it."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from after.errors import CheckpointError
from after.evaluation.dynamics import correlate_velocity, measure_rests_db
from after.evaluation.note_scores import NoteScore, score_notes
from after.evaluation.pitch_accuracy import PitchAccuracy, find_lone_pitches, measure_pitch_accuracy
from after.features.crepe import CrepeSize
from after.features.frames import as_mono, level_db
from after.features.pitch import VOICED_PERIODICITY, track_pitch
from after.features.transcription import transcribe
from after.midi import Note

_LOGGER = logging.getLogger(__name__)

CREPE_PITCHES = range(24, 96)
"""MIDI pitches that CREPE can name; others are left out of the pitch accuracy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PerformanceSettings:
    """How to measure.

    Attributes:
        pitch_model: CREPE network, "full" (0.6 s of one CPU core per second of audio at this hop) or "tiny" (0.04).
        pitch_hop_length: samples between pitch estimates.
        voiced_periodicity: periodicity from which a frame counts as voiced.
        tolerance_cents: largest deviation that is in tune.
        tolerance_s: largest onset error.
    """

    pitch_model: CrepeSize = "full"
    pitch_hop_length: int = 2048
    voiced_periodicity: float = VOICED_PERIODICITY
    tolerance_cents: float = 50.0
    tolerance_s: float = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class Performance:
    """What was measured; NaN where the notes give nothing to measure.

    Attributes:
        pitch: CREPE against the notes that sound alone.
        notes: Basic Pitch's notes against the asked ones; None where Basic Pitch is not installed.
        velocity_correlation: rank correlation of velocity and loudness, -1..1.
        rests_db: loudest frame where nothing should sound, dBFS.
        level_db: level of the loudest 23 ms, dBFS.
        peak: largest absolute sample.
    """

    pitch: PitchAccuracy
    notes: NoteScore | None
    velocity_correlation: float
    rests_db: float
    level_db: float
    peak: float


def measure_performance(
    audio: ArrayLike, sample_rate: int, notes: Sequence[Note], settings: PerformanceSettings | None = None
) -> Performance:
    """Measure one recording.

    Args:
        audio: [C, T] or [T], full scale +-1; channels are averaged.
        sample_rate: Hz.
        notes: what it plays, pedal applied.
        settings: how to measure; the defaults if None.

    Returns:
        The figures.

    Raises:
        AudioError: if `audio` is empty or not finite.
        CheckpointError: if CREPE's weights are not installed.
    """
    settings = settings or PerformanceSettings()
    mono = as_mono(audio)
    return Performance(
        pitch=measure_pitch(mono, sample_rate, notes, settings),
        notes=_measure_notes(mono, sample_rate, notes, settings.tolerance_s),
        velocity_correlation=correlate_velocity(mono, sample_rate, notes),
        rests_db=measure_rests_db(mono, sample_rate, notes),
        level_db=float(level_db(mono, 1024).max()),
        peak=float(np.abs(mono).max()),
    )


def measure_pitch(
    audio: ArrayLike, sample_rate: int, notes: Sequence[Note], settings: PerformanceSettings
) -> PitchAccuracy:
    """Measure only the pitch, as `measure_performance` does.

    Raises:
        AudioError: if `audio` is empty or not finite.
        CheckpointError: if CREPE's weights are not installed.
    """
    track = track_pitch(audio, sample_rate, hop_length=settings.pitch_hop_length, size=settings.pitch_model)
    target = find_lone_pitches(notes, track.times_s)
    target[~np.isin(target, list(CREPE_PITCHES))] = np.nan
    is_voiced = track.is_voiced(settings.voiced_periodicity)
    return measure_pitch_accuracy(track.pitch, is_voiced, target, tolerance_cents=settings.tolerance_cents)


def _measure_notes(audio: ArrayLike, sample_rate: int, notes: Sequence[Note], tolerance_s: float) -> NoteScore | None:
    try:
        heard = transcribe(audio, sample_rate)
    except (CheckpointError, ModuleNotFoundError) as error:
        _LOGGER.warning("notes are not scored: %s", error)
        return None
    return score_notes(notes, heard, tolerance_s=tolerance_s)


def fraction_of(value: float, reference: float) -> float:
    """Give `value` as a fraction of what a reference recording reaches; NaN if that is 0 or one of them is missing."""
    return value / reference if reference > 0 and math.isfinite(value) else float("nan")
