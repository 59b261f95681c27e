"""The losses of the generative model: the objective's own, and those that part structure and timbre."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from after.conditioning.independence import correlation_penalty
from after.data.loading.excerpts import Batch
from after.model import Model
from after.settings import DiffusionTrainingSettings, DropoutSettings
from after.training.distributed import gather_items

_CYCLE_SHARE = 4
"""Cycles begin in the noisiest quarter of the times trained at: there x_t tells little of what it was made of."""


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
    return Pass(objective.loss(prediction, data, noise, t, settings.level_weight), code, timbre)


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


def correlation_term(code: Tensor, timbre: Tensor, group: Tensor) -> Tensor:
    """Penalise what is linear between structure and timbre, and between structure and group."""
    present = F.one_hot(group)
    present = present[:, present.sum(dim=0) > 0].float()
    return correlation_penalty(code, timbre) + correlation_penalty(code, present)


def cycle_term(
    model: Model,
    batch: Batch,
    outcome: Pass,
    generator: torch.Generator,
    place: torch.device,
    items: range | None = None,
) -> Tensor:
    """Give how far timbre and structure of what is generated in a foreign timbre are from those that were asked for.

    What was asked for is detached, and the encoders that judge the result do not learn from it: only what generates
    does. The foreign timbre is that of the item before, over the batches of all ranks. Source: Demerle et al. 2024,
    "Combining audio control and style transfer using latent diffusion", arXiv 2408.00196, section on cycle consistency.

    Args:
        model: which generates.
        batch: all items, or this rank's.
        outcome: of `run_pass` on it.
        generator: draws for the whole batch, on every rank the same.
        place: the model's device.
        items: which of the whole batch's items it holds; None for all.
    """
    objective = model.sampler.objective
    data = batch.latents.to(place)
    timbres = gather_items(outcome.timbre.detach())
    count = timbres.size(0)
    rows = slice(0, count) if items is None else slice(items.start, items.stop)
    times = objective.draw_times(_CYCLE_SHARE * count, generator).sort().values[:count]
    t = times[torch.randperm(count, generator=generator)][rows].to(place)
    noise = torch.randn((count, *data.shape[1:]), generator=generator)[rows].to(place)
    x_t = objective.mix(data, noise, t)
    structure, timbre = outcome.structure.detach(), timbres.roll(1, dims=0)[rows]
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
