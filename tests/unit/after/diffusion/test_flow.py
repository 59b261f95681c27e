"""The straight path: endpoints, its time distribution against scipy, and Euler steps along exactly known flows."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats

from after.diffusion.flow import draw_times, flow_loss, interpolate


def pair(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(3, 7, 4, generator=generator), torch.randn(3, 7, 4, generator=generator)


def test_the_path_leads_from_noise_to_data_in_a_straight_line() -> None:
    noise, data = pair()
    assert torch.equal(interpolate(noise, data, torch.zeros(3)), noise)
    assert torch.equal(interpolate(noise, data, torch.ones(3)), data)
    x_t = interpolate(noise, data, torch.tensor([0.0, 0.25, 1.0]))
    assert torch.equal(x_t[0], noise[0])
    torch.testing.assert_close(x_t[1], 0.75 * noise[1] + 0.25 * data[1])
    assert torch.equal(x_t[2], data[2])


def test_the_loss_is_the_squared_error_against_the_paths_slope() -> None:
    noise, data = pair()
    h = 0.5
    slope = (interpolate(noise, data, torch.full((3,), h)) - noise) / h
    assert flow_loss(slope, noise, data).item() == pytest.approx(0.0, abs=1e-10)
    assert flow_loss(slope + 0.5, noise, data).item() == pytest.approx(0.25, rel=1e-5)
    assert flow_loss((slope + 0.5).bfloat16(), noise, data).dtype == torch.float32


def test_times_are_logit_normal() -> None:
    generator = torch.Generator().manual_seed(0)
    # one time of each batch: the strata of a batch are not independent of each other
    times = torch.cat([draw_times(8, generator=generator)[k % 8][None] for k in range(2000)]).double().numpy()
    assert 0 < times.min() < times.max() < 1
    assert stats.kstest(np.log(times / (1 - times)), "norm").pvalue > 0.01


@pytest.mark.parametrize("batch_size", [1, 2, 32, 257])
def test_every_batch_has_one_time_in_each_stratum(batch_size: int) -> None:
    generator = torch.Generator().manual_seed(3)
    for _ in range(5):
        times = draw_times(batch_size, generator=generator).double().numpy()
        probability = stats.norm.cdf(np.log(times / (1 - times)))
        np.testing.assert_allclose(np.floor(probability * batch_size + 1e-4), np.arange(batch_size))
        np.testing.assert_allclose(np.diff(probability), 1 / batch_size, atol=1e-4)


def test_times_come_from_the_generator_alone() -> None:
    first, again = (draw_times(4, generator=torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, draw_times(4, generator=torch.Generator().manual_seed(6)))


@pytest.mark.parametrize("num_steps", [1, 4, 7])
def test_euler_steps_along_the_flow_of_a_pair_end_at_the_data(num_steps: int) -> None:
    noise, data = pair()
    x, grid = noise, np.linspace(0.0, 1.0, num_steps + 1).tolist()
    for t, following in itertools.pairwise(grid):
        x = x + (following - t) * (data - noise)
    torch.testing.assert_close(x, data)


def test_euler_steps_along_a_gaussians_flow_give_the_gaussian() -> None:
    """For data N(m, s^2) the flow E[data - noise | x_t] is linear in x_t, and it carries quantiles to quantiles."""
    m, s = 1.5, 0.4
    noise = np.linspace(-3, 3, 25)
    x, grid = noise.copy(), np.linspace(0.0, 1.0, 2001).tolist()
    for t, following in itertools.pairwise(grid):
        slope = (t * s**2 - (1 - t)) / ((1 - t) ** 2 + (t * s) ** 2)
        x = x + (following - t) * (m + slope * (x - t * m))
    np.testing.assert_allclose(x, m + s * noise, atol=5e-3)


def test_least_squares_finds_that_flow() -> None:
    """What the loss is minimised by at one time is the conditional mean: its slope against the closed form."""
    m, s, t = 1.5, 0.4, 0.6
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1, 200_000, 1, generator=generator)
    data = m + s * torch.randn(1, 200_000, 1, generator=generator)
    x_t = interpolate(noise, data, torch.tensor([t]))
    slope, intercept, *_ = stats.linregress(x_t.flatten().numpy(), (data - noise).flatten().numpy())
    expected = (t * s**2 - (1 - t)) / ((1 - t) ** 2 + (t * s) ** 2)
    assert slope == pytest.approx(expected, abs=0.02)
    assert intercept == pytest.approx(m - expected * t * m, abs=0.02)
    best = flow_loss(intercept + slope * x_t, noise, data).item()
    assert best < flow_loss(intercept + 0.05 + slope * x_t, noise, data).item()
    assert math.isfinite(best)
