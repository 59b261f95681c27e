"""The denoiser: causal, blind beyond its windows, conditioned frame by frame, and the zero prediction at first."""

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from after.diffusion.denoiser import embed_time
from after.diffusion.transformer import TransformerDenoiser

NUM_LATENTS, TIMBRE_SIZE, WIDTH, LAYERS, WINDOW = 4, 3, 8, 2, 5


def fresh(**changed: int) -> TransformerDenoiser:
    torch.manual_seed(0)
    sizes = {"width": WIDTH, "num_layers": LAYERS, "num_heads": 2, "window": WINDOW, "expansion": 2} | changed
    return TransformerDenoiser(NUM_LATENTS, TIMBRE_SIZE, **sizes).eval().double()


def trained(**changed: int) -> TransformerDenoiser:
    """A denoiser whose zero-initialised layers say something, as after some training."""
    denoiser = fresh(**changed)
    for layer in (denoiser.modulate, denoiser.project_out):
        nn.init.normal_(layer.weight, std=0.3)
        nn.init.normal_(layer.bias, std=0.3)
    return denoiser


def inputs(num_frames: int = 30, batch_size: int = 1, timbre_frames: int = 1, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    return {
        "x_t": normal(batch_size, num_frames, NUM_LATENTS),
        "t": torch.sigmoid(normal(batch_size)),
        "structure": normal(batch_size, num_frames, WIDTH),
        "timbre": normal(batch_size, timbre_frames, TIMBRE_SIZE),
    }


@torch.no_grad()
def predict(denoiser: TransformerDenoiser, given: dict[str, Tensor]) -> Tensor:
    flow, _ = denoiser.step(**given, state=denoiser.init_state(given["x_t"].size(0)))
    return flow


def moved_frames(denoiser: TransformerDenoiser, given: dict[str, Tensor], name: str, frame: int) -> list[int]:
    """List the output frames that a change of one input frame reaches."""
    changed = given[name].clone()
    changed[:, frame] += torch.linspace(-1, 2, changed.size(2), dtype=changed.dtype)
    difference = (predict(denoiser, given) - predict(denoiser, {**given, name: changed})).abs().amax(dim=(0, 2))
    return (difference > 0).nonzero().squeeze(1).tolist()


def test_a_fresh_network_predicts_zero() -> None:
    assert not predict(fresh(), inputs()).any()


def test_before_training_the_blocks_pass_their_input_on() -> None:
    """adaLN-zero: with an output layer that speaks, the network is its shortcut, whatever time and timbre say."""
    denoiser, given = fresh(), inputs(batch_size=2)
    nn.init.normal_(denoiser.project_out.weight)
    with torch.no_grad():
        x = denoiser.project_in(given["x_t"]) + given["structure"]
        expected = denoiser.project_out(F.layer_norm(x, [WIDTH]))
    torch.testing.assert_close(predict(denoiser, given), expected)
    elsewhere = inputs(batch_size=2, seed=1)
    other = predict(denoiser, {**given, "t": elsewhere["t"], "timbre": elsewhere["timbre"]})
    assert torch.equal(other, predict(denoiser, given))


@torch.no_grad()
def test_one_block_is_its_equations() -> None:
    denoiser, given = trained(num_layers=1), inputs(batch_size=2)
    (block,) = denoiser.blocks
    nn.init.normal_(block.table, std=0.3)
    time = denoiser.embed_time(embed_time(given["t"], denoiser.time_size))[:, None]
    condition = denoiser.modulate(F.silu(time + denoiser.embed_timbre(given["timbre"]))) + block.table
    scale, shift, gate, scale_feed, shift_feed, gate_feed = condition.split(WIDTH, dim=2)
    x = denoiser.project_in(given["x_t"]) + given["structure"]
    x = x + gate * block.attention((1 + scale) * F.layer_norm(x, [WIDTH]) + shift)
    feed = block.expand((1 + scale_feed) * F.layer_norm(x, [WIDTH]) + shift_feed)
    x = x + gate_feed * block.shrink(F.gelu(feed, approximate="tanh"))
    expected = denoiser.project_out(denoiser.norm(x))
    torch.testing.assert_close(predict(denoiser, given), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["x_t", "structure"])
@pytest.mark.parametrize("frame", [0, 7])
def test_a_frame_reaches_from_itself_to_the_end_of_the_windows(name: str, frame: int) -> None:
    reach = LAYERS * (WINDOW - 1)
    assert moved_frames(trained(), inputs(), name, frame) == list(range(frame, frame + reach + 1))


def test_a_window_of_one_frame_sees_that_frame_alone() -> None:
    assert moved_frames(trained(window=1), inputs(), "x_t", 7) == [7]


def test_a_timbre_that_changes_over_time_is_heard_from_then_on() -> None:
    given = inputs(timbre_frames=30)
    assert moved_frames(trained(), given, "timbre", 7) == list(range(7, 7 + LAYERS * (WINDOW - 1) + 1))
    constant = given["timbre"][:, :1]
    repeated = predict(trained(), {**given, "timbre": constant.expand(1, 30, TIMBRE_SIZE)})
    torch.testing.assert_close(repeated, predict(trained(), {**given, "timbre": constant}))


@pytest.mark.parametrize("timbre_frames", [1, 30])
@pytest.mark.parametrize("sizes", [[1] * 30, [4, 1, 13, 12]])
def test_blocks_join_to_the_whole(sizes: list[int], timbre_frames: int) -> None:
    denoiser, given = trained(), inputs(batch_size=2, timbre_frames=timbre_frames)
    state, outputs, start = denoiser.init_state(2), [], 0
    for size in sizes:
        part = {name: value[:, start : start + size] for name, value in given.items() if name in ("x_t", "structure")}
        part["t"] = given["t"]
        part["timbre"] = given["timbre"] if timbre_frames == 1 else given["timbre"][:, start : start + size]
        with torch.no_grad():
            flow, state = denoiser.step(**part, state=state)
        outputs.append(flow)
        start += size
    assert len(state) == denoiser.num_states
    torch.testing.assert_close(torch.cat(outputs, dim=1), predict(denoiser, given), rtol=0, atol=1e-10)


def test_every_condition_counts() -> None:
    denoiser, given, other = trained(), inputs(), inputs(seed=1)
    flow = predict(denoiser, given)
    for name in given:
        assert not torch.allclose(predict(denoiser, {**given, name: other[name]}), flow), name


def test_items_of_a_batch_do_not_mix() -> None:
    denoiser, given = trained(), inputs(batch_size=3)
    flow = predict(denoiser, given)
    for index in range(3):
        alone = predict(denoiser, {name: value[index : index + 1] for name, value in given.items()})
        torch.testing.assert_close(flow[index : index + 1], alone, rtol=0, atol=1e-10)


def test_time_is_embedded_in_waves_from_1_to_1000_radians() -> None:
    t = torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)
    embedded = embed_time(t, 8)
    assert embedded.shape == (3, 8)
    for column, frequency in enumerate((1.0, 10.0, 100.0, 1000.0)):
        for row, time in enumerate(t.tolist()):
            assert embedded[row, column].item() == pytest.approx(math.cos(frequency * time), abs=1e-3)
            assert embedded[row, 4 + column].item() == pytest.approx(math.sin(frequency * time), abs=1e-3)


def test_every_weight_learns() -> None:
    denoiser, given = trained(), inputs()
    flow, _ = denoiser.step(**given, state=denoiser.init_state(1))
    flow.square().sum().backward()
    assert [name for name, p in denoiser.named_parameters() if p.grad is None or not p.grad.abs().any()] == []
