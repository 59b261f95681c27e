import numpy as np
import pytest
import torch
from torch import nn

from after.errors import ConfigError
from after.training.optim import Schedule, build_adamw, clip_gradients, learning_rate, set_learning_rate

SCHEDULE = Schedule(learning_rate=2.0, iterations=110, warmup_iterations=10, final_ratio=0.1)


def test_schedule_warms_up_then_follows_a_cosine() -> None:
    rates = [learning_rate(i, SCHEDULE) for i in range(130)]
    np.testing.assert_allclose(rates[:10], 2.0 * np.arange(1, 11) / 10)
    assert rates[10] == 2.0
    assert rates[60] == pytest.approx(2.0 * (0.1 + 0.9 * 0.5))
    assert rates[110:] == pytest.approx([0.2] * 20)
    assert np.all(np.diff(rates[10:111]) < 0)


def test_schedule_without_warmup_starts_at_the_peak() -> None:
    assert learning_rate(0, Schedule(learning_rate=1.0, iterations=1)) == 1.0


@pytest.mark.parametrize(
    "wrong",
    [{"learning_rate": 0.0}, {"final_ratio": 1.5}, {"iterations": 0}, {"warmup_iterations": -1}],
)
def test_schedule_ranges(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError):
        Schedule(**({"learning_rate": 1.0, "iterations": 5} | wrong))


def test_only_matrices_decay() -> None:
    module = nn.Sequential(nn.Conv1d(2, 3, 3), nn.LayerNorm(4))
    optimizer = build_adamw(module, learning_rate=0.1, weight_decay=0.5)
    decayed = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert [decayed[id(p)] for p in module.parameters()] == [0.5, 0.0, 0.0, 0.0]


def test_frozen_and_shared_parameters() -> None:
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.weight = first.weight
    first.bias.requires_grad_(False)
    optimizer = build_adamw(first, second, learning_rate=0.1)
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 2
    with pytest.raises(ConfigError, match="nothing to train in Linear"):
        build_adamw(first.requires_grad_(False), learning_rate=0.1)


def test_one_update_equals_the_equations() -> None:
    module = nn.Linear(1, 1, bias=False)
    module.weight.data.fill_(1.0)
    optimizer = build_adamw(module, learning_rate=0.5, weight_decay=0.1)
    set_learning_rate(optimizer, 0.01)
    module(torch.ones(1, 1)).sum().backward()
    optimizer.step()
    # Decoupled decay, then a first Adam step of size lr * sign(gradient).
    assert module.weight.item() == pytest.approx(1.0 * (1 - 0.01 * 0.1) - 0.01, abs=1e-6)


def test_clipping_returns_the_norm_before() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    parameter.grad = torch.tensor([3.0, 4.0])
    assert clip_gradients([parameter], 1.0).item() == 5.0
    assert parameter.grad.norm().item() == pytest.approx(1.0, abs=1e-5)
