"""Samplers against the exact solution: for normal data both the best network and the end of the path are known."""

import itertools

import pytest
import torch
from torch import Tensor

from after.diffusion.build import build_sampler
from after.diffusion.samplers import SAMPLERS, Sampler, evaluated_step, num_evaluations
from after.settings import ObjectiveSettings, SamplerSettings
from tests.unit.after.diffusion.gaussian import KINDS, best_prediction, exact_end, objective_of

CPU = torch.device("cpu")
NOISE = torch.linspace(-3, 3, 25, dtype=torch.float64).reshape(1, -1, 1)


def sampler_of(kind: str, sampler: str, schedule: str = "own", **changed: float) -> Sampler:
    return Sampler(objective_of(kind, **changed), kind=sampler, schedule=schedule)


def walk(sampler: Sampler, num_steps: int, noise: Tensor = NOISE) -> Tensor:
    """Walk the path with the best of all networks."""
    times = sampler.times(num_steps, CPU)
    x, held = sampler.begin(noise, times), []
    for k in range(sampler.num_evaluations(num_steps)):
        t = times[evaluated_step(sampler.kind, k)]
        x, held = sampler.update(k, x, best_prediction(sampler.objective, x, t), times, held)
    assert held == []
    return x


def error(sampler: Sampler, num_steps: int) -> float:
    begin = sampler.begin(NOISE, sampler.times(num_steps, CPU))
    return (walk(sampler, num_steps) - exact_end(sampler.objective, begin)).abs().max().item()


@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("ddim", 1), ("heun", 2)])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("schedule", ["own", "cosine"])
def test_samplers_converge_to_the_exact_solution_in_their_order(
    kind: str, name: str, order: int, schedule: str
) -> None:
    sampler = sampler_of(kind, name, schedule, sigma_min=1e-4, sigma_max=10.0)
    errors = [error(sampler, num_steps) for num_steps in (64, 128, 256)]
    assert errors[-1] < (0.04 if order == 1 else 2e-3)
    for coarse, fine in itertools.pairwise(errors):
        assert coarse / fine == pytest.approx(2**order, rel=0.25)


@pytest.mark.parametrize("kind", KINDS)
def test_two_evaluations_per_step_pay(kind: str) -> None:
    """At the same number of calls of the network, the second order is nearer than the first."""
    heun, euler = (sampler_of(kind, name, sigma_max=10.0) for name in ("heun", "euler"))
    assert error(heun, 32) < 0.5 * error(euler, 63)


@pytest.mark.parametrize("kind", ["flow", "edm"])
@pytest.mark.parametrize("num_steps", [1, 3, 8])
def test_on_a_straight_path_ddim_is_euler(kind: str, num_steps: int) -> None:
    torch.testing.assert_close(walk(sampler_of(kind, "ddim"), num_steps), walk(sampler_of(kind, "euler"), num_steps))
    curved = [walk(sampler_of("epsilon", name), num_steps) for name in ("ddim", "euler")]
    assert not torch.allclose(*curved, atol=1e-3)


def test_heun_of_edm_is_the_papers_algorithm() -> None:
    """Algorithm 1 without churn, written out in sigma."""
    sampler, num_steps = sampler_of("edm", "heun"), 5
    objective = sampler.objective
    sigmas = objective.sigma(sampler.times(num_steps, CPU)).tolist()

    def denoise(x: Tensor, sigma: float) -> Tensor:
        return 1.5 + 0.4**2 / (0.4**2 + sigma**2) * (x - 1.5)

    x = sigmas[0] * NOISE
    for sigma, following in itertools.pairwise(sigmas):
        d = (x - denoise(x, sigma)) / sigma
        ahead = x + (following - sigma) * d
        if following > 1e-9:
            d_ahead = (ahead - denoise(ahead, following)) / following
            ahead = x + (following - sigma) * (d + d_ahead) / 2
        x = ahead
    torch.testing.assert_close(walk(sampler, num_steps), x, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["ddim", "heun"])
@pytest.mark.parametrize("num_steps", [1, 4])
def test_an_estimate_of_one_datum_is_landed_on(kind: str, name: str, num_steps: int) -> None:
    """A network that knows the data at all times: the walk ends on them, whatever it began from."""
    sampler, data = sampler_of(kind, name), torch.full((1, 1, 1), 0.7, dtype=torch.float64)
    times = sampler.times(num_steps, CPU)
    x, held = sampler.begin(torch.full_like(data, 1.3), times), []
    for k in range(sampler.num_evaluations(num_steps)):
        t = times[evaluated_step(name, k)]
        noise = (x - sampler.objective.alpha(t) * data) / sampler.objective.sigma(t)
        x, held = sampler.update(k, x, sampler.objective.target(data, noise, t), times, held)
    torch.testing.assert_close(x, data)


@pytest.mark.parametrize("num_steps", [1, 2, 5])
def test_evaluations_are_counted_and_placed(num_steps: int) -> None:
    assert [num_evaluations(name, num_steps) for name in SAMPLERS] == [num_steps, num_steps, 2 * num_steps - 1]
    places = [evaluated_step("heun", k) for k in range(num_evaluations("heun", num_steps))]
    assert places == [0, *(step for step in range(1, num_steps) for _ in range(2))]
    sampler = sampler_of("flow", "heun")
    times = sampler.times(num_steps, CPU)
    torch.testing.assert_close(sampler.evaluated_times(times), times[places])


def test_each_objective_has_its_own_sampler() -> None:
    chosen = {kind: build_sampler(ObjectiveSettings(kind=kind), SamplerSettings()).kind for kind in KINDS}
    assert chosen == {"flow": "euler", "epsilon": "ddim", "edm": "ddim"}
    assert build_sampler(ObjectiveSettings(), SamplerSettings(kind="heun")).kind == "heun"
    assert len(build_sampler(ObjectiveSettings(kind="edm"), SamplerSettings()).state_dict()) == 0
