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
        low: lower end of the 95 % interval; NaN with fewer than two items.
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
