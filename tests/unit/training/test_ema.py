import pytest
import torch
from torch import nn

from after.checkpoint import load_into
from after.errors import CheckpointError, ConfigError
from after.training.ema import Ema


def test_average_equals_the_closed_form() -> None:
    module = nn.Linear(1, 1, bias=False, dtype=torch.float64)
    values = [float(v) for v in torch.linspace(-1, 2, 6)]
    module.weight.data.fill_(values[0])
    ema = Ema(module, decay=0.8, warmup=0)
    for iteration, value in enumerate(values[1:], start=1):
        module.weight.data.fill_(value)
        ema.update(iteration)
    n = len(values) - 1
    expected = 0.8**n * values[0] + sum(0.2 * 0.8 ** (n - i) * values[i] for i in range(1, n + 1))
    assert ema.state_dict()["weight"].item() == pytest.approx(expected, abs=1e-12)


def test_warmup_shortens_the_memory_at_first() -> None:
    ema = Ema(nn.Linear(1, 1), decay=0.99, warmup=10)
    assert ema.decay_at(1) == pytest.approx(2 / 11)
    assert ema.decay_at(100_000) == 0.99
    assert Ema(nn.Linear(1, 1), decay=0.99, warmup=0).decay_at(1) == 0.99


def test_buffers_are_copied_not_averaged() -> None:
    module = nn.BatchNorm1d(2)
    ema = Ema(module, decay=0.9)
    module(torch.randn(8, 2))
    ema.update(1)
    assert torch.equal(ema.state_dict()["running_mean"], module.running_mean)
    assert ema.state_dict()["num_batches_tracked"].item() == 1


def test_applied_swaps_and_restores_even_after_an_error() -> None:
    module = nn.Linear(2, 2)
    ema = Ema(module, decay=0.5, warmup=0)
    averaged = module.weight.detach().clone()
    parameter = module.weight
    with torch.no_grad():
        module.weight.add_(1)
    trained = module.weight.detach().clone()

    def evaluate() -> None:
        with ema.applied():
            assert torch.equal(module.weight, averaged)
            raise KeyError

    with pytest.raises(KeyError):
        evaluate()
    assert torch.equal(module.weight, trained)
    assert module.weight is parameter


def test_state_fits_the_module_and_another_average() -> None:
    module, other = nn.Linear(2, 2), nn.Linear(2, 2)
    ema, other_ema = Ema(module), Ema(other)
    load_into(other, ema.state_dict())
    assert torch.equal(other.weight, module.weight)
    other_ema.load(ema.state_dict())
    assert torch.equal(other_ema.shadow["weight"], module.weight)
    with pytest.raises(CheckpointError, match="another model"):
        Ema(nn.Linear(2, 3)).load(ema.state_dict())


@pytest.mark.parametrize(("decay", "warmup"), [(1.0, 0), (-0.1, 0), (0.9, -1)])
def test_ranges_are_checked(decay: float, warmup: int) -> None:
    with pytest.raises(ConfigError):
        Ema(nn.Linear(1, 1), decay=decay, warmup=warmup)
