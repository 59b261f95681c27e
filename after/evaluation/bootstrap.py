"""How sure an average is: percentile intervals over items drawn again with replacement."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NUM_RESAMPLES = 1000
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and how sure it is.

    Attributes:
        value: of the items measured; NaN without any.
        low: lower end of the 95 % interval; NaN with fewer than two items, or recordings of them.
        high: its upper end.
        num_items: items that the figure is made of.
    """

    value: float
    low: float
    high: float
    num_items: int


def bootstrap_items(
    statistic: Callable[[NDArray[np.intp]], float],
    num_items: int,
    *,
    seed: int = 0,
    num_resamples: int = NUM_RESAMPLES,
    is_biased: bool = False,
) -> Interval:
    """Find the 95 % interval of any statistic of a set of items.

    Args:
        statistic: gives the figure of the items with these indices, some of them several times.
        num_items: how many there are.
        seed: of the draws.
        num_resamples: sets drawn.
        is_biased: whether the statistic is larger in drawn sets, which hold fewer different items, as a distance of
            distributions is; then the interval is moved by the mean of that difference, and cut at 0.

    Returns:
        The figure of all items, with its interval.

    Source: Efron and Tibshirani 1993, "An introduction to the bootstrap", sections 13.3 and 10.3.
    """
    if num_items == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    draws = _draw(num_items, num_resamples, seed)
    drawn = np.array([statistic(chosen) for chosen in draws] if num_items > 1 else [])
    return _interval(statistic(np.arange(num_items)), drawn, num_items, is_biased=is_biased)


def bootstrap_values(
    values: Sequence[float], *, seed: int = 0, use_median: bool = False, num_resamples: int = NUM_RESAMPLES
) -> Interval:
    """Find the 95 % interval of the mean, or median, of figures of items; NaN and infinities are left out."""
    known = np.array([value for value in values if math.isfinite(value)])
    if known.size == 0:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    average = np.median if use_median else np.mean
    drawn = average(known[_draw(known.size, num_resamples, seed)], axis=1)
    return _interval(float(average(known)), np.asarray(drawn), known.size)


def bootstrap_recordings(
    values: Sequence[float], recordings: Sequence[object], *, seed: int = 0, num_resamples: int = NUM_RESAMPLES
) -> Interval:
    """Find the 95 % interval of the mean of figures of items, several of which may be from one recording.

    Items of a recording are alike, so whole recordings are drawn again, each with all of its items.

    Args:
        values: of the items; NaN and infinities are left out.
        recordings: which one each item is from.
        seed: of the draws.
        num_resamples: sets drawn.

    Source: Davison and Hinkley 1997, "Bootstrap methods and their application", section 3.8, strategy 1.
    """
    given = [(value, str(name)) for value, name in zip(values, recordings, strict=True) if math.isfinite(value)]
    if not given:
        return Interval(float("nan"), float("nan"), float("nan"), 0)
    known = np.array([value for value, _ in given])
    names, numbers = np.unique([name for _, name in given], return_inverse=True)
    if len(names) == 1:
        return Interval(float(known.mean()), float("nan"), float("nan"), known.size)
    sums, counts = np.bincount(numbers, known), np.bincount(numbers)
    drawn = _draw(len(names), num_resamples, seed)
    return _interval(float(known.mean()), sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1), known.size)


def _draw(num_items: int, num_resamples: int, seed: int) -> NDArray[np.intp]:
    """Give the items of each drawn set, [sets, items]."""
    return np.random.default_rng(seed).integers(num_items, size=(num_resamples, num_items))


def _interval(value: float, drawn: NDArray[np.float64], num_items: int, *, is_biased: bool = False) -> Interval:
    if num_items == 1:
        return Interval(value, float("nan"), float("nan"), 1)
    low, high = np.quantile(drawn, [(1.0 - CONFIDENCE) / 2.0, (1.0 + CONFIDENCE) / 2.0])
    if is_biased:
        bias = float(drawn.mean()) - value
        low, high = max(0.0, low - bias), high - bias
    return Interval(value, float(low), float(high), num_items)
