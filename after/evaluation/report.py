"""The outcome of an evaluation as rows for tables and as plain data for JSON."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from after.evaluation.bootstrap import Interval
from after.evaluation.figures import Confusion, Figure
from after.evaluation.likeness import Likeness
from after.evaluation.transfer import Transfer
from after.evaluation.trials import Trial

COLUMNS = (
    "phrase",
    "timbre",
    "pitch",
    "onset F1",
    "+ offset",
    "frame F1",
    "nearest",
    "classified",
    "vel. corr.",
    "loudness dB",
    "rests dB",
    "log-mel",
    "of ref. (pitch, F1)",
    "s / s",
)

FIGURE_COLUMNS = ("figure", "value", "95 % interval", "real recordings", "items")

WORDS = ("phrase", "timbre", "nearest", "classified", "figure", "melody")
"""Columns that hold words, not numbers."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Classifier:
    """What is known about the timbre classifier: how many recordings it was trained on, and its own accuracy."""

    num_instruments: int
    num_recordings: int
    cross_validated_accuracy: Interval


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """All that an evaluation found.

    Attributes:
        settings: it was made with.
        trials: in order.
        figures: by name.
        classifier: None without one.
        confusion: None where nobody judged timbres.
        transfer: None if it was not measured.
        seed: of the bootstrap.
    """

    settings: Mapping[str, object]
    trials: Sequence[Trial]
    figures: Mapping[str, Figure]
    classifier: Classifier | None = None
    confusion: Confusion | None = None
    transfer: Transfer | None = None
    seed: int = 0


def as_json(value: object) -> object:
    """Turn dataclasses into plain data; a NaN or an infinity becomes None, because JSON has neither."""
    if isinstance(value, np.ndarray):
        return as_json(value.tolist())
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def build_report(outcome: Outcome) -> dict[str, object]:
    """Give everything as plain data."""
    report: dict[str, object] = {
        "settings": as_json(outcome.settings),
        "summary": {
            name: {**_interval(figure.value), "real": _interval(figure.real) if figure.real else None}
            for name, figure in outcome.figures.items()
        },
        "timbre_classifier": as_json(outcome.classifier),
        "confusion": as_json(outcome.confusion),
        "trials": [_trial_data(trial) for trial in outcome.trials],
    }
    if outcome.transfer is not None:
        transfer = outcome.transfer
        report["transfer"] = {
            "instruments": list(transfer.names),
            "pitch_accuracy": as_json(transfer.pitch_matrix()),
            "timbre_accuracy": as_json(transfer.timbre_matrix()),
            "summary": {name: _interval(value) for name, value in transfer.summarise(seed=outcome.seed).items()},
            "pairs": as_json(transfer.pairs),
        }
    return report


def _interval(interval: Interval) -> dict[str, object]:
    plain = as_json(interval)
    assert isinstance(plain, dict)
    return plain


def _trial_data(trial: Trial) -> object:
    real = dataclasses.replace(trial.real, likeness=_shortened(trial.real.likeness)) if trial.real else None
    data = as_json(dataclasses.replace(trial, likeness=_shortened(trial.likeness), real=real))
    assert isinstance(data, dict)
    fractions = {"pitch_fraction": trial.pitch_fraction, "onset_fraction": trial.onset_fraction}
    return data | {name: as_json(value) for name, value in fractions.items()}


def _shortened(likeness: Likeness) -> Likeness:
    nearest, classified = (ranks and ranks[:5] for ranks in (likeness.nearest, likeness.classified))
    return dataclasses.replace(likeness, nearest=nearest, classified=classified)


def number(value: float, form: str = ".3f") -> str:
    """Write a figure, with - for none."""
    return format(value, form) if math.isfinite(value) else "-"


def figure_rows(outcome: Outcome) -> list[tuple[str, ...]]:
    """Give a row for each figure, one cell for each of `FIGURE_COLUMNS`."""
    figures: dict[str, Figure] = dict(outcome.figures)
    if outcome.transfer is not None:
        figures |= {name: Figure(value) for name, value in outcome.transfer.summarise(seed=outcome.seed).items()}
    return [
        (
            name,
            number(figure.value.value),
            interval_text(figure.value),
            f"{number(figure.real.value)} ({interval_text(figure.real)})" if figure.real else "-",
            str(figure.value.num_items),
        )
        for name, figure in figures.items()
    ]


def interval_text(interval: Interval) -> str:
    """Write the ends of an interval."""
    return f"{number(interval.low)} .. {number(interval.high)}" if math.isfinite(interval.low) else "-"


def classifier_line(classifier: Classifier) -> str:
    """Say what the classifier is worth."""
    accuracy = classifier.cross_validated_accuracy
    return (
        f"timbre classifier: linear discriminants of MFCC statistics, trained on {classifier.num_recordings} real "
        f"recordings of {classifier.num_instruments} instruments; names {number(accuracy.value)} "
        f"({interval_text(accuracy)}) of those it has not heard; chance is {1 / classifier.num_instruments:.3f}"
    )


def table_row(trial: Trial) -> tuple[str, ...]:
    """Give the cells of one trial, one for each of `COLUMNS`; "-" where there is no figure."""
    performance, likeness, real = trial.performance, trial.likeness, trial.real
    notes = performance.notes
    return (
        trial.phrase,
        trial.timbre or "-",
        number(performance.pitch.raw),
        number(notes.f1) if notes else "-",
        number(notes.offset_f1) if notes else "-",
        number(notes.frame_f1) if notes else "-",
        likeness.nearest[0] if likeness.nearest else "-",
        likeness.classified[0] if likeness.classified else "-",
        number(performance.velocity_correlation, ".2f"),
        number(real.loudness.rmse_db, ".1f") if real else "-",
        number(performance.rests_db, ".1f"),
        number(real.log_mel) if real else "-",
        f"{number(trial.pitch_fraction, '.2f')}, {number(trial.onset_fraction, '.2f')}" if real else "-",
        number(trial.realtime_factor, ".2f"),
    )


def matrix_rows(transfer: Transfer, *, of_timbre: bool) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Give the columns and the rows of a transfer matrix in percent: a melody each row, a timbre each column."""
    matrix = transfer.timbre_matrix() if of_timbre else transfer.pitch_matrix()
    rows = [
        (melody, *(number(100.0 * value, ".0f") for value in row))
        for melody, row in zip(transfer.names, matrix, strict=True)
    ]
    return ("melody", *(name[:4] for name in transfer.names)), rows
