"""A classifier of instruments trained on real recordings, and how near a render is to them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from after.errors import DataError
from after.evaluation.covariance import shrink_covariance

Statistics = NDArray[np.float32]

MIN_RECORDINGS = 3
"""Recordings of each instrument that a classifier needs."""


@dataclass(frozen=True, slots=True, eq=False)
class TimbreClassifier:
    """Linear discriminant analysis with a shrunk covariance, over `mfcc_statistics` of whole recordings.

    Attributes:
        names: N instruments.
        means: [N, F] in whitened coordinates, in which one instrument's recordings have spread 1 in all directions.
        centre: [F] subtracted before whitening.
        whitening: [F, F].
    """

    names: tuple[str, ...]
    means: NDArray[np.float64]
    centre: NDArray[np.float64]
    whitening: NDArray[np.float64]

    @classmethod
    def fit(cls, recordings: Mapping[str, Sequence[Statistics]]) -> Self:
        """Train on recordings by instrument, each with `mfcc_statistics` [F]; silent ones (NaN) are left out.

        Raises:
            DataError: if there are fewer than two instruments, or one has fewer than two audible recordings.

        Source: Hastie, Tibshirani and Friedman 2009, "The elements of statistical learning", section 4.3, with equal
        priors.
        """
        audible = {name: _audible(given) for name, given in recordings.items()}
        few = [name for name, given in audible.items() if len(given) < 2]
        if few or len(audible) < 2:
            raise DataError(
                f"a timbre classifier needs two instruments of two audible recordings each; "
                f"too few: {', '.join(few) or 'instruments'}"
            )
        means = {name: given.mean(axis=0) for name, given in audible.items()}
        residuals = np.concatenate([given - means[name] for name, given in audible.items()])
        freedom = len(residuals) - len(audible)
        spread = np.maximum(np.sqrt(np.square(residuals).sum(axis=0) / freedom), 1e-6)
        scaled = residuals / spread
        values, vectors = np.linalg.eigh(shrink_covariance(scaled.T @ scaled / freedom, freedom))
        whitening = (vectors / np.sqrt(np.maximum(values, 1e-6))) / spread[:, None]
        centre = np.mean(list(means.values()), axis=0)
        points = (np.stack(list(means.values())) - centre) @ whitening
        return cls(tuple(audible), points, centre, whitening)

    def place(self, statistics: Statistics) -> NDArray[np.float64]:
        """Give the whitened coordinates [F] of a recording: distances between them are Mahalanobis distances."""
        return np.asarray((statistics.astype(np.float64) - self.centre) @ self.whitening)

    def rank(self, statistics: Statistics) -> list[str]:
        """Give the instruments, most likely first; an empty list for silence."""
        if not np.isfinite(statistics).all():
            return []
        distances = np.linalg.norm(self.means - self.place(statistics), axis=1)
        return [self.names[index] for index in np.argsort(distances, kind="stable")]


def _audible(given: Sequence[Statistics]) -> NDArray[np.float64]:
    return np.array([statistics for statistics in given if np.isfinite(statistics).all()], dtype=np.float64)


def cross_validate(recordings: Mapping[str, Sequence[Statistics]], *, num_folds: int = 5) -> dict[str, list[bool]]:
    """Tell for every audible recording whether classifiers that did not hear it name its instrument.

    Args:
        recordings: `mfcc_statistics` by instrument.
        num_folds: classifiers trained; each leaves out every n-th recording of every instrument.

    Returns:
        By instrument, in order, without the silent ones.

    Raises:
        DataError: if an instrument has fewer than `MIN_RECORDINGS` audible recordings.
    """
    audible = {name: [s for s in given if np.isfinite(s).all()] for name, given in recordings.items()}
    fewest = min((len(given) for given in audible.values()), default=0)
    if fewest < MIN_RECORDINGS:
        raise DataError(f"a timbre classifier needs {MIN_RECORDINGS} audible recordings of each instrument")
    num_folds = min(num_folds, fewest)
    is_right = {name: [False] * len(given) for name, given in audible.items()}
    for fold in range(num_folds):
        kept = {name: [s for i, s in enumerate(given) if i % num_folds != fold] for name, given in audible.items()}
        classifier = TimbreClassifier.fit(kept)
        for name, given in audible.items():
            for index in range(fold, len(given), num_folds):
                is_right[name][index] = classifier.rank(given[index])[0] == name
    return is_right


@dataclass(frozen=True, slots=True, eq=False)
class TimbreSpace:
    """Real recordings as points, and how far apart they are: the scale on which a render's distance is read.

    Attributes:
        classifier: gives the coordinates.
        points: recordings of each instrument [M, F], whitened.
        same: median distance of two recordings of one instrument.
        other: median distance of two recordings of two instruments.
    """

    classifier: TimbreClassifier
    points: Mapping[str, NDArray[np.float64]]
    same: float
    other: float

    @classmethod
    def build(cls, recordings: Mapping[str, Sequence[Statistics]]) -> Self:
        """Train the classifier and measure the distances among the recordings it was trained on.

        Raises:
            DataError: as `TimbreClassifier.fit`.
        """
        classifier = TimbreClassifier.fit(recordings)
        points = {name: classifier.place(_audible(given).astype(np.float32)) for name, given in recordings.items()}
        within = [_distances(p, p)[np.triu_indices(len(p), 1)] for p in points.values()]
        names = list(points)
        between = [_distances(points[a], points[b]).ravel() for i, a in enumerate(names) for b in names[i + 1 :]]
        return cls(classifier, points, _median(within), _median(between))

    def relative_distance(self, statistics: Statistics, name: str) -> float:
        """Tell how far a recording is from those of one instrument.

        Args:
            statistics: [F] from `mfcc_statistics`.
            name: of the instrument it should sound like.

        Returns:
            Median Mahalanobis distance to its recordings, on a scale where two real recordings of one instrument are 0
            apart and of two instruments 1; below 0 for a typical one. NaN for silence or an unknown name.
        """
        if name not in self.points or not np.isfinite(statistics).all():
            return float("nan")
        distance = float(np.median(np.linalg.norm(self.points[name] - self.classifier.place(statistics), axis=1)))
        return (distance - self.same) / (self.other - self.same)

    def distance(self, first: Statistics, second: Statistics) -> float:
        """Give the Mahalanobis distance of two recordings, in spreads of one instrument; NaN if one is silent."""
        return float(np.linalg.norm(self.classifier.place(first) - self.classifier.place(second)))


def _distances(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.linalg.norm(a[:, None] - b[None], axis=2))


def _median(parts: Sequence[NDArray[np.float64]]) -> float:
    return float(np.median(np.concatenate(parts)))
