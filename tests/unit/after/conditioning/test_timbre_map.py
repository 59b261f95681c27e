"""The map of timbres against splines of another library, surfaces that are known, and groups that are known."""

from dataclasses import asdict

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

from after.conditioning.map_fit import fit_timbre_map
from after.conditioning.map_quality import measure_map
from after.conditioning.timbre_map import NUM_KNOTS, TimbreMap, spline_basis
from after.errors import DataError

SIZE = 16


def make_groups(num_groups, num_excerpts, size=SIZE, spread=0.05):
    """Timbres of groups that lie far apart, and the mean of each group."""
    generator = torch.Generator().manual_seed(3)
    centres = torch.rand(num_groups, size, generator=generator) * 1.6 - 0.8
    noise = spread * torch.randn(num_groups, num_excerpts, size, generator=generator)
    excerpts = {f"group {i}": (centres[i] + noise[i]).clamp(-1, 1) for i in range(num_groups)}
    return excerpts, {name: vectors.mean(0) for name, vectors in excerpts.items()}


@pytest.fixture(scope="module")
def groups():
    return make_groups(6, 24)


@pytest.fixture(scope="module")
def fitted(groups):
    return fit_timbre_map(*groups)


@pytest.fixture(scope="module")
def surface():
    """A square that is bent into 16 dimensions: its places, its timbres, and the map fitted to them."""
    generator = torch.Generator().manual_seed(0)
    places = torch.rand(240, 2, generator=generator) * 2 - 1
    x, y = places.T
    bent = torch.stack([x, y, 0.3 * x * y, 0.4 * torch.sin(2 * x), 0.3 * y * y], dim=1)
    timbres = torch.tanh(0.5 * bent @ torch.randn(5, SIZE, generator=generator))
    return places, timbres, fit_timbre_map({"all": timbres}, {"all": timbres.mean(0)})


def trustworthiness(there, here, k):
    """The formula of Venna and Kaski 2001, point by point."""
    count = len(there)
    penalty = 0
    for i in range(count):
        near = np.argsort(((here - here[i]) ** 2).sum(axis=1))[1 : k + 1]
        rank = np.argsort(np.argsort(((there - there[i]) ** 2).sum(axis=1)))  # 0 is the point itself
        penalty += sum(rank[j] - k for j in near if rank[j] > k)
    return 1 - 2 / (count * k * (2 * count - 3 * k - 1)) * penalty


def test_the_basis_is_that_of_uniform_cubic_splines():
    at = np.linspace(-1, 1, 101)
    spacing = 2 / (NUM_KNOTS - 3)
    knots = -1 + spacing * (np.arange(NUM_KNOTS + 4) - 3)
    basis = spline_basis(torch.from_numpy(at), NUM_KNOTS).numpy()
    np.testing.assert_allclose(basis, BSpline(knots, np.eye(NUM_KNOTS), 3)(at), atol=1e-12)
    np.testing.assert_allclose(basis.sum(axis=1), 1, atol=1e-12)


def test_the_map_is_smooth_and_ends_at_its_edge():
    timbre_map = TimbreMap(torch.randn(NUM_KNOTS, NUM_KNOTS, 3, dtype=torch.float64)).double()
    line = torch.linspace(-1, 1, 4001, dtype=torch.float64)
    curvature = timbre_map(torch.stack([line, 0.3 * line], dim=1)).diff(n=2, dim=0)
    assert curvature.diff(dim=0).abs().max() < 0.02 * curvature.abs().max()  # it has no jumps
    outside, edge = torch.tensor([[1.7, -3.0]]), torch.tensor([[1.0, -1.0]])
    assert torch.equal(timbre_map(outside.double()), timbre_map(edge.double()))


def test_torchscript_computes_the_same(fitted):
    scripted = torch.jit.script(fitted.timbre_map)
    places = torch.rand(30, 2) * 2 - 1
    timbres = fitted.timbre_map(places)
    assert torch.allclose(scripted(places), timbres, atol=1e-6)
    assert torch.allclose(scripted.locate(timbres), fitted.timbre_map.locate(timbres), atol=1e-5)


def test_a_place_is_found_by_its_timbre(surface):
    timbre_map = surface[2].timbre_map
    places = torch.rand(40, 2) * 1.6 - 0.8
    assert (timbre_map(timbre_map.locate(timbre_map(places))) - timbre_map(places)).abs().max() < 1e-3
    assert timbre_map.locate(torch.zeros(0, SIZE)).shape == (0, 2)


def test_a_square_that_was_bent_into_16_dimensions_is_flat_again(surface):
    places, timbres, fitted = surface
    found = fitted.timbre_map.locate(timbres)
    assert trustworthiness(places.numpy(), found.numpy(), 10) > 0.97
    assert trustworthiness(found.numpy(), places.numpy(), 10) > 0.97
    # but for rotation, reflection and some stretching, the places are the same
    design = torch.cat([places, torch.ones(len(places), 1)], dim=1)
    predicted = design @ torch.linalg.lstsq(design, found).solution
    assert (found - predicted).square().sum() < 0.15 * (found - found.mean(0)).square().sum()
    assert fitted.quality.trustworthiness > 0.95
    assert fitted.quality.reconstruction_error < 0.05


def test_groups_stay_apart_and_named_timbres_are_met(groups, fitted):
    excerpts, timbres = groups
    names, places = list(fitted.positions), torch.tensor(list(fitted.positions.values()))
    assert names == list(timbres)
    assert places.abs().max() <= 1
    for index, name in enumerate(names):
        at = fitted.timbre_map.locate(excerpts[name])
        assert (torch.cdist(at, places).argmin(dim=1) == index).float().mean() > 0.95
        assert (fitted.timbre_map(places[index : index + 1])[0] - timbres[name]).abs().max() < 3e-3
        assert torch.allclose(fitted.timbre_map.locate(timbres[name][None])[0], places[index], atol=0.02)
    assert fitted.quality.timbre_purity == 1
    assert fitted.quality.map_purity > 0.9
    assert fitted.quality.reconstruction_error < 0.05
    assert fitted.quality.filling > 0.5


def test_between_two_timbres_lies_their_mixture():
    excerpts, timbres = make_groups(2, 12)
    fitted = fit_timbre_map(excerpts, timbres)
    (a, b), (here, there) = timbres.values(), torch.tensor(list(fitted.positions.values()))
    path = fitted.timbre_map(here + torch.linspace(0, 1, 50)[:, None] * (there - here))
    share = ((path - a) @ (b - a)) / (b - a).square().sum()
    assert (share.diff() > -0.1).all()
    assert path.diff(dim=0).norm(dim=1).max() < 0.2 * (b - a).norm()


def test_the_same_excerpts_give_the_same_map(groups, fitted):
    again = fit_timbre_map(*groups)
    assert torch.equal(again.timbre_map.weights, fitted.timbre_map.weights)
    assert again.positions == fitted.positions
    assert again.quality == fitted.quality


@pytest.mark.parametrize("num_groups", [1, 2, 3])
@pytest.mark.parametrize("num_excerpts", [1, 2, 9])
@pytest.mark.parametrize("size", [1, 4])
def test_few_timbres_are_a_map_too(num_groups, num_excerpts, size):
    excerpts, timbres = make_groups(num_groups, num_excerpts, size)
    fitted = fit_timbre_map(excerpts, timbres)
    assert bool(torch.isfinite(fitted.timbre_map.weights).all())
    assert fitted.quality.named_error < 0.01
    assert all(np.isfinite(value) for value in asdict(fitted.quality).values() if value is not None)
    assert len(set(fitted.positions.values())) == num_groups


@pytest.mark.parametrize("count", [3, 40])
def test_timbres_that_are_all_the_same_or_on_a_line_are_laid_out(count):
    same = torch.full((count, 4), 0.25)
    fitted = fit_timbre_map({"a": same}, {"a": same[0]})
    assert (fitted.timbre_map(torch.rand(9, 2) * 2 - 1) - 0.25).abs().max() < 0.01
    line = torch.linspace(-0.9, 0.9, count)[:, None] * torch.ones(4)
    fitted = fit_timbre_map({"a": line}, {"a": line.mean(0)})
    assert fitted.quality.reconstruction_error < 0.1


def test_what_cannot_be_a_map_is_refused():
    excerpts, timbres = make_groups(2, 9)
    with pytest.raises(DataError, match="timbres of group 1 hold values that are not finite"):
        fit_timbre_map(excerpts | {"group 1": torch.full((9, SIZE), torch.nan)}, timbres)
    with pytest.raises(DataError, match="group 0 has no excerpts"):
        fit_timbre_map(excerpts | {"group 0": torch.zeros(0, SIZE)}, timbres)
    with pytest.raises(DataError, match="have one size; these have 4, 16"):
        fit_timbre_map(excerpts | {"group 0": torch.zeros(9, 4)}, timbres)
    with pytest.raises(DataError, match="a map needs excerpts"):
        fit_timbre_map({}, {})


def test_figures_are_those_of_their_formulas():
    generator = np.random.default_rng(0)
    vectors, labels = generator.normal(size=(30, 5)), np.arange(30) % 3
    places = vectors[:, :2] + 0.3 * generator.normal(size=(30, 2))
    figures = measure_map(vectors=vectors, labels=labels, places=places, rebuilt=vectors + 0.5, named_error=0.1)
    assert figures.trustworthiness == pytest.approx(trustworthiness(vectors, places, 10), abs=1e-4)
    assert figures.continuity == pytest.approx(trustworthiness(places, vectors, 10), abs=1e-4)
    assert figures.reconstruction_error == pytest.approx(5 * 0.25 / vectors.var(axis=0).sum(), abs=1e-4)
    for points, purity in ((vectors, figures.timbre_purity), (places, figures.map_purity)):
        nearest = [sorted(range(30), key=lambda j: np.sum((points[i] - points[j]) ** 2))[1:11] for i in range(30)]
        assert purity == pytest.approx(np.mean([labels[near] == labels[i] for i, near in enumerate(nearest)]), abs=1e-4)
