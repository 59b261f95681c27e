"""The figures of several codecs side by side: rows for a table, plain data for JSON."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from after.evaluation.codec_reconstruction import Figures, Trial, summarise
from after.evaluation.report import as_json

COLUMNS = ("system", "log-mel", "STFT", "SI-SDR dB", "pitch 50c", "level dB", "log-mel -40", "kbit/s")
"""Heads of the columns that `figure_cells` fills, with the system's name before them."""

_FORMS = {"si_sdr_db": ".1f", "pitch": ".3f", "loudness_db": ".2f", "kbps": ".1f"}


@dataclass(frozen=True, slots=True)
class Reconstructions:
    """What recordings told about systems.

    Attributes:
        trials: every recording through every system.
        silence_db: of each system, the level of its digital silence.
    """

    trials: tuple[Trial, ...]
    silence_db: Mapping[str, float]

    @property
    def groups(self) -> tuple[str, ...]:
        """Groups of the recordings, sorted."""
        return tuple(sorted({trial.group for trial in self.trials}))

    def average(self, system: str, group: str | None = None) -> Figures:
        """Average a system's trials, of all groups or of one."""
        return summarise([t for t in self.trials if t.system == system and group in (None, t.group)])


def number(value: float, form: str = ".3f") -> str:
    """Write a figure, with - for none."""
    return "-" if math.isnan(value) else format(value, form)


def figure_cells(figures: Figures) -> tuple[str, ...]:
    """Give the cells of one row, one for each of `COLUMNS` but the first."""
    return tuple(number(value, _FORMS.get(name, ".3f")) for name, value in asdict(figures).items())


def overall_rows(result: Reconstructions) -> Iterator[tuple[str, ...]]:
    """Give a row for each system: its name, its averages, and the level of its silence."""
    for system, silence_db in result.silence_db.items():
        yield system, *figure_cells(result.average(system)), number(silence_db, ".0f")


def group_rows(result: Reconstructions) -> Iterator[tuple[str, ...]]:
    """Give a row for each group and system, the group's name first."""
    for group in result.groups:
        for system in result.silence_db:
            yield group, system, *figure_cells(result.average(system, group))


def reconstruction_data(result: Reconstructions, system: str) -> dict[str, object]:
    """Give one system's figures as plain data: overall, for each group and for each recording."""
    recordings: Sequence[Trial] = [trial for trial in result.trials if trial.system == system]
    data = {
        "overall": asdict(result.average(system)) | {"silence_dbfs": result.silence_db[system]},
        "groups": {group: asdict(result.average(system, group)) for group in result.groups},
        "recordings": [{"name": t.recording, "group": t.group, **asdict(t.figures)} for t in recordings],
    }
    plain = as_json(data)
    assert isinstance(plain, dict)
    return plain
