"""The losses of the generative model: the objective's own, and those that part structure and timbre."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from after.conditioning.adversary import (
    PitchCritic,
    TimbreCritic,
    group_loss,
    pitch_loss,
    reverse_gradient,
    timbre_regression_loss,
)
from after.conditioning.independence import correlation_penalty
from after.data.loading.excerpts import Batch
from after.model import Model, structure_channels
from after.settings import DiffusionTrainingSettings, DisentanglingSettings, DropoutSettings

_CYCLE_TIMES = 0.3
"""Cycles begin near the noise, where x_t tells little of the sound that it was made of."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass of the model gives: the objective's loss, and structure [B, L, S] and timbre [B, E] behind it."""

    loss: Tensor
    structure: Tensor
    timbre: Tensor


def draw_conditions(count: int, dropout: DropoutSettings, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw which items keep their structure and their timbre; two bool tensors [count]."""
    u = torch.rand(3, count, generator=generator)
    neither = u[2] < dropout.both
    return (u[0] >= dropout.structure) & ~neither, (u[1] >= dropout.timbre) & ~neither


def run_pass(
    model: Model,
    batch: Batch,
    settings: DiffusionTrainingSettings,
    generator: torch.Generator,
    place: torch.device,
    items: range | None = None,
) -> Pass:
    """Run the model over one batch; all randomness comes from the generator (on the CPU).

    Args:
        model: in training or evaluation mode; may be compiled.
        batch: all items, or this rank's.
        settings: the training.
        generator: draws for the whole batch, on every rank the same.
        place: the model's device.
        items: which of `training.batch_size` items the batch holds; None if it is a whole batch of any size.
    """
    data, structure, excerpt = (x.to(place) for x in (batch.latents, batch.structure, batch.timbre_latents))
    count = data.size(0) if items is None else settings.training.batch_size
    rows = slice(None) if items is None else slice(items.start, items.stop)
    objective = model.sampler.objective
    t = objective.draw_times(count, generator)[rows].to(place)
    noise = torch.randn((count, *data.shape[1:]), generator=generator)[rows].to(place)
    keep_structure, keep_timbre = (x[rows].to(place) for x in draw_conditions(count, settings.dropout, generator))
    shift = torch.randn((count, model.timbre_size), generator=generator)[rows].to(place)
    jitter = _structure_noise(model, count, data.size(1), settings, generator)[rows].to(place)
    x_t = objective.mix(data, noise, t)
    timbre_noise = settings.model.timbre.noise * shift
    prediction, code, timbre = model(x_t, t, structure, jitter, excerpt, timbre_noise, keep_structure, keep_timbre)
    return Pass(objective.loss(prediction, data, noise, t), code, timbre)


def compute_loss(
    model: Model,
    batch: Batch,
    settings: DiffusionTrainingSettings,
    generator: torch.Generator,
    place: torch.device,
    items: range | None = None,
) -> Tensor:
    """Give the objective's loss of one batch; see `run_pass`."""
    return run_pass(model, batch, settings, generator, place, items).loss


def _structure_noise(
    model: Model, count: int, num_frames: int, settings: DiffusionTrainingSettings, generator: torch.Generator
) -> Tensor:
    """Draw the noise of learned structure; nothing is drawn where structure is played."""
    if model.code is None:
        return torch.zeros(count, 1, 1)
    return torch.randn((count, num_frames, settings.model.structure.code_size), generator=generator)


class Critics(nn.Module):
    """Those who look for timbre in the structure and for pitch in the timbre.

    Args:
        settings: of the training.
        num_groups: groups in the data.
    """

    def __init__(self, settings: DiffusionTrainingSettings, num_groups: int) -> None:
        super().__init__()
        self.settings: DisentanglingSettings = settings.disentangling
        timbre_size, width = settings.model.timbre.size, settings.disentangling.critic_width
        channels = structure_channels(settings.model.structure)
        self.timbre: TimbreCritic | None = None
        self.pitch: PitchCritic | None = None
        if self.settings.timbre_critic > 0:
            self.timbre = TimbreCritic(channels, timbre_size=timbre_size, num_groups=num_groups, width=width)
        if self.settings.pitch_critic > 0:
            self.pitch = PitchCritic(timbre_size, width=width)

    def judge_structure(self, structure: Tensor, timbre: Tensor, group: Tensor, weight: float) -> Tensor | None:
        """Give the critic's loss on structure [B, L, S]; its gradient reaches the structure reversed and weighed."""
        if self.timbre is None:
            return None
        guess, logits = self.timbre(reverse_gradient(structure, weight * self.settings.timbre_critic))
        return timbre_regression_loss(guess, timbre) + group_loss(logits, group)

    def judge_timbre(self, timbre: Tensor, pitches: Tensor, weight: float) -> Tensor | None:
        """Give the critic's loss on timbres [B, E]; its gradient reaches them reversed and weighed."""
        if self.pitch is None:
            return None
        logits = self.pitch(reverse_gradient(timbre, weight * self.settings.pitch_critic))
        return pitch_loss(logits, pitches, octave_weight=self.settings.octave_share)


def correlation_term(code: Tensor, timbre: Tensor, group: Tensor) -> Tensor:
    """Penalise what is linear between structure and timbre, and between structure and group."""
    present = F.one_hot(group)
    present = present[:, present.sum(dim=0) > 0].float()
    return correlation_penalty(code, timbre) + correlation_penalty(code, present)


def cycle_term(model: Model, batch: Batch, outcome: Pass, generator: torch.Generator, place: torch.device) -> Tensor:
    """Give how far timbre and structure of what is generated in a foreign timbre are from those that were asked for.

    What was asked for is detached, and the encoders that judge the result do not learn from it: only what generates
    does. Source: Demerle et al. 2024, "Combining audio control and style transfer using latent diffusion",
    arXiv 2408.00196, section on cycle consistency.
    """
    objective = model.sampler.objective
    data = batch.latents.to(place)
    t = (_CYCLE_TIMES * torch.rand(data.size(0), generator=generator)).to(place)
    noise = torch.randn(data.shape, generator=generator).to(place)
    x_t = objective.mix(data, noise, t)
    structure, timbre = outcome.structure.detach(), outcome.timbre.detach().roll(1, dims=0)
    keep = torch.ones(data.size(0), dtype=torch.bool, device=place)
    prediction: Tensor = model.predict(x_t, t, structure, timbre, keep, keep)
    made, _ = objective.estimates(x_t, prediction.float(), t)
    heard: Tensor = _judge(model.timbre_encoder, made)
    loss = F.mse_loss(heard, timbre)
    if model.code is not None:
        loss = loss + F.mse_loss(_judge(model.code, made), structure)
    return loss


def _judge(encoder: nn.Module, made: Tensor) -> Tensor:
    """Run an encoder as it is: gradients pass through it, but it does not learn."""
    fixed = {name: tensor.detach() for name, tensor in encoder.state_dict(keep_vars=True).items()}
    judged: Tensor = functional_call(encoder, fixed, (made,))
    return judged
