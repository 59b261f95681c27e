"""Objectives: paths and their derivatives, estimates from predictions, what the loss teaches; times against scipy."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from after.diffusion.edm import Edm
from after.diffusion.epsilon import FIRST_ANGLE
from after.diffusion.objective import cosine_times, draw_path_times, per_item, uniform_times
from tests.unit.after.diffusion.gaussian import DEVIATION, KINDS, MEAN, best_prediction, objective_of

CPU = torch.device("cpu")
TIMES = torch.tensor([0.03, 0.4, 0.97], dtype=torch.float64)


def pair(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(3, 7, 4, generator=generator, dtype=torch.float64) for _ in range(2))


def test_paths_are_what_their_papers_say() -> None:
    t = TIMES
    flow, epsilon, edm = (objective_of(kind, sigma_max=80.0) for kind in KINDS)
    torch.testing.assert_close((flow.alpha(t), flow.sigma(t)), (t, 1 - t))
    angle = FIRST_ANGLE + t * (math.pi / 2 - FIRST_ANGLE)
    torch.testing.assert_close((epsilon.alpha(t), epsilon.sigma(t)), (angle.sin(), angle.cos()))
    torch.testing.assert_close((edm.alpha(t), edm.sigma(t)), (torch.ones_like(t), 80 * (1 - t)))


@pytest.mark.parametrize("kind", KINDS)
def test_a_path_leads_from_noise_to_data(kind: str) -> None:
    objective, (data, noise) = objective_of(kind), pair()
    ends = torch.tensor([[0.0] * 3, [1.0] * 3], dtype=torch.float64)
    torch.testing.assert_close(objective.mix(data, noise, ends[1]), data)
    begin = objective.mix(data, noise, ends[0]) / objective.sigma(ends[0])[0]
    assert (begin - noise).abs().max() < 0.11 * data.abs().max()


@pytest.mark.parametrize("kind", KINDS)
def test_rates_are_the_derivatives_of_the_path(kind: str) -> None:
    objective, t = objective_of(kind), TIMES.clone().requires_grad_()
    for path, rate in ((objective.alpha, objective.alpha_rate), (objective.sigma, objective.sigma_rate)):
        value = path(t)
        derivative = torch.autograd.grad(value.sum(), t)[0] if value.requires_grad else torch.zeros_like(t)
        torch.testing.assert_close(rate(t).detach(), derivative)
    data, noise = pair()
    h = 1e-6
    secant = (objective.mix(data, noise, TIMES + h) - objective.mix(data, noise, TIMES - h)) / (2 * h)
    torch.testing.assert_close(objective.slope(data, noise, TIMES), secant, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_perfect_prediction_tells_data_and_noise(kind: str) -> None:
    objective, (data, noise) = objective_of(kind), pair()
    x_t = objective.mix(data, noise, TIMES)
    prediction = objective.target(data, noise, TIMES)
    found = objective.estimates(x_t, prediction, TIMES)
    torch.testing.assert_close(found, (data, noise), rtol=1e-8, atol=1e-8)
    assert objective.loss(prediction, data, noise, TIMES).item() == pytest.approx(0.0, abs=1e-10)
    one = objective.estimates(x_t[:1], prediction[:1], TIMES[0])  # a scalar time, as samplers use
    torch.testing.assert_close(one, (data[:1], noise[:1]), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_any_prediction_gives_estimates_that_mix_to_the_input(kind: str) -> None:
    """The two ends always belong to the point they were told from, however wrong the network is."""
    objective, (x_t, prediction) = objective_of(kind), pair()
    data, noise = objective.estimates(x_t, prediction, TIMES)
    torch.testing.assert_close(objective.mix(data, noise, TIMES), x_t)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("t", [0.0, 1e-4, 0.9999])
def test_estimates_stay_finite_and_errors_bounded_at_both_ends(kind: str, t: float) -> None:
    objective, time = objective_of(kind), torch.tensor(t)
    x_t = objective.sigma(time) * torch.ones(1, 1, 1)
    exact, wrong = (objective.estimates(x_t, torch.full((1, 1, 1), error), time) for error in (0.0, 1.0))
    for estimate, moved in zip(exact, wrong, strict=True):
        assert (moved - estimate).abs().item() <= 10.1


@pytest.mark.parametrize("kind", KINDS)
def test_the_network_is_fed_and_asked_for_about_unit_variance(kind: str) -> None:
    """Of data with unit variance; the flow alone asks for up to 2, and is fed down to a half."""
    objective = objective_of(kind)
    generator = torch.Generator().manual_seed(0)
    data, noise = (torch.randn(3, 20_000, 1, generator=generator, dtype=torch.float64) for _ in range(2))
    fed = per_item(objective.scale(TIMES), data) * objective.mix(data, noise, TIMES)
    asked = objective.target(data, noise, TIMES)
    low, high = (0.48, 2.05) if kind == "flow" else (0.96, 1.04)
    for values in (fed, asked):
        assert low < values.var(dim=(1, 2)).min() <= values.var(dim=(1, 2)).max() < high


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("t", [0.3, 0.8])
def test_least_squares_finds_the_best_denoiser(kind: str, t: float) -> None:
    """What the loss is minimised by at one time is the conditional mean: a fitted line against the closed form."""
    objective, time = objective_of(kind, sigma_max=5.0), torch.tensor([t], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 200_000, 1, generator=generator, dtype=torch.float64)
    data = MEAN + DEVIATION * torch.randn(1, 200_000, 1, generator=generator, dtype=torch.float64)
    x_t = objective.mix(data, noise, time)
    target = objective.target(data, noise, time)
    slope, intercept, *_ = stats.linregress(x_t.flatten().numpy(), target.flatten().numpy())
    torch.testing.assert_close(intercept + slope * x_t, best_prediction(objective, x_t, time), rtol=0.02, atol=0.02)
    best = objective.loss(intercept + slope * x_t, data, noise, time).item()
    assert best < objective.loss(intercept + 0.05 + slope * x_t, data, noise, time).item()


def test_losses_are_mean_squares_in_float32() -> None:
    data, noise = pair()
    for kind in ("flow", "epsilon"):
        objective = objective_of(kind)
        wrong = objective.target(data, noise, TIMES) + 0.5
        assert objective.loss(wrong, data, noise, TIMES).item() == pytest.approx(0.25, rel=1e-5)
        assert objective.loss(wrong.bfloat16(), data.float(), noise.float(), TIMES).dtype == torch.float32


def test_the_edm_loss_is_the_papers() -> None:
    """E lambda(sigma) |D(x; sigma) - data|^2, equations 2 and 8, with D from table 1 written out."""
    objective, (data, noise) = objective_of("edm", sigma_max=80.0), pair()
    prediction = torch.randn(3, 7, 4, dtype=torch.float64)
    sigma = 80 * (1 - TIMES)[:, None, None]
    x = data + sigma * noise
    denoised = x / (sigma**2 + 1) + sigma / (sigma**2 + 1) ** 0.5 * prediction
    expected = ((sigma**2 + 1) / sigma**2 * (denoised - data) ** 2).mean()
    torch.testing.assert_close(objective.loss(prediction, data, noise, TIMES), expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(objective.weight(TIMES), torch.ones(3, dtype=torch.float64))
    torch.testing.assert_close(objective.network_time(TIMES), sigma.flatten().log() / 4)


def test_a_network_that_says_nothing_gets_the_same_loss_at_any_noise_level() -> None:
    """EDM's point: with F = 0 the weighed error is 1 for data of unit variance, whatever sigma."""
    objective, generator = objective_of("edm"), torch.Generator().manual_seed(0)
    for t in (0.0, 0.9, 0.999):
        data, noise = (torch.randn(1, 50_000, 1, generator=generator) for _ in range(2))
        loss = objective.loss(torch.zeros_like(data), data, noise, torch.tensor([t], dtype=torch.float64))
        assert loss.item() == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("distribution", ["logit_normal", "uniform"])
def test_times_follow_their_distribution(distribution: str) -> None:
    generator = torch.Generator().manual_seed(0)
    # one time of each batch: the strata of a batch are not independent of each other
    times = torch.stack([draw_path_times(distribution, 8, generator)[k % 8] for k in range(2000)]).double().numpy()
    assert 0 <= times.min() < times.max() < 1
    if distribution == "uniform":
        assert stats.kstest(times, "uniform").pvalue > 0.01
    else:
        assert stats.kstest(np.log(times / (1 - times)), "norm").pvalue > 0.01


def test_noise_levels_are_log_normal() -> None:
    objective, generator = objective_of("edm", p_mean=-0.7, p_std=0.9), torch.Generator().manual_seed(0)
    times = torch.stack([objective.draw_times(8, generator)[k % 8] for k in range(2000)])
    assert times.dtype == torch.float64
    levels = objective.sigma(times).log().numpy()
    assert stats.kstest((levels + 0.7) / 0.9, "norm").pvalue > 0.01


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_size", [1, 2, 32, 257])
def test_every_batch_has_one_time_in_each_stratum(kind: str, batch_size: int) -> None:
    objective, generator = objective_of(kind), torch.Generator().manual_seed(3)
    for _ in range(5):
        times = objective.draw_times(batch_size, generator).double()
        if isinstance(objective, Edm):
            probability = stats.norm.cdf((objective.sigma(times).log() + 0.5) / 1.2)
        else:
            odds = np.log(times / (1 - times)) if kind == "flow" else stats.norm.ppf(times)
            probability = stats.norm.cdf(odds)
        np.testing.assert_allclose(np.floor(probability * batch_size + 1e-4), np.arange(batch_size))
        np.testing.assert_allclose(np.diff(probability), 1 / batch_size, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_times_come_from_the_generator_alone(kind: str) -> None:
    objective = objective_of(kind)
    first, again = (objective.draw_times(4, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, objective.draw_times(4, torch.Generator().manual_seed(6)))


@pytest.mark.parametrize("num_steps", [1, 2, 7])
def test_schedules_go_from_noise_to_data(num_steps: int) -> None:
    for times in (uniform_times(num_steps, CPU), cosine_times(num_steps, CPU),
                  *(objective_of(kind).own_times(num_steps, CPU) for kind in KINDS)):  # fmt: skip
        assert times.dtype == torch.float64
        assert times.shape == (num_steps + 1,)
        assert (times[0].item(), times[-1].item()) == pytest.approx((0.0, 1.0), abs=1e-12)
        assert bool((times.diff() > 0).all())
    np.testing.assert_allclose(cosine_times(4, CPU), 0.5 - 0.5 * np.cos(np.pi * np.arange(5) / 4))


def test_the_rho_schedule_is_equation_5() -> None:
    objective = objective_of("edm", sigma_min=0.01, sigma_max=10.0, rho=3.0)
    levels = [(10 ** (1 / 3) + i / 4 * (0.01 ** (1 / 3) - 10 ** (1 / 3))) ** 3 for i in range(5)]
    np.testing.assert_allclose(objective.sigma(objective.own_times(5, CPU)), [*levels, 0.0], rtol=1e-9, atol=1e-12)


def test_the_level_weight_counts_the_first_latent_alone() -> None:
    generator = torch.Generator().manual_seed(4)
    data, noise, prediction = (torch.randn(3, 5, 4, generator=generator) for _ in range(3))
    flow = objective_of("flow")
    t = torch.full((3,), 0.4)
    error = (prediction - (data - noise)).square()
    weights = torch.tensor([7.0, 1.0, 1.0, 1.0])
    torch.testing.assert_close(flow.loss(prediction, data, noise, t, 7.0), (weights * error).mean())
    torch.testing.assert_close(flow.loss(prediction, data, noise, t), error.mean())
