"""Whether a render sounds like the instrument that was asked for: the nearest of several references, by MFCC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from after.errors import DataError

Metric = Literal["euclidean", "cosine"]


@dataclass(frozen=True, slots=True, eq=False)
class TimbreReferences:
    """One point per instrument in the space of `mfcc_statistics`.

    Attributes:
        names: N instruments.
        statistics: [N, F], finite.
        scale: [F] spread of each feature, above 0; distances are measured in it.
    """

    names: tuple[str, ...]
    statistics: NDArray[np.float32]
    scale: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Check that the parts fit together."""
        num_features = self.scale.size
        if self.statistics.shape != (len(self.names), num_features) or not self.names:
            raise DataError(
                f"{len(self.names)} instruments, statistics of shape {self.statistics.shape} and {num_features} scales "
                "do not fit together: create the timbre references again"
            )
        if not (np.isfinite(self.statistics).all() and (self.scale > 0).all()):
            raise DataError("timbre references hold a NaN or a scale of 0: create them again from audible recordings")

    def distances(self, statistics: NDArray[np.float32], *, metric: Metric = "euclidean") -> NDArray[np.float64]:
        """Measure how far a recording is from each instrument.

        Args:
            statistics: [F] from `mfcc_statistics`.
            metric: "euclidean" between standardised features, or "cosine" between their deviations from the mean of
                all instruments.

        Returns:
            [N]; all NaN if `statistics` holds a NaN, as for silence.
        """
        points = self.statistics.astype(np.float64) / self.scale
        point = np.asarray(statistics, dtype=np.float64) / self.scale
        if metric == "euclidean":
            return np.asarray(np.sqrt(np.square(points - point).mean(axis=1)))
        centre = points.mean(axis=0)
        points, point = points - centre, point - centre
        lengths = np.linalg.norm(points, axis=1) * np.linalg.norm(point)
        return np.asarray(1.0 - points @ point / np.maximum(lengths, 1e-12))

    def rank(self, statistics: NDArray[np.float32], *, metric: Metric = "euclidean") -> list[str]:
        """Give the instruments, nearest first; an empty list for silence."""
        distances = self.distances(statistics, metric=metric)
        if np.isnan(distances).any():
            return []
        return [self.names[index] for index in np.argsort(distances, kind="stable")]


def build_references(recordings: Mapping[str, Sequence[NDArray[np.float32]]]) -> TimbreReferences:
    """Average the statistics of each instrument's recordings.

    Args:
        recordings: `mfcc_statistics` of each recording [F], by instrument; silent ones (NaN) are left out.

    Returns:
        References whose scale is the spread of the recordings of one instrument, pooled over instruments, or the spread
        between instruments where no instrument has two recordings.

    Raises:
        DataError: if an instrument has no audible recording, or there is no instrument.
    """
    audible = {name: [s for s in given if np.isfinite(s).all()] for name, given in recordings.items()}
    silent = [name for name, given in audible.items() if not given]
    if silent or not audible:
        raise DataError(f"no audible recording of {', '.join(silent) or 'any instrument'}: give at least one for each")
    means = np.stack([np.mean(given, axis=0) for given in audible.values()])
    residuals = np.concatenate(
        [np.stack(given) - mean for given, mean in zip(audible.values(), means, strict=True) if len(given) > 1]
        or [means - means.mean(axis=0)]
    )
    freedom = max(1, len(residuals) - sum(len(given) > 1 for given in audible.values()))
    scale = np.sqrt(np.square(residuals).sum(axis=0) / freedom)
    scale = np.maximum(scale, 1e-3 * max(float(scale.max()), 1.0))  # a feature that never varies must not decide
    return TimbreReferences(tuple(audible), means.astype(np.float32), scale.astype(np.float32))
