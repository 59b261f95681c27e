"""Training of every objective and network: all weights learn, every branch of guidance does, all is averaged."""

import math

import pytest
import torch
from torch import Tensor

from after.conditioning.roll import ROLL_CHANNELS
from after.config import load_settings
from after.data.loading.excerpts import Batch
from after.model import Model, build_model
from after.settings import DiffusionTrainingSettings, DropoutSettings
from after.training.device import compiled
from after.training.model_losses import compute_loss
from after.training.updates import Updates

CPU = torch.device("cpu")
NUM_LATENTS, FRAMES = 4, 12
BRANCHES = {
    "both": DropoutSettings(structure=0.0, timbre=0.0, both=0.0),
    "structure": DropoutSettings(structure=0.0, timbre=1.0, both=0.0),
    "timbre": DropoutSettings(structure=1.0, timbre=0.0, both=0.0),
    "none": DropoutSettings(structure=0.0, timbre=0.0, both=1.0),
}


def settings_of(preset: str, objective: str, *overrides: str) -> DiffusionTrainingSettings:
    faster = ("training.optimizer.learning_rate=1e-2", "training.optimizer.warmup_iterations=5", "dropout.both=0.1")
    overrides = (*faster, "dropout.structure=0.2", "dropout.timbre=0.2", *overrides)
    return load_settings(DiffusionTrainingSettings, preset, (f"model.objective.kind={objective}", *overrides))


def batch_of(number: int, count: int = 16) -> Batch:
    """Latents that say which of two pitches sounds in which of two timbres: best known from both."""
    generator = torch.Generator().manual_seed(number)
    pitch, timbre = (torch.randint(2, (count,), generator=generator) for _ in range(2))
    structure = torch.zeros(count, FRAMES, ROLL_CHANNELS)
    structure[torch.arange(count), :, 60 + pitch] = 1.0
    latents = torch.zeros(count, FRAMES, NUM_LATENTS)
    latents[:, :, 0], latents[:, :, 1] = 2.0 * pitch[:, None] - 1.0, 2.0 * timbre[:, None] - 1.0
    latents[:, :, 2:] = 0.2
    return Batch(
        latents, structure, latents.clone(), timbre, torch.arange(count), torch.arange(count), torch.zeros(count, 23)
    )


def build(settings: DiffusionTrainingSettings) -> Model:
    torch.manual_seed(0)
    return build_model(settings.model, NUM_LATENTS)


def train(model: Model, settings: DiffusionTrainingSettings, iterations: int) -> Updates[Batch]:
    def loss(batch: Batch, iteration: int) -> Tensor:
        return compute_loss(model, batch, settings, torch.Generator().manual_seed(iteration), CPU)

    updates: Updates[Batch] = Updates(model, loss, settings.training)
    for iteration in range(iterations):
        updates.make(batch_of(iteration), iteration)
    return updates


@torch.no_grad()
def branch_losses(model: Model) -> dict[str, float]:
    losses = {}
    for name, dropout in BRANCHES.items():
        settings = DiffusionTrainingSettings(dropout=dropout)
        generators = [torch.Generator().manual_seed(number) for number in range(4)]
        each = [compute_loss(model, batch_of(1000 + n, 64), settings, g, CPU).item() for n, g in enumerate(generators)]
        losses[name] = sum(each) / len(each)
    return losses


@pytest.mark.parametrize(("preset", "objective"), [("tiny", "flow"), ("tiny_unet", "epsilon"), ("tiny_unet", "edm")])
def test_every_branch_of_guidance_learns(preset: str, objective: str) -> None:
    settings = settings_of(preset, objective, "training.iterations=60")
    model = build(settings)
    before = branch_losses(model)
    train(model, settings, 60)
    after = branch_losses(model)
    for name in BRANCHES:
        assert after[name] < 0.7 * before[name], name
    assert after["both"] < after["none"]
    if objective != "epsilon":  # where much noise is left, it is known without any condition
        assert after["both"] < min(after["structure"], after["timbre"])
        assert max(after["structure"], after["timbre"]) < after["none"]


@pytest.mark.parametrize("preset", ["tiny", "tiny_unet"])
@pytest.mark.parametrize("objective", ["flow", "epsilon", "edm"])
def test_gradients_reach_everything_with_the_dropout_of_the_preset(preset: str, objective: str) -> None:
    settings = load_settings(DiffusionTrainingSettings, preset, (f"model.objective.kind={objective}",))
    model = build(settings)
    train(model, settings, 3)  # gates and outputs start at zero and let nothing through at first
    seen: set[str] = set()
    for number in range(8):
        model.zero_grad()
        generator = torch.Generator().manual_seed(number)
        compute_loss(model, batch_of(number), settings, generator, CPU).backward()
        seen |= {name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().any()}
    assert {name for name, _ in model.named_parameters()} - seen == set()
    assert {"null_structure", "null_timbre"} <= seen


def test_all_that_is_exported_is_averaged_and_all_that_learns_is_clipped() -> None:
    settings = settings_of("tiny_unet", "edm", "training.optimizer.max_grad_norm=1e-3", "training.iterations=3")
    model = build(settings)
    updates = train(model, settings, 3)
    assert updates.ema.state_dict().keys() == model.state_dict().keys()
    assert all(not torch.equal(updates.ema.state_dict()[n], p) for n, p in model.named_parameters() if p.grad.any())
    total = math.sqrt(sum(p.grad.square().sum().item() for p in model.parameters()))
    assert total == pytest.approx(1e-3, rel=1e-3)
    optimized = {id(p) for group in updates.learner.optimizer.param_groups for p in group["params"]}
    assert optimized == {id(p) for p in model.parameters()}


@pytest.mark.parametrize(("preset", "objective"), [("tiny", "flow"), ("tiny_unet", "edm")])
def test_compiled_it_is_one_graph_and_learns_the_same(
    preset: str, objective: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_compile = torch.compile
    monkeypatch.setattr(torch, "compile", lambda module: really_compile(module, backend="eager", fullgraph=True))
    settings = settings_of(preset, objective)
    model = build(settings)
    learner = compiled(model, "yes", CPU)
    assert learner is not model
    losses = []
    for network in (model, learner):
        model.zero_grad()
        loss = compute_loss(network, batch_of(0), settings, torch.Generator().manual_seed(0), CPU)
        loss.backward()
        losses.append((loss.item(), model.denoiser.project_out.weight.grad.norm().item()))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert compiled(model, "no", CPU) is compiled(model, "auto", CPU) is model
