"""Linear probes: how much of the timbre the structure still tells, and how much of the pitch the timbre tells.

A probe is a ridge regression, fitted in closed form and scored on what it was not fitted to. It bounds what leaks from
below: a network that reads the code may find more. Source for probing by linear classifiers: Alain and Bengio 2016,
arXiv 1610.01644.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from after.errors import DataError

Matrix = NDArray[np.float64]

_STRENGTHS = tuple(10.0**power for power in range(-4, 3))  # of the ridge, as a share of the features' variance
_NUM_FOLDS, _NUM_RESAMPLES = 5, 1000


@dataclass(frozen=True, slots=True)
class ProbeScore:
    """What a probe reads.

    Attributes:
        score: accuracy (0..1), or R2: 1 minus the squared error as a share of the variance.
        low: lower end of the 95 % confidence interval.
        high: upper end.
        chance: what knowing nothing scores: the share of the most frequent class; 0 for R2.
        num_items: items scored.
        left_out: groups that were not probed, as too few recordings have them.
    """

    score: float
    low: float
    high: float
    chance: float
    num_items: int
    left_out: tuple[str, ...] = ()

    @property
    def leakage(self) -> float:
        """Tell where the score stands between chance (0) and perfect (1); 0 if it is below chance."""
        return max(0.0, (self.score - self.chance) / max(1.0 - self.chance, 1e-9))


def pool_over_time(structure: ArrayLike) -> Matrix:
    """Summarise structure [..., L, S] by mean and standard deviation over time, [..., 2 S]."""
    frames = np.asarray(structure, dtype=np.float64)
    return np.concatenate([frames.mean(axis=-2), frames.std(axis=-2)], axis=-1)


def probe_groups(
    features: ArrayLike, groups: Sequence[object], *, sources: Sequence[object] | None = None
) -> ProbeScore:
    """Measure how well groups (instruments) can be told from features, by least squares on indicators of the groups.

    For the timbre in structure: features are `pool_over_time` of each excerpt's structure.

    Args:
        features: [N, F].
        groups: [N].
        sources: [N], the recording that each item is from; items of one are never on both sides of a split. None
            takes every item as a recording of its own.

    Returns:
        The accuracy. Groups of fewer than two recordings cannot be told: their items are left out, and they are named.

    Raises:
        DataError: if there are fewer than two recordings, or two groups of two recordings, or the lengths differ.

    Source: Hastie, Tibshirani and Friedman 2009, "The elements of statistical learning", section 4.2.
    """
    names, labels = np.unique([str(group) for group in groups], return_inverse=True)
    if len(names) < 2:
        raise DataError(f"all items are of group {', '.join(names)}: a probe needs two groups or more")
    x, clusters = _check(features, len(labels), sources)
    folds = _deal(clusters, labels)
    num_folds = np.array([len(np.unique(folds[labels == label])) for label in range(len(names))])
    left_out = tuple(str(name) for name in names[num_folds < 2])
    if len(names) - len(left_out) < 2:
        raise DataError(
            f"too few recordings of {', '.join(left_out)}: a probe needs two groups of two recordings or more"
        )
    kept = (num_folds >= 2)[labels]
    x, labels, clusters, folds = x[kept], labels[kept], clusters[kept], folds[kept]
    hits = (_predict(x, np.eye(len(names))[labels], folds).argmax(axis=1) == labels).astype(np.float64)
    low, high = _interval(hits, np.ones_like(hits), clusters)
    chance = float(np.bincount(labels).max() / len(labels))
    return ProbeScore(float(hits.mean()), low, high, chance, len(labels), left_out)


def probe_value(features: ArrayLike, values: ArrayLike, *, sources: Sequence[object] | None = None) -> ProbeScore:
    """Measure how well a number can be told from features.

    For the pitch in timbre: features are timbre vectors, values the mean MIDI pitches of their excerpts.

    Args:
        features: [N, F].
        values: [N].
        sources: see `probe_groups`.

    Returns:
        R2 on items left out; below 0 where guessing the mean would have been better.

    Raises:
        DataError: if the values are all equal, there are fewer than two recordings, or the lengths differ.
    """
    y = np.asarray(values, dtype=np.float64).reshape(-1, 1)
    if len(y) == 0 or np.ptp(y) == 0.0:
        raise DataError(f"all {len(y)} values are equal: there is nothing to tell")
    x, clusters = _check(features, len(y), sources)
    folds = _deal(clusters, np.zeros(len(y), dtype=np.int64))
    squared_error = np.square(_predict(x, y, folds) - y)[:, 0]
    squared_deviation = np.square(y - y.mean())[:, 0]
    low, high = _interval(squared_error, squared_deviation, clusters)
    score = 1.0 - squared_error.sum() / squared_deviation.sum()
    return ProbeScore(float(score), 1.0 - high, 1.0 - low, 0.0, len(y))


def probe_register(features: ArrayLike, pitches: ArrayLike, *, sources: Sequence[object] | None = None) -> ProbeScore:
    """Measure how well the octave (C to B) of mean MIDI pitches [N] can be told, as `probe_groups` does."""
    octaves = np.floor(np.asarray(pitches, dtype=np.float64) / 12.0).astype(int)
    return probe_groups(features, octaves.tolist(), sources=sources)


def _check(features: ArrayLike, num_items: int, sources: Sequence[object] | None) -> tuple[Matrix, NDArray[np.int64]]:
    """Give the features and the number of each item's recording."""
    x = np.asarray(features, dtype=np.float64)
    if x.ndim != 2 or len(x) != num_items or (sources is not None and len(sources) != num_items):
        count = "no" if sources is None else len(sources)
        raise DataError(f"features of shape {x.shape} for {num_items} items and {count} sources: give one row per item")
    if not np.isfinite(x).all():
        raise DataError("features hold a NaN or an infinity: leave such items out")
    if sources is None:
        return x, np.arange(num_items)
    names, clusters = np.unique([str(source) for source in sources], return_inverse=True)
    if len(names) < 2:
        raise DataError("all items are from one recording: a probe is fitted to some recordings and scored on others")
    return x, clusters.astype(np.int64)


def _deal(clusters: NDArray[np.int64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Give the fold of each item: recordings in random order, but those of one label next to each other, are dealt out.

    So a label in two recordings or more is in two folds or more.
    """
    numbers, first = np.unique(clusters, return_index=True)
    order = np.random.default_rng(0).permutation(len(numbers))
    order = order[np.argsort(labels[first[order]], kind="stable")]
    fold_of = np.empty(int(numbers.max()) + 1, dtype=np.int64)
    fold_of[numbers[order]] = np.arange(len(numbers)) % _NUM_FOLDS
    return np.asarray(fold_of[clusters])


def _predict(x: Matrix, y: Matrix, folds: NDArray[np.int64]) -> Matrix:
    """Predict each fold from the others, [N, Y]."""
    predicted = np.empty_like(y)
    for fold in np.unique(folds):
        is_left_out = folds == fold
        predicted[is_left_out] = _fit_and_apply(x[~is_left_out], y[~is_left_out], x[is_left_out])
    return predicted


def _fit_and_apply(x: Matrix, y: Matrix, x_new: Matrix) -> Matrix:
    """Fit a ridge regression, with the strength that leave-one-out likes best, and apply it.

    With the singular values s of the centred features, a ridge shrinks each direction by s^2 / (s^2 + strength); the
    errors of leaving one item out are the residuals divided by 1 - the diagonal of the hat matrix. Source: Hastie,
    Tibshirani and Friedman 2009, equations 3.47 and 7.64.
    """
    centre, mean = x.mean(axis=0), y.mean(axis=0)
    deviation = x.std(axis=0)
    scale = np.where(deviation > 1e-9 * np.abs(centre), deviation, 1.0)
    u, s, vt = np.linalg.svd((x - centre) / scale, full_matrices=False)
    target = u.T @ (y - mean)
    best: tuple[float, Matrix] | None = None
    for strength in _STRENGTHS:
        shrink = np.square(s) / (np.square(s) + strength * len(x))
        hat = (np.square(u) * shrink).sum(axis=1) + 1.0 / len(x)
        residuals = (y - mean - u @ (shrink[:, None] * target)) / np.maximum(1.0 - hat, 1e-6)[:, None]
        error = float(np.square(residuals).mean())
        if best is None or error < best[0]:
            weights = vt.T @ ((s / (np.square(s) + strength * len(x)))[:, None] * target)
            best = error, weights
    assert best is not None
    return np.asarray(mean + ((x_new - centre) / scale) @ best[1])


def _interval(numerators: Matrix, denominators: Matrix, clusters: NDArray[np.int64]) -> tuple[float, float]:
    """Give the 2.5th and 97.5th percentile of sum / sum over resampled recordings.

    Source: Efron and Tibshirani 1993, "An introduction to the bootstrap", section 13.3, the percentile interval.
    """
    _, numbers = np.unique(clusters, return_inverse=True)
    tops, bottoms = np.bincount(numbers, numerators), np.bincount(numbers, denominators)
    drawn = np.random.default_rng(0).integers(len(tops), size=(_NUM_RESAMPLES, len(tops)))
    ratios = tops[drawn].sum(axis=1) / np.maximum(bottoms[drawn].sum(axis=1), 1e-12)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(low), float(high)
