"""The timbre encoder: pooled statistics against a direct sum, a stream that ends where the whole does, bounded."""

import pytest
import torch
from torch import Tensor

from after.conditioning.timbre import TimbreEncoder

NUM_LATENTS, TIMBRE_SIZE = 5, 4


def encoder(kernel_size: int = 3) -> TimbreEncoder:
    torch.manual_seed(1)
    built = TimbreEncoder(NUM_LATENTS, width=12, num_blocks=2, kernel_size=kernel_size, timbre_size=TIMBRE_SIZE)
    return built.eval()


def latents(num_frames: int, batch_size: int = 2, seed: int = 0) -> Tensor:
    return torch.randn(batch_size, num_frames, NUM_LATENTS, generator=torch.Generator().manual_seed(seed))


def accumulate(built: TimbreEncoder, x: Tensor, sizes: list[int], memory: float = 1.0) -> Tensor:
    state = built.init_state(x.size(0))
    for block in x.split(sizes, dim=1):
        state = built.accumulate(block, state, memory)
    return built.conclude(state)


@torch.no_grad()
def direct(built: TimbreEncoder, x: Tensor, memory: float = 1.0) -> Tensor:
    """Attentive statistics as the paper writes them: a softmax over time, then weighted mean and deviation."""
    h = built.features(x).double()
    logits = 5.0 * torch.tanh(built.score(h.float()).double())
    age = torch.arange(x.size(1) - 1, -1, -1, dtype=torch.float64)
    weights = (logits + age[None, :, None] * torch.log(torch.tensor(memory, dtype=torch.float64))).softmax(dim=1)
    mean = (weights * h).sum(1)
    variance = (weights * (h - mean[:, None]).square()).sum(1).clamp_min(1e-5)
    return torch.tanh(built.project(torch.cat([mean, variance.sqrt()], dim=1).float()))


@torch.no_grad()
@pytest.mark.parametrize("num_frames", [1, 2, 65, 300])
def test_it_is_the_papers_pooling(num_frames: int) -> None:
    built, x = encoder(), latents(num_frames)
    torch.testing.assert_close(built(x), direct(built, x), rtol=0, atol=2e-4)


@torch.no_grad()
@pytest.mark.parametrize("memory", [1.0, 0.98, 0.5])
@pytest.mark.parametrize("sizes", [[1] * 60, [60], [7, 1, 32, 20]])
def test_a_stream_ends_where_the_whole_does(sizes: list[int], memory: float) -> None:
    built, x = encoder(), latents(60)
    torch.testing.assert_close(accumulate(built, x, sizes, memory), direct(built, x, memory), rtol=0, atol=2e-4)


@torch.no_grad()
def test_accumulating_leaves_the_state_before_alone() -> None:
    built, x = encoder(), latents(8)
    state = built.init_state(2)
    state = built.accumulate(x[:, :4], state, 1.0)
    kept = [part.clone() for part in state]
    built.accumulate(x[:, 4:], state, 0.9)
    assert all(torch.equal(part, before) for part, before in zip(state, kept, strict=True))


@torch.no_grad()
def test_the_same_sound_for_longer_has_the_same_timbre() -> None:
    built, loop = encoder(), latents(50)
    short, long = built(loop.repeat(1, 4, 1)), built(loop.repeat(1, 40, 1))
    other = built(latents(200, seed=9) + torch.tensor([3.0, -3.0, 1.0, 0.0, 2.0]))
    assert (short - long).abs().max() < 0.005
    assert (short - other).abs().max() > 0.05


@torch.no_grad()
def test_a_short_memory_forgets_what_came_first() -> None:
    built = encoder()
    first, second = latents(200, seed=1) * 3.0, latents(200, seed=2)
    joined = torch.cat([first, second], dim=1)
    faded = accumulate(built, joined, [400], memory=0.9)
    torch.testing.assert_close(faded, accumulate(built, second, [200], memory=0.9), rtol=0, atol=1e-4)
    assert (built(joined) - faded).abs().max() > 0.01


@torch.no_grad()
@pytest.mark.parametrize("level", [0.0, 1.0, 1e3])
def test_it_stays_within_one_whatever_comes_in(level: float) -> None:
    timbre = encoder()(level * latents(20))
    assert timbre.shape == (2, TIMBRE_SIZE)
    assert timbre.abs().max() <= 1.0


@torch.no_grad()
def test_before_any_audio_the_timbre_is_finite() -> None:
    built = encoder()
    assert torch.isfinite(built.conclude(built.init_state(3))).all()


@torch.no_grad()
def test_items_of_a_batch_do_not_mix() -> None:
    built, x = encoder(), latents(30, batch_size=3)
    for index in range(3):
        torch.testing.assert_close(built(x)[index], built(x[index : index + 1])[0], rtol=0, atol=1e-6)


def test_every_weight_learns() -> None:
    built = encoder()
    built(latents(20)).square().sum().backward()
    assert [name for name, p in built.named_parameters() if p.grad is None or not p.grad.abs().any()] == []
