"""Adversarial losses in closed form; a balance that scales, batches and processes do not shift."""

import pytest
import torch
from torch import Tensor

from after.codec.adversarial import Balancer, discriminator_loss, feature_loss, generator_loss
from after.codec.discriminators import Discriminators, Judgement
from after.errors import ConfigError


def judgement(*logits: float, features: tuple[Tensor, ...] = ()) -> Judgement:
    return torch.tensor(logits), list(features)


def test_hinges_are_their_equations() -> None:
    real = [judgement(2.0, 0.5), judgement(-1.0)]
    fake = [judgement(-3.0, 0.5), judgement(1.0)]
    assert discriminator_loss(real, fake).item() == pytest.approx(((0 + 0.5) / 2 + (0 + 1.5) / 2 + 2 + 2) / 2)
    assert generator_loss(fake).item() == pytest.approx(((4 + 0.5) / 2 + 0) / 2)
    assert discriminator_loss([judgement(0.0)], [judgement(0.0)]).item() == 2


def test_a_generator_that_fools_by_the_margin_is_left_alone() -> None:
    logits = torch.tensor([1.5, 3.0], requires_grad=True)
    generator_loss([(logits, [])]).backward()
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_feature_loss_is_relative_to_the_recording() -> None:
    one, two = torch.tensor([1.0, -3.0]), torch.full((3, 2), 10.0)
    real = [judgement(0.0, features=(one, two)), judgement(0.0, features=(one, two))]
    fake = [judgement(0.0, features=(one + 1, two)), judgement(0.0, features=(one, 0 * two))]
    assert feature_loss(real, fake).item() == pytest.approx((2 / 4 + 0 + 0 + 1) / 4)


def test_equal_sounds_have_equal_features() -> None:
    network, audio = Discriminators((256,), (3,), width=4), torch.randn(2, 1, 1024)
    assert feature_loss(network(audio), network(audio.clone())).item() == 0


def test_feature_loss_teaches_the_reconstruction_only() -> None:
    real, fake = torch.randn(2, 3, requires_grad=True), torch.randn(2, 3, requires_grad=True)
    feature_loss([(real, [real])], [(fake, [fake])]).backward()
    assert real.grad is None
    assert fake.grad is not None


def pair(batch_size: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x, target = torch.randn(2, batch_size, 1, 50, generator=generator)
    return x.requires_grad_(), target


def losses_of(x: Tensor, target: Tensor, scale: float = 1.0) -> dict[str, Tensor]:
    return {"square": (x - target).square().mean(), "cube": scale * x.abs().pow(3).mean()}


def own_norm(gradient: Tensor) -> float:
    """The mean norm of the gradients that the items' own losses have."""
    return float(torch.stack([item.norm() for item in gradient]).sum())


def test_shares_are_the_weights_in_closed_form() -> None:
    x, target = pair()
    gradient = Balancer({"square": 3.0, "cube": 1.0})(losses_of(x, target), x)
    expected = torch.zeros_like(x)
    for share, loss in zip((0.75, 0.25), losses_of(x, target).values(), strict=True):
        (own,) = torch.autograd.grad(loss, [x])
        expected += share * own / own_norm(own)
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_scale_of_a_loss_changes_nothing(scale: float) -> None:
    x, target = pair()
    one, other = Balancer({"square": 1.0, "cube": 1.0}), Balancer({"square": 1.0, "cube": 1.0})
    for step in range(3):
        moved = (x + 0.1 * step).detach().requires_grad_()
        expected = one(losses_of(moved, target), moved)
        torch.testing.assert_close(other(losses_of(moved, target, scale), moved), expected)
    assert float(other.norms()["cube"] / one.norms()["cube"]) == pytest.approx(scale, rel=1e-4)


def test_one_backward_is_the_sum_of_scaled_backwards() -> None:
    x, target = pair()
    network = torch.nn.Linear(50, 50)
    balancer = Balancer({"square": 2.0, "cube": 1.0})
    reconstruction = network(x)
    reconstruction.backward(balancer(losses_of(reconstruction, target), reconstruction))
    assert network.weight.grad is not None
    once, network.weight.grad = network.weight.grad, None
    reconstruction = network(x)
    losses, norms = losses_of(reconstruction, target), balancer.norms()
    (2 / 3 * losses["square"] / norms["square"] + 1 / 3 * losses["cube"] / norms["cube"]).backward()
    torch.testing.assert_close(network.weight.grad, once)


def test_losses_may_share_a_graph_and_be_left_out() -> None:
    x, _ = pair()
    shared = x.square()
    gradient = Balancer({"a": 1.0, "b": 1.0, "c": 5.0})({"a": shared.mean(), "b": shared.sum()}, x)
    assert own_norm(gradient) == pytest.approx(1.0)


def test_norms_are_a_running_mean() -> None:
    x, _ = pair()
    balancer = Balancer({"a": 1.0}, decay=0.5)
    unit = own_norm(torch.ones_like(x))
    for scale in (1.0, 3.0, 5.0):
        gradient = balancer({"a": scale * x.sum()}, x)
    mean = (0.25 * 1 + 0.5 * 3 + 5) / 1.75
    assert float(balancer.norms()["a"]) == pytest.approx(mean * unit)
    torch.testing.assert_close(gradient, torch.full_like(x, 5.0 / (mean * unit)))


def test_neither_repeated_items_nor_processes_shift_the_balance() -> None:
    x, target = pair()
    twice = torch.cat([x, x]).detach().requires_grad_()
    gradient = Balancer({"square": 1.0, "cube": 1.0})(losses_of(x, target), x)
    doubled = Balancer({"square": 1.0, "cube": 1.0})(losses_of(twice, torch.cat([target, target])), twice)
    torch.testing.assert_close(doubled, torch.cat([gradient, gradient]) / 2)
    other = Balancer({"square": 1.0, "cube": 1.0}, mean_over_ranks=lambda norm: 2 * norm)
    torch.testing.assert_close(other(losses_of(x, target), x), gradient / 2)


def test_norms_of_levelled_items_do_not_depend_on_their_levels() -> None:
    x, _ = pair()
    gain = torch.tensor([1.0, 10.0, 100.0]).view(3, 1, 1)
    quiet = (x / gain).detach().requires_grad_()
    balancer, levelled = Balancer({"a": 1.0}), Balancer({"a": 1.0})
    expected = balancer({"a": x.square().mean()}, x)
    gradient = levelled({"a": (quiet * gain).square().mean()}, quiet, gain)
    torch.testing.assert_close(levelled.norms()["a"], balancer.norms()["a"])
    torch.testing.assert_close(gradient / gain, expected)


def test_no_gradient_stays_none() -> None:
    x, _ = pair()
    assert (Balancer({"a": 1.0})({"a": (0 * x).sum()}, x) == 0).all()


def test_its_state_travels() -> None:
    x, target = pair()
    first, second = Balancer({"square": 1.0, "cube": 1.0}), Balancer({"square": 1.0, "cube": 1.0})
    first(losses_of(x, target, 7.0), x)
    second.load_state_dict(first.state_dict())
    assert second.norms() == first.norms()
    torch.testing.assert_close(second(losses_of(x, target), x), first(losses_of(x, target), x))


def test_weights_and_decays_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="above 0"):
        Balancer({"a": 1.0, "b": 0.0})
    with pytest.raises(ConfigError, match="within 0 and 1"):
        Balancer({"a": 1.0}, decay=1.0)
