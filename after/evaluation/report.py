"""Figures of many trials: a summary, plain data for JSON, and rows for a table."""

import dataclasses
import math
from collections.abc import Iterable, Sequence

from after.evaluation.timbre import identify_rate
from after.evaluation.trials import Trial

COLUMNS = (
    "phrase",
    "timbre",
    "pitch",
    "chroma",
    "voiced",
    "onset F1",
    "nearest",
    "vel. corr.",
    "rests dB",
    "log-mel",
    "of ref. (pitch, F1)",
    "s / s",
)


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if math.isfinite(value)]
    return sum(known) / len(known) if known else float("nan")


def summarise(trials: Sequence[Trial]) -> dict[str, float]:
    """Average the figures over trials; a figure that a trial does not have (NaN) is left out of its average."""
    named = [trial for trial in trials if trial.timbre is not None and trial.timbre_ranks]
    asked, ranks = [trial.timbre or "" for trial in named], [trial.timbre_ranks for trial in named]
    onsets = [trial.performance.notes for trial in trials if trial.performance.notes is not None]
    return {
        "trials": float(len(trials)),
        "raw_pitch_accuracy": _mean(trial.performance.pitch.raw for trial in trials),
        "raw_chroma_accuracy": _mean(trial.performance.pitch.chroma for trial in trials),
        "overall_pitch_accuracy": _mean(trial.performance.pitch.overall for trial in trials),
        "voiced_share": _mean(trial.performance.pitch.voiced for trial in trials),
        "onset_f1": _mean(score.f1 for score in onsets),
        "pitch_fraction_of_reference": _mean(trial.pitch_fraction for trial in trials),
        "onset_f1_fraction_of_reference": _mean(trial.onset_fraction for trial in trials),
        "timbre_accuracy": identify_rate(asked, ranks),
        "timbre_accuracy_within_3": identify_rate(asked, ranks, within=3),
        "velocity_correlation": _mean(trial.performance.velocity_correlation for trial in trials),
        "loudest_rest_db": max(
            (trial.performance.rests_db for trial in trials if math.isfinite(trial.performance.rests_db)),
            default=float("nan"),
        ),
        "log_mel_distance": _mean(trial.log_mel for trial in trials),
        "realtime_factor": _mean(trial.realtime_factor for trial in trials),
    }


def as_json(value: object) -> object:
    """Turn dataclasses into plain data; a NaN or an infinity becomes None, because JSON has neither."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_json(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def build_report(trials: Sequence[Trial], settings: dict[str, object]) -> dict[str, object]:
    """Gather the summary, every trial and the settings they were made with as plain data."""
    rows = []
    for trial in trials:
        row = as_json(trial)
        assert isinstance(row, dict)
        row["timbre_ranks"] = list(trial.timbre_ranks[:5])
        rows.append({**row, "pitch_fraction": as_json(trial.pitch_fraction),
                     "onset_fraction": as_json(trial.onset_fraction)})  # fmt: skip
    return {"summary": as_json(summarise(trials)), "settings": as_json(settings), "trials": rows}


def _number(value: float, form: str = ".3f") -> str:
    return format(value, form) if math.isfinite(value) else "-"


def table_row(trial: Trial) -> tuple[str, ...]:
    """Give the cells of one trial, one for each of `COLUMNS`; "-" where there is no figure."""
    performance = trial.performance
    nearest = trial.timbre_ranks[0] if trial.timbre_ranks else "-"
    fractions = f"{_number(trial.pitch_fraction, '.2f')}, {_number(trial.onset_fraction, '.2f')}"
    return (
        trial.phrase,
        trial.timbre or "-",
        _number(performance.pitch.raw),
        _number(performance.pitch.chroma),
        _number(performance.pitch.voiced),
        _number(performance.notes.f1) if performance.notes else "-",
        nearest,
        _number(performance.velocity_correlation, ".2f"),
        _number(performance.rests_db, ".1f"),
        _number(trial.log_mel),
        fractions if trial.reference else "-",
        _number(trial.realtime_factor, ".2f"),
    )


def summary_lines(summary: dict[str, float]) -> list[str]:
    """Give one line per figure that exists."""
    return [f"{name}: {_number(value)}" for name, value in summary.items() if math.isfinite(value)]
