"""Which instrument the sound of a model is taken for, by a classifier of decoded training recordings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from after.evaluation.classifier import Statistics, TimbreClassifier
from after.features.mfcc import mfcc_statistics
from after.units import db_to_gain

_SILENCE_DB = -70.0


@dataclass(frozen=True, slots=True, eq=False)
class Recognition:
    """Names instruments; those it could not learn are neither right nor wrong.

    Attributes:
        classifier: None where fewer than two instruments could be learned.
        sample_rate: Hz of the sounds.
    """

    classifier: TimbreClassifier | None
    sample_rate: int

    @classmethod
    def learn(cls, statistics: Mapping[str, Sequence[Statistics]], sample_rate: int) -> Self:
        """Train on `mfcc_statistics` by instrument; those of fewer than two audible excerpts are left out."""
        audible = {name: [row for row in rows if np.isfinite(row).all()] for name, rows in statistics.items()}
        enough = {name: rows for name, rows in audible.items() if len(rows) > 1}
        return cls(TimbreClassifier.fit(enough) if len(enough) > 1 else None, sample_rate)

    @property
    def names(self) -> tuple[str, ...]:
        """The instruments that are known."""
        return () if self.classifier is None else self.classifier.names

    def hit(self, audio: NDArray[np.float32], name: str) -> float:
        """Tell whether a sound [T] is taken for an instrument: 1 or 0, NaN for one that is not known.

        What is not heard at all, below -70 dBFS, is taken for none.
        """
        if self.classifier is None or name not in self.names:
            return float("nan")
        if np.abs(audio).max() < db_to_gain(_SILENCE_DB):
            return 0.0
        return float(self.classifier.rank(mfcc_statistics(audio, self.sample_rate))[:1] == [name])

    def describe_gaps(self, wanted: Sequence[str]) -> list[str]:
        """Say which of the instruments wanted are not judged, and why."""
        if self.classifier is None:
            return ["instrument: a classifier needs two instruments with two audible training excerpts each"]
        unknown = sorted(set(wanted) - set(self.names))
        return [f"instrument: of {', '.join(unknown)}, without two audible training excerpts"] if unknown else []
