"""The U-Net: what each level hears and when, against the definition written out; cut anywhere it is the same."""

import math
import random

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from after.diffusion.unet import UNetDenoiser

NUM_LATENTS, TIMBRE_SIZE = 4, 3


def fresh(widths: tuple[int, ...] = (6, 8, 10), **changed: int) -> UNetDenoiser:
    torch.manual_seed(0)
    sizes = {"kernel_size": 3, "expansion": 2, "num_heads": 2} | changed
    blocks = (1, 2, 1)[: len(widths)]
    return UNetDenoiser(NUM_LATENTS, TIMBRE_SIZE, widths=widths, blocks=blocks, **sizes).eval().double()


def trained(widths: tuple[int, ...] = (6, 8, 10), **changed: int) -> UNetDenoiser:
    """A denoiser whose zero-initialised layers say something, as after some training."""
    denoiser = fresh(widths, **changed)
    for parameter in denoiser.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.3)
    return denoiser


def inputs(
    denoiser: UNetDenoiser, num_frames: int = 21, batch_size: int = 2, timbre_frames: int = 1, seed: int = 0
) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    return {
        "x_t": normal(batch_size, num_frames, NUM_LATENTS),
        "t": torch.sigmoid(normal(batch_size)),
        "structure": normal(batch_size, num_frames, denoiser.project_in.out_features),
        "timbre": normal(batch_size, timbre_frames, TIMBRE_SIZE),
    }


@torch.no_grad()
def stepped(denoiser: UNetDenoiser, given: dict[str, Tensor], sizes: list[int]) -> Tensor:
    state, outputs, start = denoiser.init_state(given["x_t"].size(0)), [], 0
    for size in sizes:
        frames = slice(start, start + size)
        timbre = given["timbre"] if given["timbre"].size(1) == 1 else given["timbre"][:, frames]
        y, state = denoiser.step(given["x_t"][:, frames], given["t"], given["structure"][:, frames], timbre, state)
        assert len(state) == denoiser.num_states
        outputs.append(y)
        start += size
    return torch.cat(outputs, dim=1)


def random_sizes(total: int, seed: int) -> list[int]:
    draw, sizes = random.Random(seed), []
    while sum(sizes) < total:
        sizes.append(min(draw.choice((1, 1, 2, 3, 5)), total - sum(sizes)))
    return sizes


@pytest.mark.parametrize("timbre_frames", [1, 21])
@pytest.mark.parametrize("window", [0, 3])
def test_blocks_of_any_sizes_join_to_the_whole(timbre_frames: int, window: int) -> None:
    denoiser = trained(attention_window=window)
    given = inputs(denoiser, timbre_frames=timbre_frames)
    with torch.no_grad():
        whole = denoiser(**given)
    for sizes in ([1] * 21, [21], *(random_sizes(21, seed) for seed in range(8))):
        torch.testing.assert_close(stepped(denoiser, given, sizes), whole, rtol=0, atol=1e-9)


@torch.no_grad()
def test_two_levels_are_their_definition() -> None:
    """Frame by frame: low frame k is made of 2k and 2k + 1, and frame n hears low frame floor((n + 1) / 2) - 1."""
    denoiser = trained((6, 8))
    given, level = inputs(denoiser, timbre_frames=21), denoiser.levels
    modulation = denoiser.modulation(given["t"], given["timbre"])
    own, lower = modulation[..., :18], modulation[..., 18:]
    x = denoiser.project_in(given["x_t"]) + given["structure"]
    x, _ = level.descent.step(x, own, level.descent.init_state(2))
    low = [
        level.lower_x(x[:, 2 * k : 2 * k + 2].flatten(1))
        + level.lower_structure(given["structure"][:, 2 * k : 2 * k + 2].flatten(1))
        for k in range(10)
    ]
    below = level.below.blocks
    low_y, _ = below.step(torch.stack(low, dim=1), lower[:, 1::2], below.init_state(2))
    heard = torch.zeros_like(x)
    for n in range(1, 21):
        said = level.raise_x(low_y[:, math.floor((n + 1) / 2) - 1])
        heard[:, n] = said[:, :6] if n % 2 else said[:, 6:]
    y, _ = level.ascent.step(x + heard, own, level.ascent.init_state(2))
    expected = denoiser.project_out(denoiser.norm(y))
    torch.testing.assert_close(denoiser(**given), expected, rtol=0, atol=1e-10)


@torch.no_grad()
@pytest.mark.parametrize("name", ["x_t", "structure"])
def test_a_frame_is_heard_from_itself_on_and_far_beyond(name: str) -> None:
    denoiser = trained()
    given = inputs(denoiser)
    for frame in range(8):
        changed = given[name].clone()
        changed[:, frame] += 1.0
        moved = (denoiser(**given) - denoiser(**{**given, name: changed})).abs().amax(dim=(0, 2)) > 1e-12
        first, last = moved.nonzero()[0].item(), moved.nonzero()[-1].item()
        assert first == frame
        assert last > frame + 10  # four blocks of three taps at the top alone reach eight frames


@torch.no_grad()
def test_lower_levels_run_at_every_second_and_every_fourth_frame_only() -> None:
    denoiser = trained()
    given = inputs(denoiser, batch_size=1)
    top = denoiser.levels
    count = top.num_states - top.below.num_states
    last = top.below.num_states - top.below.below.num_states + count
    state = denoiser.init_state(1)
    for n in range(8):
        before = state
        x_t, structure = (given[name][:, n : n + 1] for name in ("x_t", "structure"))
        _, state = denoiser.step(x_t, given["t"], structure, given["timbre"], state)
        moved = [not torch.equal(a, b) for a, b in zip(before[1:], state[1:], strict=True)]
        assert all(moved[: top.num_descent])
        assert any(moved[count:last]) is (n % 2 == 1)
        assert any(moved[last:]) is (n % 4 == 3)
        assert state[0].item() == (n + 1) % 4


def test_a_fresh_network_predicts_zero_and_passes_on_what_it_is_given() -> None:
    denoiser = fresh((6,))
    given = inputs(denoiser)
    assert not denoiser(**given).any()
    nn.init.normal_(denoiser.project_out.weight)
    expected = denoiser.project_out(F.layer_norm(denoiser.project_in(given["x_t"]) + given["structure"], [6]))
    torch.testing.assert_close(denoiser(**given), expected)


@torch.no_grad()
def test_every_condition_counts() -> None:
    denoiser = trained()
    given, other = inputs(denoiser), inputs(denoiser, seed=1)
    for name in given:
        assert not torch.allclose(denoiser(**{**given, name: other[name]}), denoiser(**given)), name


@pytest.mark.parametrize("window", [0, 3])
def test_every_weight_learns(window: int) -> None:
    denoiser = trained(attention_window=window)
    denoiser(**inputs(denoiser)).square().sum().backward()
    assert [name for name, p in denoiser.named_parameters() if p.grad is None or not p.grad.abs().any()] == []
