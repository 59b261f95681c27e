"""Frechet distance of MFCC-and-delta frames: whether renders as a whole are distributed as recordings are.

The embedding is not a trained network: none that is freely licensed comes with this project, and CREPE's and Basic
Pitch's inner layers describe pitch above all. So the figure is called `frechet_mfcc_delta` and says nothing about
published "Frechet audio distances", which use other embeddings.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from after.evaluation.covariance import shrink_covariance
from after.features.mfcc import mfcc


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """What a set of frames is reduced to; sums, so that sets can be put together.

    Attributes:
        count: frames.
        total: [F] sum of the frames.
        squares: [F, F] sum of their outer products.
    """

    count: int
    total: NDArray[np.float64]
    squares: NDArray[np.float64]

    @property
    def mean(self) -> NDArray[np.float64]:
        """Give the mean frame [F]."""
        return self.total / self.count

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Give the covariance [F, F] of the frames, divided by their number."""
        return self.squares / self.count - np.outer(self.mean, self.mean)


def embed_frames(audio: ArrayLike, sample_rate: int) -> NDArray[np.float32]:
    """Describe each sounding frame by MFCC 1 to 20 and by how they change from frame to frame.

    Args:
        audio: [C, T] or [T].
        sample_rate: Hz, at least 24 000; compare at one rate only.

    Returns:
        [L, 40]; L = 0 for silence. Frames more than 40 dB below the loudest are left out before differences are taken.

    Raises:
        AudioError: if `audio` is empty or not finite.
    """
    coefficients = mfcc(audio, sample_rate)
    if coefficients.shape[1] < 2:
        return np.zeros((0, 2 * len(coefficients)), dtype=np.float32)
    return np.asarray(np.concatenate([coefficients, np.gradient(coefficients, axis=1)]).T)


def moments_of(frames: NDArray[np.float32] | NDArray[np.float64]) -> Moments:
    """Reduce frames [L, F] to their moments."""
    exact = frames.astype(np.float64)
    return Moments(len(exact), exact.sum(axis=0), exact.T @ exact)


def pool(parts: Sequence[Moments]) -> Moments:
    """Put sets of frames together; at least one set."""
    count = sum(part.count for part in parts)
    return Moments(count, sum(part.total for part in parts), sum(part.squares for part in parts))  # type: ignore[arg-type]


def frechet_distance(given: Moments, real: Moments) -> float:
    """Measure how far two distributions are apart, both taken for Gaussian.

    Args:
        given: of the frames to judge.
        real: of the frames to compare with; every feature is divided by its spread among these.

    Returns:
        |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), in squared spreads of a real feature, summed over features; 0 for
        equal moments, NaN if one of them has fewer than two frames. Covariances are shrunk (OAS) by their numbers of
        frames, which leaves sets of a few hundred frames with a distance above 0: compare with the distance of two
        parts of the real set.

    Source: Dowson and Landau 1982, "The Frechet distance between multivariate normal distributions", equation 4.
    """
    if min(given.count, real.count) < 2:
        return float("nan")
    spread = np.sqrt(np.maximum(np.diag(real.covariance), 1e-12))
    first, second = (
        shrink_covariance(moments.covariance / np.outer(spread, spread), moments.count) for moments in (given, real)
    )
    difference = (given.mean - real.mean) / spread
    root = _square_root(second)
    cross = np.linalg.eigvalsh(root @ first @ root)
    overlap = np.sqrt(np.maximum(cross, 0.0)).sum()
    return max(0.0, float(difference @ difference + np.trace(first) + np.trace(second) - 2.0 * overlap))


def _square_root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)
