"""The figures of many trials, each with its interval and with what real recordings of the same reach."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from after.evaluation.bootstrap import Interval, bootstrap_items, bootstrap_values
from after.evaluation.frechet import Moments, frechet_distance, pool
from after.evaluation.likeness import Likeness, TimbreJudge
from after.evaluation.performance import Performance
from after.evaluation.trials import Comparison, Scored, Trial

NONE = float("nan")


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of an instrument, and the same of real recordings of the same phrases (None where that is no figure)."""

    value: Interval
    real: Interval | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Definition:
    """How a figure comes about.

    Attributes:
        name: in tables and JSON.
        meaning: one line for a reader of the page.
        of: the figure of one trial, NaN where it has none.
        of_real: the figure of the real recording of the same, None where that is no figure.
        use_median: instead of the mean.
    """

    name: str
    meaning: str
    of: Callable[[Trial], float]
    of_real: Callable[[Trial], float] | None = None
    use_median: bool = False


def _sounds(name: str, meaning: str, of: Callable[[Performance], float], *, use_median: bool = False) -> Definition:
    """Define a figure of a performance, real or not."""
    return Definition(
        name=name,
        meaning=meaning,
        of=lambda trial: of(trial.performance),
        of_real=lambda trial: of(trial.real.performance) if trial.real else NONE,
        use_median=use_median,
    )


def _is_like(name: str, meaning: str, of: Callable[[Likeness, str], float]) -> Definition:
    """Define a figure of a timbre that was asked for, real or not."""
    return Definition(
        name=name,
        meaning=meaning,
        of=lambda trial: of(trial.likeness, trial.timbre) if trial.timbre else NONE,
        of_real=lambda trial: of(trial.real.likeness, trial.timbre) if trial.real and trial.timbre else NONE,
    )


def _against_real(
    name: str, meaning: str, of: Callable[[Comparison], float], *, use_median: bool = False
) -> Definition:
    """Define a figure of the difference to the real recording."""
    return Definition(
        name=name, meaning=meaning, of=lambda trial: of(trial.real) if trial.real else NONE, use_median=use_median
    )


def _is_within(ranks: Sequence[str] | None, name: str, within: int) -> float:
    """Tell whether a name is among the first; silence (no ranks) is wrong, a name that is not judged is no figure."""
    return NONE if ranks is None or (ranks and name not in ranks) else float(name in ranks[:within])


DEFINITIONS = (
    _sounds("raw_pitch_accuracy", "CREPE within 50 cents, of voiced frames with one note", lambda p: p.pitch.raw),
    _sounds("raw_chroma_accuracy", "the same, octave errors forgiven", lambda p: p.pitch.chroma),
    _sounds("overall_pitch_accuracy", "the same, of all frames with one note", lambda p: p.pitch.overall),
    _sounds("voiced_share", "voiced frames, of all frames with one note", lambda p: p.pitch.voiced),
    _sounds("onset_f1", "notes of a transcription: onset 50 ms, pitch", lambda p: p.notes.f1 if p.notes else NONE),
    _sounds(
        "onset_offset_f1",
        "the same, and the end within 50 ms or a fifth of the note",
        lambda p: p.notes.offset_f1 if p.notes else NONE,
    ),
    _sounds("frame_f1", "sounding pitches, every 10 ms", lambda p: p.notes.frame_f1 if p.notes else NONE),
    Definition(
        name="pitch_fraction_of_reference",
        meaning="raw pitch accuracy, as a fraction of the real recording's",
        of=lambda trial: trial.pitch_fraction,
    ),
    Definition(
        name="onset_f1_fraction_of_reference",
        meaning="onset F1, as a fraction of the real recording's",
        of=lambda trial: trial.onset_fraction,
    ),
    _is_like(
        "timbre_accuracy",
        "nearest average recording (MFCC statistics) is the instrument asked for",
        lambda likeness, name: _is_within(likeness.nearest, name, 1),
    ),
    _is_like(
        "timbre_accuracy_within_3",
        "it is among the nearest three",
        lambda likeness, name: _is_within(likeness.nearest, name, 3),
    ),
    _is_like(
        "timbre_classifier_accuracy",
        "a classifier trained on real recordings names the instrument asked for",
        lambda likeness, name: _is_within(likeness.classified, name, 1),
    ),
    _is_like(
        "timbre_relative_distance",
        "to other real recordings; 0 as between two of one instrument, 1 of two instruments",
        lambda likeness, name: likeness.relative_distance,
    ),
    _against_real(
        "timbre_distance_to_reference",
        "Mahalanobis distance of MFCC statistics to the real recording of the phrase",
        lambda real: real.timbre_distance,
    ),
    _sounds("velocity_correlation", "rank correlation of velocity and loudness", lambda p: p.velocity_correlation),
    _against_real("loudness_rmse_db", "A-weighted loudness against the real recording", lambda r: r.loudness.rmse_db),
    _against_real(
        "loudness_offset_db",
        "median of its difference: above 0 where the render is louder",
        lambda real: real.loudness.offset_db,
        use_median=True,
    ),
    _sounds("rest_level_db", "loudest frame where nothing should sound", lambda p: p.rests_db, use_median=True),
    _against_real("log_mel_distance", "natural-log units, 80 bands", lambda real: real.log_mel),
    Definition(
        name="realtime_factor", meaning="seconds of rendering per second", of=lambda trial: trial.realtime_factor
    ),
)
"""The figures that are averages over trials, in the order of the table."""

FRECHET = "frechet_mfcc_delta"
FRECHET_MEANING = (
    "Frechet distance of MFCC-and-delta frames to other real recordings of the instruments; "
    "real: the distance between two parts of the real set"
)


def meanings() -> dict[str, str]:
    """Give the line for each figure."""
    return {definition.name: definition.meaning for definition in DEFINITIONS} | {FRECHET: FRECHET_MEANING}


def summarise(trials: Sequence[Trial], *, seed: int = 0) -> dict[str, Figure]:
    """Average over trials; a figure that no trial has is left out.

    Args:
        trials: any number.
        seed: of the bootstrap.

    Returns:
        By name, in the order of `DEFINITIONS`.
    """
    figures = {}
    for definition in DEFINITIONS:
        value = _average([definition.of(trial) for trial in trials], definition, seed)
        if value.num_items:
            real = [definition.of_real(trial) for trial in trials] if definition.of_real else []
            has_real = any(math.isfinite(figure) for figure in real)
            figures[definition.name] = Figure(value, _average(real, definition, seed) if has_real else None)
    return figures


def _average(values: Sequence[float], definition: Definition, seed: int) -> Interval:
    return bootstrap_values(values, seed=seed, use_median=definition.use_median)


def compare_distributions(
    scored: Sequence[Scored], judge: TimbreJudge, *, seed: int = 0, num_resamples: int = 200
) -> Figure | None:
    """Measure the Frechet distance of all renders to the real recordings of the timbres they were made in.

    Args:
        scored: the renders; the timbres asked for must be known.
        judge: has the real recordings.
        seed: of the bootstrap.
        num_resamples: of the bootstrap; one takes a few milliseconds.

    Returns:
        The distance; its `real` is a floor: the distance of the real recordings of what was rendered (or, without
        those, of one half of the real set) to the others. None without real recordings of the timbres.
    """
    if judge.described is None:
        return None
    moments = judge.described.moments
    known = [s for s in scored if s.trial.timbre in moments and s.fingerprint.moments.count]
    others = [m for name in dict.fromkeys(s.trial.timbre or "" for s in known) for m in moments[name]]
    if not known or len(others) < 2:
        return None
    paired = [s.reference_fingerprint.moments for s in known if s.reference_fingerprint]
    if paired := [m for m in paired if m.count]:
        held, rest = paired, others
    else:
        held, rest = others[::2], others[1::2]
    value = _distance_of([s.fingerprint.moments for s in known], pool(others), seed, num_resamples)
    return Figure(value, _distance_of(held, pool(rest), seed, num_resamples))


def _distance_of(given: Sequence[Moments], real: Moments, seed: int, num_resamples: int) -> Interval:
    def distance(chosen: NDArray[np.intp]) -> float:
        return frechet_distance(pool([given[index] for index in chosen]), real)

    return bootstrap_items(distance, len(given), seed=seed, num_resamples=num_resamples, is_biased=True)


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """What timbres are taken for.

    Attributes:
        asked: M timbres.
        heard: N instruments.
        counts: [M, N].
    """

    asked: tuple[str, ...]
    heard: tuple[str, ...]
    counts: NDArray[np.intp]


def count_confusions(trials: Sequence[Trial]) -> Confusion | None:
    """Count what each timbre is taken for by the classifier, or else by the nearest average; None if nobody judged."""
    pairs = [
        (trial.timbre, trial.likeness.heard_as or "silence")
        for trial in trials
        if trial.timbre and trial.likeness.heard_as is not None
    ]
    if not pairs:
        return None
    asked = tuple(dict.fromkeys(name for name, _ in pairs))
    heard = (*asked, *sorted({name for _, name in pairs} - set(asked)))
    counts = np.zeros((len(asked), len(heard)), dtype=np.intp)
    for name, taken_for in pairs:
        counts[asked.index(name), heard.index(taken_for)] += 1
    return Confusion(asked, heard, counts)
