"""How well a flat map keeps what is alike together, and gives it back."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_NEIGHBOURS = 10
_CELLS = 10

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, slots=True)
class MapQuality:
    """Figures of a fitted map; None where there are too few excerpts to tell.

    Attributes:
        num_excerpts: laid out.
        num_neighbours: k of the figures below.
        trustworthiness: 1 where the k nearest on the map are near as timbres, about 0.5 by chance.
        continuity: 1 where the k nearest timbres are near on the map.
        timbre_purity: share of an excerpt's k nearest timbres that are of its own group.
        map_purity: share of its k nearest on the map; a map that loses nothing has the same.
        reconstruction_error: mean squared error of the timbre at an excerpt's place over the timbres' variance.
        named_error: largest difference in any number of a named timbre from the timbre at its place.
        filling: share of the cells of a 10 x 10 grid that hold an excerpt.
    """

    num_excerpts: int
    num_neighbours: int
    trustworthiness: float | None
    continuity: float | None
    timbre_purity: float | None
    map_purity: float | None
    reconstruction_error: float
    named_error: float
    filling: float


def measure_map(
    *, vectors: Array, labels: NDArray[np.int64], places: Array, rebuilt: Array, named_error: float
) -> MapQuality:
    """Measure a map.

    Args:
        vectors: timbres [N, E] of excerpts.
        labels: the group [N] of each.
        places: theirs on the map, [N, 2].
        rebuilt: the map's timbres [N, E] at these places.
        named_error: see `MapQuality`.

    Source: trustworthiness and continuity by Venna and Kaski 2001, "Neighborhood preservation in nonlinear projection
    methods: an experimental study".
    """
    from sklearn.manifold import trustworthiness

    count = len(vectors)
    neighbours = min(_NEIGHBOURS, (count - 1) // 2)
    variance = float(vectors.var(axis=0).sum())
    error = float(np.square(rebuilt - vectors).sum(axis=1).mean())
    cells = np.unique(np.floor((places + 1) / 2 * _CELLS).clip(0, _CELLS - 1), axis=0)
    return MapQuality(
        num_excerpts=count,
        num_neighbours=neighbours,
        trustworthiness=_rounded(trustworthiness(vectors, places, n_neighbors=neighbours)) if neighbours else None,
        # continuity is trustworthiness seen from the other side
        continuity=_rounded(trustworthiness(places, vectors, n_neighbors=neighbours)) if neighbours else None,
        timbre_purity=_purity(vectors, labels, neighbours) if neighbours else None,
        map_purity=_purity(places, labels, neighbours) if neighbours else None,
        reconstruction_error=_rounded(error / max(variance, 1e-12)) if error > 1e-8 else 0.0,
        named_error=_rounded(named_error),
        filling=_rounded(len(cells) / _CELLS**2),
    )


def _purity(points: Array, labels: NDArray[np.int64], neighbours: int) -> float:
    """Give the share of each point's nearest that bear its label."""
    from scipy.spatial.distance import cdist

    distances = cdist(points, points)
    np.fill_diagonal(distances, np.inf)
    nearest = np.argpartition(distances, neighbours - 1, axis=1)[:, :neighbours]
    return _rounded(float((labels[nearest] == labels[:, None]).mean()))


def _rounded(value: float) -> float:
    return round(float(value), 4)
