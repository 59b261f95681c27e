"""Models of all networks, objectives and samplers: generated in blocks it is the guided walk written out."""

import pytest
import torch
from torch import Tensor, nn

from after.conditioning.roll import ROLL_CHANNELS
from after.config import load_settings
from after.diffusion.samplers import evaluated_step
from after.diffusion.transformer import TransformerDenoiser
from after.diffusion.unet import UNetDenoiser
from after.model import Model, build_model
from after.settings import DiffusionTrainingSettings
from after.streaming.noise import frame_noise

NUM_LATENTS, FRAMES = 5, 22
SEEDS = torch.tensor([4, 5])


def model_of(preset: str, *overrides: str) -> Model:
    """A model whose zero-initialised weights say something, as after some training."""
    torch.manual_seed(0)
    settings = load_settings(DiffusionTrainingSettings, preset, overrides).model
    model = build_model(settings, NUM_LATENTS).eval().requires_grad_(False)
    for parameter in model.parameters():
        if not parameter.any():
            nn.init.normal_(parameter, std=0.2)
    return model


def conditions(model: Model) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    structure = (torch.rand(2, FRAMES, ROLL_CHANNELS, generator=generator) > 0.95).float()
    return structure, torch.rand(2, model.timbre_size, generator=generator) * 2 - 1


def written_out(model: Model, num_steps: int, g_structure: float, g_timbre: float) -> Tensor:
    """The walk on whole sequences, with all three branches of guidance at every evaluation."""
    structure, timbre = conditions(model)
    sampler = model.sampler
    times = sampler.times(num_steps, torch.device("cpu"))
    x, held = sampler.begin(frame_noise(SEEDS, torch.tensor(0), FRAMES, NUM_LATENTS), times), []
    for k in range(sampler.num_evaluations(num_steps)):
        t = times[evaluated_step(sampler.kind, k)].repeat(2)
        none, seen, both = (
            model.predict(x, t, structure, timbre, torch.full((2,), s), torch.full((2,), m))
            for s, m in ((False, False), (True, False), (True, True))
        )
        x, held = sampler.update(k, x, none + g_structure * (seen - none) + g_timbre * (both - seen), times, held)
    return x


@pytest.mark.parametrize("preset", ["tiny", "tiny_unet"])
@pytest.mark.parametrize("objective", ["flow", "epsilon", "edm"])
@pytest.mark.parametrize("sampler", ["euler", "ddim", "heun"])
def test_generating_in_blocks_is_the_guided_walk(preset: str, objective: str, sampler: str) -> None:
    model = model_of(
        preset, f"model.objective.kind={objective}", f"model.sampler.kind={sampler}", "model.sampler.schedule=cosine"
    )
    structure, timbre = conditions(model)
    expected = written_out(model, 3, 1.5, 2.0)
    for block_frames in (1, 7, FRAMES):
        generated = model.generate(structure, timbre, seeds=SEEDS, num_steps=3, guidance_structure=1.5,
                                   guidance_timbre=2.0, block_frames=block_frames)  # fmt: skip
        torch.testing.assert_close(generated, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())


def test_the_sampler_may_be_changed_between_streams() -> None:
    model = model_of("tiny", "model.objective.kind=edm")
    structure, timbre = conditions(model)
    results = []
    for kind in ("heun", "euler", "heun"):
        model.sampler.kind = kind
        results.append(model.generate(structure, timbre, seeds=SEEDS, num_steps=3))
    assert torch.equal(results[0], results[2])
    assert not torch.allclose(results[0], results[1])


def test_a_u_net_taken_up_at_a_pair_comes_to_equal_the_whole() -> None:
    """Its lower frames are counted from the start, so a stream must be taken up where one of them begins."""
    model = model_of("tiny_unet", "model.structure.kernel_size=1", "model.denoiser.unet.kernel_size=1")
    structure, timbre = conditions(model)
    whole = model.generate(structure, timbre, seeds=SEEDS, num_steps=1)
    for first, is_equal in ((6, True), (5, False)):
        later = model.generate(structure[:, first:], timbre, seeds=SEEDS, num_steps=1, first_frame=first)
        memory = 2 + 2  # the structure's first convolution, one lower frame
        assert torch.allclose(later[:, memory:], whole[:, first + memory :], atol=1e-4) is is_equal


@pytest.mark.parametrize(
    ("preset", "network", "low", "high"),
    [
        ("base", TransformerDenoiser, 5.0, 8.0),
        ("midi", TransformerDenoiser, 5.0, 8.0),
        ("tiny", TransformerDenoiser, 0.02, 0.2),
        ("base_unet", UNetDenoiser, 5.0, 8.0),
        ("midi_unet", UNetDenoiser, 5.0, 8.0),
        ("tiny_unet", UNetDenoiser, 0.02, 0.2),
    ],
)
def test_presets_build_networks_of_their_kind_and_size(preset: str, network: type, low: float, high: float) -> None:
    with torch.device("meta"):
        built = build_model(load_settings(DiffusionTrainingSettings, preset).model, 32)
    assert isinstance(built.denoiser, network)
    assert low < sum(p.numel() for p in built.parameters()) / 1e6 < high
