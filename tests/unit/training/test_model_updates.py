"""What parts structure and timbre: each loss reaches what it should and nothing else, and does what it is for."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from after.conditioning.adversary import group_loss, pitch_loss, timbre_regression_loss
from after.conditioning.contrast import contrastive_loss
from after.config import load_settings
from after.data.loading.excerpts import Batch
from after.errors import ConfigError
from after.model import Model, build_model
from after.settings import DiffusionTrainingSettings
from after.training.model_losses import Pass, correlation_term, cycle_term
from after.training.model_updates import ModelUpdates

LATENTS, FRAMES, GROUPS = 6, 12, 3


def settings_with(*overrides: str, kind: str = "learned") -> DiffusionTrainingSettings:
    return load_settings(
        DiffusionTrainingSettings,
        "tiny",
        (f"model.structure.kind={kind}", "model.structure.code_width=16", *overrides),
    )


def batch_of(seed: int = 0, count: int = 8) -> Batch:
    """Latents with the group in the first and the pitch class in the second channel."""
    generator = torch.Generator().manual_seed(seed)
    group = torch.randint(GROUPS, (count,), generator=generator)
    latents, excerpt = (0.3 * torch.randn(count, FRAMES, LATENTS, generator=generator) for _ in range(2))
    pitch = torch.randint(12, (count,), generator=generator)
    for part in (latents, excerpt):
        part[:, :, 0] += 2.0 * (group - 1.0)[:, None]
    excerpt[:, :, 1] += (pitch / 3.0 - 2.0)[:, None]
    shares = torch.zeros(count, 23)
    shares[torch.arange(count), pitch] = shares[:, 17] = 1.0
    return Batch(latents, latents, excerpt, group, torch.arange(count), torch.arange(count), shares)


def updates_with(*overrides: str, kind: str = "learned", batch_size: int = 8) -> ModelUpdates:
    torch.manual_seed(0)
    settings = settings_with(f"training.batch_size={batch_size}", *overrides, kind=kind)
    model = build_model(settings.model, LATENTS)
    for parameter in model.parameters():  # gates begin closed, and nothing would reach the encoders
        parameter.data += 0.05 * torch.randn_like(parameter)
    return ModelUpdates(settings, model, GROUPS, range(batch_size))


def gradients(module: torch.nn.Module) -> Tensor:
    return torch.cat([torch.zeros(1) if p.grad is None else p.grad.abs().sum()[None] for p in module.parameters()])


def test_without_weights_there_are_no_critics_and_one_loss() -> None:
    updates = updates_with()
    assert set(updates.make(batch_of(), 0)) == {"loss", "gradient_norm", "learning_rate"}
    assert set(updates.state.modules) == {"model"}


def test_every_weight_adds_a_term_and_its_critic() -> None:
    updates = updates_with(
        "disentangling.correlation=1.0",
        "disentangling.timbre_critic=1.0",
        "disentangling.pitch_critic=1.0",
        "disentangling.cycle=1.0",
    )
    figures = updates.make(batch_of(), 50)
    assert {"loss", "correlation", "timbre_critic", "pitch_critic", "cycle"} <= set(figures)
    assert {"timbre_critic_gradient_norm", "pitch_critic_gradient_norm"} <= set(figures)
    assert gradients(updates.critics).min() > 0
    assert gradients(updates.model.code).max() > 0  # type: ignore[arg-type]
    assert set(updates.state.modules) == {"model", "timbre_critic", "pitch_critic"}


@pytest.mark.parametrize(("term", "part"), [("timbre_critic", "code"), ("pitch_critic", "timbre_encoder")])
def test_critics_push_their_own_encoder_and_no_other_part(term: str, part: str) -> None:
    plain, fought = updates_with(), updates_with(f"disentangling.{term}=5.0", "disentangling.length=1")
    for updates in (plain, fought):
        updates.make(batch_of(1), 50)  # where the weight begins to rise
        updates.make(batch_of(), 51)
    # gradient clipping joins all parts, so compare directions
    directions = {}
    for name in ("code", "timbre_encoder", "denoiser"):
        a, b = (
            torch.cat([p.grad.flatten() for p in getattr(u.model, name).parameters() if p.grad is not None])
            for u in (plain, fought)
        )
        directions[name] = float(torch.nn.functional.cosine_similarity(a, b, dim=0))
    assert directions.pop(part) < 0.99
    assert min(directions.values()) > 0.9999


def test_what_a_critic_learns_by_comes_back_reversed_and_weighed() -> None:
    critics = updates_with("disentangling.timbre_critic=2.0", "disentangling.pitch_critic=3.0").critics
    generator = torch.Generator().manual_seed(1)
    code, timbre = torch.rand(8, FRAMES, 8, generator=generator), torch.rand(8, 4, generator=generator)
    group, shares = torch.arange(8) % GROUPS, batch_of().timbre_pitches
    assert critics.timbre is not None
    assert critics.pitch is not None

    def gradient(given: Tensor, loss: Callable[[Tensor], Tensor | None]) -> Tensor:
        given = given.clone().requires_grad_()
        value = loss(given)
        assert value is not None
        return torch.autograd.grad(value, given)[0]

    plain = gradient(code, lambda x: timbre_regression_loss(critics.timbre(x)[0], timbre)
                     + group_loss(critics.timbre(x)[1], group))  # fmt: skip
    fought = gradient(code, lambda x: critics.judge_structure(x, timbre, group, 0.5))
    torch.testing.assert_close(fought, -0.5 * 2.0 * plain)
    plain = gradient(timbre, lambda x: pitch_loss(critics.pitch(x), shares, octave_weight=0.2))
    torch.testing.assert_close(gradient(timbre, lambda x: critics.judge_timbre(x, shares, 0.5)), -0.5 * 3.0 * plain)


def test_correlation_takes_the_group_out_of_the_structure() -> None:
    """Structure is learned from latents that hold the group; what a critic-free penalty leaves of it."""

    def leak(updates: ModelUpdates) -> float:
        for iteration in range(1, 150):
            updates.make(batch_of(iteration, 32), iteration)
        big = batch_of(9999, 256)
        with torch.no_grad():
            pooled = updates.model.code(big.latents).mean(dim=1)  # type: ignore[misc]
        centred = pooled - pooled.mean(dim=0)
        group = torch.nn.functional.one_hot(big.group).float()
        group = group - group.mean(dim=0)
        correlation = (centred.T @ group) / (centred.norm(dim=0)[:, None] * group.norm(dim=0) + 1e-9)
        return float(correlation.square().mean())

    run = ("training.iterations=150", "training.optimizer.warmup_iterations=1")
    parted = updates_with("disentangling.correlation=20.0", "disentangling.length=1", *run, batch_size=32)
    assert leak(parted) < 0.5 * leak(updates_with(*run, batch_size=32))


def test_a_first_stage_that_leaves_nothing_to_train_is_refused() -> None:
    with pytest.raises(ConfigError, match="nothing would learn to generate"):
        settings_with("timbre_first.iterations=20", "training.iterations=20")


def test_the_first_stage_trains_the_timbre_encoder_alone_and_the_second_leaves_it() -> None:
    run = ("training.optimizer.warmup_iterations=1", "training.optimizer.ema_decay=0.5", "training.iterations=40")
    updates = updates_with("timbre_first.iterations=3", *run)
    model = updates.model
    before = {name: value.clone() for name, value in model.state_dict().items()}
    for iteration in range(3):
        updates.make(batch_of(iteration), iteration)
    after_first = {name: value.clone() for name, value in model.state_dict().items()}
    moved = {name.partition(".")[0] for name in before if not torch.equal(before[name], after_first[name])}
    assert moved == {"timbre_encoder"}
    averaged = {name: value.clone() for name, value in updates.ema.state_dict().items()}
    for iteration in range(3, 6):
        updates.make(batch_of(iteration), iteration)
    name = "timbre_encoder.project.2.weight"
    assert not torch.allclose(after_first[name], averaged[name])
    for name, value in model.timbre_encoder.state_dict().items():
        torch.testing.assert_close(value, averaged[f"timbre_encoder.{name}"])
    assert not torch.equal(model.denoiser.project_out.weight, after_first["denoiser.project_out.weight"])


def test_the_pitch_critic_acts_in_the_first_stage() -> None:
    run = ("timbre_first.iterations=15", "disentangling.length=5")
    weak, strong = (updates_with(f"disentangling.pitch_critic={weight}", *run) for weight in (1e-9, 100.0))
    for updates in (weak, strong):
        for iteration in range(1, 4):
            updates.make(batch_of(iteration), iteration)
    first, second = (updates.model.timbre_encoder.score[0].weight for updates in (weak, strong))
    assert not torch.equal(first, second)


def test_penalties_are_computed_in_float32_under_autocast() -> None:
    generator = torch.Generator().manual_seed(0)
    timbre, other = torch.randn(8, 4, generator=generator), torch.randn(8, 4, generator=generator)
    structure, group = torch.randn(8, 12, 3, generator=generator), torch.arange(8) % 3
    plain = contrastive_loss(timbre, other, group, temperature=0.1), correlation_term(structure, timbre, group)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = contrastive_loss(timbre, other, group, temperature=0.1), correlation_term(structure, timbre, group)
    assert [value.dtype for value in mixed] == [torch.float32] * 2
    torch.testing.assert_close(mixed, plain)


def test_contrast_brings_groups_together() -> None:
    updates = updates_with("timbre_first.iterations=119", "training.iterations=120")
    losses = [float(updates.make(batch_of(n), n)["contrast"]) for n in range(119)]
    assert sum(losses[-10:]) < sum(losses[:10])


def test_the_contrast_has_its_floor_and_its_ceiling() -> None:
    """Two groups of two, two timbres each: 7 others, 3 of them alike."""
    group = torch.tensor([0, 0, 1, 1])
    apart = torch.tensor([[1.0, 0.0], [1.0, 0.0], [-1.0, 0.0], [-1.0, 0.0]])
    alike = torch.ones(4, 2)
    assert float(contrastive_loss(apart, apart, group, temperature=0.01)) == pytest.approx(torch.tensor(3.0).log())
    assert float(contrastive_loss(alike, alike, group, temperature=0.1)) == pytest.approx(torch.tensor(7.0).log())
    own = torch.arange(4)
    simclr = contrastive_loss(torch.eye(4), torch.eye(4), own, temperature=0.5)
    assert float(simclr) == pytest.approx(math.log((math.e**2 + 6.0) / math.e**2), rel=1e-4)


def test_the_cycle_teaches_what_generates_and_not_what_judges() -> None:
    plain, cycled = updates_with(), updates_with("disentangling.cycle=5.0", "disentangling.length=1")
    for updates in (plain, cycled):
        updates.make(batch_of(1), 50)
        updates.make(batch_of(), 51)
    for name, is_same in (("timbre_encoder", True), ("code", True), ("denoiser", False)):
        a, b = (
            torch.cat([p.grad.flatten() for p in getattr(u.model, name).parameters() if p.grad is not None])
            for u in (plain, cycled)
        )
        cosine = float(torch.nn.functional.cosine_similarity(a, b, dim=0))
        assert (cosine > 0.9999) is is_same


def test_a_cycle_asks_for_the_timbre_of_another_item() -> None:
    """A model that makes what it is asked for, of which the judge hears the timbre exactly, has no loss; others do."""
    updates = updates_with()
    batch, timbre = batch_of(), torch.rand(8, LATENTS, generator=torch.Generator().manual_seed(2))

    class Obedient(torch.nn.Module):
        def __init__(self, wrong: float) -> None:
            super().__init__()
            self.wrong, self.code = wrong, None
            self.sampler = updates.model.sampler
            self.timbre_encoder = Mean()

        def predict(self, x_t: Tensor, t: Tensor, structure: Tensor, asked: Tensor, *keep: Tensor) -> Tensor:
            assert torch.equal(asked, timbre.roll(1, dims=0))
            wanted = asked[:, None] + self.wrong
            return (wanted - x_t) / (1.0 - t[:, None, None])  # of which the flow's estimate of the data is `wanted`

    class Mean(torch.nn.Module):
        def forward(self, latents: Tensor) -> Tensor:
            return latents.mean(dim=1)

    outcome = Pass(torch.zeros(()), batch.latents, timbre)
    losses = [
        cycle_term(Obedient(wrong), batch, outcome, torch.Generator(), torch.device("cpu"))  # type: ignore[arg-type]
        for wrong in (0.0, 0.5)
    ]
    assert float(losses[0]) == pytest.approx(0.0, abs=1e-9)
    assert float(losses[1]) == pytest.approx(0.25, rel=1e-4)


@pytest.mark.parametrize("kind", ["midi", "pitch_loudness"])
def test_played_structure_has_no_timbre_to_take_out(kind: str) -> None:
    with pytest.raises(ConfigError, match="act on learned structure"):
        settings_with("disentangling.correlation=1.0", kind=kind)
    channels = {"midi": 256, "pitch_loudness": 130}[kind]
    updates = updates_with("disentangling.pitch_critic=1.0", kind=kind)
    batch = replace(batch_of(), structure=torch.rand(8, FRAMES, channels))
    assert "pitch_critic" in updates.make(batch, 10)
    assert isinstance(updates.model, Model)
    assert updates.model.code is None
