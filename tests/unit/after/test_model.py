"""The generative model: cut anywhere it generates the same, guidance is its formula, nulls hide what they replace."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from after.conditioning.roll import ROLL_CHANNELS
from after.config import load_settings
from after.diffusion.guidance import branches_needed
from after.diffusion.transformer import TransformerDenoiser
from after.model import Model, build_model
from after.settings import DenoiserSettings, DiffusionTrainingSettings, ModelSettings, StructureSettings, TimbreSettings
from after.streaming.noise import frame_noise

NUM_LATENTS, TIMBRE_SIZE, FRAMES = 4, 3, 23
SETTINGS = ModelSettings(
    structure=StructureSettings(num_blocks=1, kernel_size=3),
    timbre=TimbreSettings(size=TIMBRE_SIZE, width=8, num_blocks=1),
    denoiser=DenoiserSettings(width=8, num_layers=2, num_heads=2, window=4, expansion=2),
)
GUIDANCES = [(1.0, 1.0), (2.0, 2.0), (1.0, 2.5), (1.5, 3.0), (0.0, 0.0), (0.0, 1.0), (3.0, 1.0), (1.0, 0.0), (2.0, 0.0)]


@pytest.fixture(scope="module")
def model() -> Model:
    """A model whose zero-initialised weights say something, as after some training."""
    torch.manual_seed(0)
    built = build_model(SETTINGS, NUM_LATENTS).eval()
    for layer in (built.denoiser.modulate, built.denoiser.project_out):
        nn.init.normal_(layer.weight, std=0.3)
    for null in (built.null_structure, built.null_timbre):
        nn.init.normal_(null)
    return built


def conditions(batch_size: int = 2, timbre_frames: int = 0, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    structure = (torch.rand(batch_size, FRAMES, ROLL_CHANNELS, generator=generator) > 0.95).float()
    shape = (batch_size, timbre_frames, TIMBRE_SIZE) if timbre_frames else (batch_size, TIMBRE_SIZE)
    return structure, torch.rand(shape, generator=generator) * 2 - 1


def seeds(*values: int) -> Tensor:
    return torch.tensor(values)


@torch.no_grad()
def flow_of(
    model: Model, x_t: Tensor, t: float, structure: Tensor, timbre: Tensor, *, with_structure: bool, with_timbre: bool
) -> Tensor:
    count = x_t.size(0)
    keep = [torch.full((count,), kept) for kept in (with_structure, with_timbre)]
    return model.predict(x_t, torch.full((count,), t), structure, timbre, *keep)


def explicit(
    model: Model, structure: Tensor, timbre: Tensor, noise: Tensor, num_steps: int, guidances: tuple[float, float]
) -> Tensor:
    """Euler steps along the guided flow, written out with all three branches on whole sequences."""
    g_structure, g_timbre = guidances
    x = noise
    for step in range(num_steps):
        none, structure_only, both = (
            flow_of(model, x, step / num_steps, structure, timbre, with_structure=s, with_timbre=m)
            for s, m in ((False, False), (True, False), (True, True))
        )
        x = x + (none + g_structure * (structure_only - none) + g_timbre * (both - structure_only)) / num_steps
    return x


@pytest.mark.parametrize(
    ("guidances", "branches"),
    [
        ((1, 1), {3}),
        ((2, 2), {3, 0}),
        ((0, 0), {0}),
        ((1, 0), {1}),
        ((2, 0), {1, 0}),
        ((1, 2), {3, 1}),
        ((2, 1), {3, 1, 0}),
        ((0, 1), {3, 1, 0}),
    ],
)
def test_branches_with_weight_zero_are_left_out(guidances: tuple[float, float], branches: set[int]) -> None:
    needed = branches_needed(*map(float, guidances))
    assert len(needed) == len(branches)
    assert set(needed) == branches


@pytest.mark.parametrize("guidances", GUIDANCES)
@pytest.mark.parametrize("num_steps", [1, 3])
def test_guidance_is_its_formula(model: Model, guidances: tuple[float, float], num_steps: int) -> None:
    structure, timbre = conditions()
    noise = frame_noise(seeds(4, 5), torch.tensor(0), FRAMES, NUM_LATENTS)
    generated = model.generate(
        structure,
        timbre,
        seeds=seeds(4, 5),
        num_steps=num_steps,
        guidance_structure=guidances[0],
        guidance_timbre=guidances[1],
    )
    expected = explicit(model, structure, timbre, noise, num_steps, guidances)
    torch.testing.assert_close(generated, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("timbre_frames", [0, FRAMES])
@pytest.mark.parametrize("guidances", [(1.0, 1.0), (2.0, 1.5)])
@pytest.mark.parametrize("block_frames", [1, 7, FRAMES, 64])
def test_the_block_size_does_not_matter(
    model: Model, block_frames: int, guidances: tuple[float, float], timbre_frames: int
) -> None:
    structure, timbre = conditions(timbre_frames=timbre_frames)
    options = {"num_steps": 2, "guidance_structure": guidances[0], "guidance_timbre": guidances[1]}
    whole = model.generate(structure, timbre, seeds=seeds(1, 2), **options)
    cut = model.generate(structure, timbre, seeds=seeds(1, 2), block_frames=block_frames, **options)
    assert whole.shape == (2, FRAMES, NUM_LATENTS)
    torch.testing.assert_close(cut, whole, rtol=1e-4, atol=1e-5)


def test_an_item_sounds_the_same_in_any_batch(model: Model) -> None:
    structure, timbre = conditions(batch_size=3)
    together = model.generate(structure, timbre, seeds=seeds(7, 8, 9), guidance_structure=2.0)
    for index in range(3):
        item = slice(index, index + 1)
        alone = model.generate(structure[item], timbre[item], seeds=seeds(7 + index), guidance_structure=2.0)
        torch.testing.assert_close(alone, together[item], rtol=1e-4, atol=1e-5)


def test_the_seed_decides_and_the_temperature_scales_it(model: Model) -> None:
    structure, timbre = conditions(batch_size=1)
    structure, timbre = structure.expand(3, -1, -1), timbre.expand(3, -1)
    first, again, other = model.generate(structure, timbre, seeds=seeds(1, 1, 2))
    torch.testing.assert_close(first, again)
    assert not torch.allclose(first, other)
    cold = model.generate(structure, timbre, seeds=seeds(1, 1, 2), temperature=0.0)
    torch.testing.assert_close(cold[0], cold[2])
    assert not torch.allclose(cold[0], first)


def test_a_prefix_of_the_structure_gives_a_prefix_of_the_latents(model: Model) -> None:
    structure, timbre = conditions()
    whole = model.generate(structure, timbre, seeds=seeds(1, 2))
    torch.testing.assert_close(
        model.generate(structure[:, :9], timbre, seeds=seeds(1, 2)), whole[:, :9], rtol=1e-4, atol=1e-5
    )


def test_a_stream_taken_up_later_comes_to_equal_the_whole(model: Model) -> None:
    """Seed and frame decide the noise, so only what the network remembers of earlier frames makes a difference."""
    structure, timbre = conditions()
    options = {"seeds": seeds(1, 2), "num_steps": 1}
    whole = model.generate(structure, timbre, **options)
    later = model.generate(structure[:, 5:], timbre, first_frame=5, **options)
    memory = 2 * (4 - 1) + 2 * (3 - 1)  # attention windows, then convolutions over the structure
    torch.testing.assert_close(later[:, memory:], whole[:, 5 + memory :], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(later[:, :memory], whole[:, 5 : 5 + memory], atol=1e-3)
    elsewhere = model.generate(structure[:, 5:], timbre, **options)
    assert not torch.allclose(elsewhere[:, memory:], whole[:, 5 + memory :], atol=1e-3)


def test_a_dropped_condition_is_not_seen(model: Model) -> None:
    structure, timbre = conditions()
    other_structure, other_timbre = conditions(seed=1)
    x_t = torch.randn(2, FRAMES, NUM_LATENTS)
    for with_structure, with_timbre in itertools.product((True, False), repeat=2):
        kept = {"with_structure": with_structure, "with_timbre": with_timbre}
        flow = flow_of(model, x_t, 0.3, structure, timbre, **kept)
        assert torch.equal(flow_of(model, x_t, 0.3, other_structure, timbre, **kept), flow) is not with_structure
        assert torch.equal(flow_of(model, x_t, 0.3, structure, other_timbre, **kept), flow) is not with_timbre


def test_conditions_are_dropped_item_by_item(model: Model) -> None:
    structure, timbre = conditions()
    x_t, t = torch.randn(2, FRAMES, NUM_LATENTS), torch.tensor([0.2, 0.7])
    with torch.no_grad():
        mixed = model.predict(x_t, t, structure, timbre, torch.tensor([True, False]), torch.tensor([False, True]))
    first = flow_of(model, x_t[:1], 0.2, structure[:1], timbre[:1], with_structure=True, with_timbre=False)
    second = flow_of(model, x_t[1:], 0.7, structure[1:], timbre[1:], with_structure=False, with_timbre=True)
    torch.testing.assert_close(mixed, torch.cat([first, second]), rtol=1e-4, atol=1e-5)


def test_the_nulls_are_what_a_dropped_condition_sounds_like(model: Model) -> None:
    structure, timbre = conditions()
    x_t = torch.randn(2, FRAMES, NUM_LATENTS)
    spoken = model.null_timbre.detach().expand(2, -1)
    torch.testing.assert_close(
        flow_of(model, x_t, 0.5, structure, timbre, with_structure=True, with_timbre=False),
        flow_of(model, x_t, 0.5, structure, spoken, with_structure=True, with_timbre=True),
    )


def test_only_dropped_items_teach_the_nulls(model: Model) -> None:
    structure, timbre = conditions()
    x_t, t, yes = torch.randn(2, FRAMES, NUM_LATENTS), torch.full((2,), 0.5), torch.ones(2, dtype=torch.bool)
    for keep_structure, keep_timbre in ((yes, yes), (~yes, yes), (yes, ~yes)):
        flow = model.predict(x_t, t, structure, timbre, keep_structure, keep_timbre)
        gradients = torch.autograd.grad(flow.square().sum(), (model.null_structure, model.null_timbre))
        assert [bool(g.any()) for g in gradients] == [not keep_structure[0], not keep_timbre[0]]


@pytest.mark.parametrize("guidances", GUIDANCES)
@pytest.mark.parametrize("num_steps", [1, 2, 5])
def test_a_constant_flow_moves_the_noise_by_itself(num_steps: int, guidances: tuple[float, float]) -> None:
    """A fresh network predicts its output bias: the sampler must add it once, whatever the steps and strengths."""
    fresh = build_model(SETTINGS, NUM_LATENTS)
    flow = torch.tensor([1.0, -2.0, 0.5, 0.0])
    fresh.denoiser.project_out.bias.data.copy_(flow)
    structure, timbre = conditions()
    generated = fresh.generate(
        structure,
        timbre,
        seeds=seeds(0, 1),
        num_steps=num_steps,
        guidance_structure=guidances[0],
        guidance_timbre=guidances[1],
        temperature=0.5,
        block_frames=10,
    )
    noise = frame_noise(seeds(0, 1), torch.tensor(0), FRAMES, NUM_LATENTS)
    torch.testing.assert_close(generated, 0.5 * noise + flow, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("preset", ["tiny", "midi"])
def test_presets_build_models_of_their_size(preset: str) -> None:
    settings = load_settings(DiffusionTrainingSettings, preset).model
    with torch.device("meta"):
        built = build_model(settings, 32)
    assert isinstance(built.denoiser, TransformerDenoiser)
    assert (built.num_latents, built.timbre_size) == (32, settings.timbre.size)
    assert built.null_structure.shape == (settings.denoiser.width,)
    millions = sum(p.numel() for p in built.parameters()) / 1e6
    assert (5 < millions < 8) if preset == "midi" else millions < 0.2
