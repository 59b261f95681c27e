"""Fit a timbre map: lay the timbres of many excerpts out on a square, then a smooth surface through them."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from after.conditioning.map_quality import MapQuality, measure_map
from after.conditioning.timbre_map import NUM_KNOTS, TimbreMap, spline_basis
from after.errors import DataError

Array = NDArray[np.float64]

MAX_POINTS = 1600
"""Excerpts that are laid out; of larger data the same number of each group."""

_PERPLEXITY = 30.0
_ITERATIONS = 500
_LEAST_POINTS = 8
_EVENNESS = 0.6  # 0 leaves the layout alone, 1 fills the square like a lattice and joins neighbouring groups
_STIFFNESS = 0.1
_NAMED_WEIGHT = 1e4  # of a named timbre against an excerpt: the surface goes through it
_PEAK = 0.999  # tanh never reaches 1


@dataclass(frozen=True, slots=True)
class FittedMap:
    """A map, where the named timbres lie on it, and how good it is."""

    timbre_map: TimbreMap
    positions: Mapping[str, tuple[float, float]]
    quality: MapQuality


def fit_timbre_map(excerpts: Mapping[str, Tensor], timbres: Mapping[str, Tensor], *, seed: int = 0) -> FittedMap:
    """Fit a map to the timbres of groups; the same input gives the same map.

    t-SNE, begun at the principal components, lays excerpts and named timbres out together. Then every point moves part
    of the way to its place in an even filling of the square, and splines are fitted through the points: closely
    through excerpts, as good as exactly through named timbres.

    Args:
        excerpts: vectors [N, E] within +-1 of each group.
        timbres: the vector [E] that each group's name stands for.
        seed: of the layout.

    Raises:
        DataError: if there are no excerpts, names or sizes differ, or a value is not finite.

    Source: van der Maaten and Hinton 2008, "Visualizing data using t-SNE"; Eilers and Marx 1996, "Flexible smoothing
    with B-splines and penalties".
    """
    _check(excerpts, timbres)
    most = max(2, MAX_POINTS // len(timbres))
    groups = [excerpts[name][:most].double().numpy() for name in timbres]
    labels = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
    vectors = np.concatenate(groups)
    named = torch.stack(list(timbres.values())).double().numpy()
    points = np.concatenate([vectors, named])
    places = np.round(_spread(_lay_out(points, seed)), 4)
    importance = np.repeat([1.0, _NAMED_WEIGHT], [len(vectors), len(named)])
    timbre_map = TimbreMap(_fit_surface(places, points, importance))
    here, there = places[: len(vectors)], places[len(vectors) :]
    positions = {name: (float(x), float(y)) for name, (x, y) in zip(timbres, there, strict=True)}
    quality = measure_map(
        vectors=vectors,
        labels=labels,
        places=here,
        rebuilt=_timbres_at(timbre_map, here),
        named_error=float(np.abs(_timbres_at(timbre_map, there) - named).max()),
    )
    return FittedMap(timbre_map, positions, quality)


def _check(excerpts: Mapping[str, Tensor], timbres: Mapping[str, Tensor]) -> None:
    if not timbres or set(excerpts) != set(timbres):
        raise DataError(
            f"a map needs excerpts of each named timbre; there are excerpts of {', '.join(excerpts) or 'nothing'} "
            f"and the names {', '.join(timbres) or 'none'}"
        )
    sizes = {vector.shape[-1] for vector in (*excerpts.values(), *timbres.values())}
    if len(sizes) > 1:
        raise DataError(f"timbres of one map have one size; these have {', '.join(map(str, sorted(sizes)))}")
    for name, vectors in excerpts.items():
        if not len(vectors):
            raise DataError(f"{name} has no excerpts for the map: give one or more")
        if not bool(torch.isfinite(vectors).all() and torch.isfinite(timbres[name]).all()):
            raise DataError(f"timbres of {name} hold values that are not finite: train the model longer")


def _lay_out(points: Array, seed: int) -> Array:
    """Give places [P, 2] of any scale in which points [P, E] keep their neighbours.

    A little noise parts what lies on one line or on one point.
    """
    from sklearn.manifold import TSNE

    centred = points - points.mean(axis=0)
    left, scales, right = np.linalg.svd(np.pad(centred, ((0, 1), (0, 2))), full_matrices=False)
    # a component's sign is arbitrary: its largest coordinate is made positive
    peaks = right[np.arange(2), np.abs(right[:2]).argmax(axis=1)]
    start = left[:-1, :2] * scales[:2] * np.where(peaks < 0, -1.0, 1.0)
    scale = max(float(start[:, 0].std()), 1e-9)
    start = start / scale + 1e-3 * np.random.default_rng(seed).standard_normal(start.shape)
    if len(points) < _LEAST_POINTS:
        return np.asarray(start, dtype=np.float64)
    tsne = TSNE(
        perplexity=min(_PERPLEXITY, (len(points) - 1) / 3),
        init=(1e-4 * start).astype(np.float32),
        max_iter=_ITERATIONS,
        random_state=seed,
        n_jobs=1,
    )
    return np.asarray(tsne.fit_transform(centred), dtype=np.float64)


def _spread(places: Array) -> Array:
    """Move places within +-1, and part of the way towards an even filling of that square.

    Each goes to one point of the filling such that the sum of squared distances is least, which keeps neighbours.
    """
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    low, high = places.min(axis=0), places.max(axis=0)
    places = (places - (low + high) / 2) / np.maximum((high - low) / 2, 1e-12)
    even = _even_filling(len(places))
    rows, columns = linear_sum_assignment(cdist(places, even, "sqeuclidean"))
    target = np.empty_like(even)
    target[rows] = even[columns]
    return (1 - _EVENNESS) * places + _EVENNESS * target


def _even_filling(count: int) -> Array:
    """Give points [count, 2] that fill the square evenly: the additive recurrence of the plastic number's powers."""
    plastic = 1.3247179572447460
    steps = np.arange(count)[:, None] * np.array([1 / plastic, 1 / plastic**2])
    return np.asarray(2 * ((0.5 + steps) % 1.0) - 1, dtype=np.float64)


def _fit_surface(places: Array, points: Array, importance: Array) -> Tensor:
    """Give the weights [K, K, E] of the surface nearest to points [P, E] at places [P, 2].

    Penalised least squares; the penalty on differences of neighbouring weights keeps the surface level where there are
    no points, so that gaps blend what lies around them. As stored: of half precision.
    """
    both = spline_basis(torch.from_numpy(places), NUM_KNOTS)
    design = (both[:, 0, :, None] * both[:, 1, None, :]).flatten(1).numpy()
    difference = np.diff(np.eye(NUM_KNOTS), axis=0)
    one_side = difference.T @ difference
    penalty = np.kron(one_side, np.eye(NUM_KNOTS)) + np.kron(np.eye(NUM_KNOTS), one_side)
    weighted = design.T * importance
    wanted = np.arctanh(np.clip(points, -_PEAK, _PEAK))
    weights = np.linalg.solve(weighted @ design + _STIFFNESS * penalty, weighted @ wanted)
    return torch.from_numpy(weights).reshape(NUM_KNOTS, NUM_KNOTS, -1).half()


@torch.inference_mode()
def _timbres_at(timbre_map: TimbreMap, places: Array) -> Array:
    rebuilt: Array = timbre_map(torch.from_numpy(places).float()).double().numpy()
    return rebuilt
