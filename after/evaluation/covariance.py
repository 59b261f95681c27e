"""Covariance matrices that stay usable with few samples."""

import numpy as np
from numpy.typing import NDArray


def shrink_covariance(covariance: NDArray[np.float64], num_samples: float) -> NDArray[np.float64]:
    """Pull a sample covariance towards a multiple of the identity, the more the fewer samples it comes from.

    Args:
        covariance: [F, F], divided by the number of samples; features of about the same spread.
        num_samples: that it was computed from.

    Returns:
        [F, F] symmetric, positive definite unless `covariance` is 0.

    Source: Chen, Wiesel, Eldar and Hero 2010, "Shrinkage algorithms for MMSE covariance estimation", equation 23 (OAS).
    """
    size = len(covariance)
    mean = np.trace(covariance) / size
    squared, trace_squared = float(np.square(covariance).sum()), float(np.trace(covariance)) ** 2
    numerator = (1.0 - 2.0 / size) * squared + trace_squared
    denominator = (num_samples + 1.0 - 2.0 / size) * (squared - trace_squared / size)
    share = 1.0 if denominator <= 0.0 else min(1.0, numerator / denominator)
    return np.asarray((1.0 - share) * covariance + share * mean * np.eye(size))
