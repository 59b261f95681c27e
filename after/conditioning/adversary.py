"""Critics that look for timbre in the structure and for pitch in the timbre, and the reversal that makes them enemies.

A critic learns to read what should not be there; the reversed gradient of its loss teaches the encoder to take it out.
Both happen in one backward pass: `loss = ... + critic_loss(critic(reverse_gradient(code, weight)), target)`.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from after.conditioning.timbre import TimbreEncoder

NUM_CLASSES, NUM_OCTAVES = 12, 11
"""Pitch classes, and octaves that the MIDI pitches 0-127 reach."""


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.scale * gradients[0], None


def reverse_gradient(x: Tensor, scale: float) -> Tensor:
    """Give x as it is, with its gradient multiplied by -scale.

    Source: Ganin and Lempitsky 2015, arXiv 1409.7495, section 3.2, the gradient reversal layer.
    """
    reversed_x: Tensor = _Reversal.apply(x, scale)  # type: ignore[no-untyped-call]
    return reversed_x


def adversary_weight(iteration: int, *, start: int, length: int) -> float:
    """Give the weight of the adversary at an iteration: 0 up to `start`, then a smooth rise to 1 over `length`.

    Critics begin untrained, so their first gradients would be noise. The weight is 0.46 after a tenth of the rise and
    0.99 after half of it. Source: Ganin and Lempitsky 2015, arXiv 1409.7495, section 4, the schedule of lambda with
    gamma = 10.
    """
    progress = min(max((iteration - start) / max(length, 1), 0.0), 1.0)
    return 2.0 / (1.0 + math.exp(-10.0 * progress)) - 1.0


class TimbreCritic(nn.Module):
    """Guess the timbre, and the group it belongs to, from structure: convolutions, then attentive pooling over time.

    Args:
        structure_channels: S.
        timbre_size: E.
        num_groups: groups (instruments) in the data; 1 if they are not known.
        width: features.
        num_blocks: residual blocks.
        kernel_size: taps of their convolutions over time.
    """

    def __init__(
        self,
        structure_channels: int,
        *,
        timbre_size: int,
        num_groups: int = 1,
        width: int = 128,
        num_blocks: int = 2,
        kernel_size: int = 5,
    ) -> None:
        super().__init__()
        self.pool = TimbreEncoder(
            structure_channels, width=width, num_blocks=num_blocks, kernel_size=kernel_size, timbre_size=width
        )
        self.guess_timbre = nn.Linear(width, timbre_size)
        self.guess_group = nn.Linear(width, num_groups)

    def forward(self, structure: Tensor) -> tuple[Tensor, Tensor]:
        """Turn structure [B, L, S] into a timbre [B, E] within +-1 and the logits of groups [B, G]."""
        pooled = self.pool(structure)
        return torch.tanh(self.guess_timbre(pooled)), self.guess_group(pooled)


def timbre_regression_loss(guess: Tensor, timbre: Tensor) -> Tensor:
    """Give the mean squared error of guessed timbres [B, E].

    Its floor for structure that tells nothing is the timbres' variance. The timbre is detached: its encoder shall
    not learn to be easy or hard to guess.
    """
    return F.mse_loss(guess, timbre.detach())


def group_loss(logits: Tensor, group: Tensor) -> Tensor:
    """Give the cross-entropy in nats of logits [B, G] and groups [B]; where the group is -1 (unknown) nothing counts.

    Its floor for structure that tells nothing is the entropy of the groups, ln G where all are equally frequent.
    """
    known = group >= 0
    total = F.cross_entropy(logits, group, ignore_index=-1, reduction="sum")
    return total / known.sum().clamp_min(1)


class PitchCritic(nn.Module):
    """Guess which pitch classes and octaves an excerpt holds from its timbre.

    Args:
        timbre_size: E.
        width: features of the two hidden layers.
    """

    def __init__(self, timbre_size: int, *, width: int = 128) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(timbre_size, width),
            nn.GELU(),
            nn.Linear(width, width),
            nn.GELU(),
            nn.Linear(width, NUM_CLASSES + NUM_OCTAVES),
        )

    def forward(self, timbre: Tensor) -> Tensor:
        """Turn timbre [B, E] into logits [B, 12 + 11]: of the pitch classes, then of the octaves."""
        logits: Tensor = self.layers(timbre)
        return logits


def pitch_shares(structure: Tensor) -> Tensor:
    """Give the shares of pitch classes and octaves in whole excerpts.

    Args:
        structure: [B, L, 128 or more], a piano roll or pitch and loudness: the first 128 channels are pitches.

    Returns:
        [B, 12 + 11], the shares of the classes, then those of the octaves, each adding up to 1; zeros without a pitch.
    """
    weights = F.pad(structure[:, :, :128].sum(dim=1), [0, NUM_CLASSES * NUM_OCTAVES - 128])
    table = weights.reshape(-1, NUM_OCTAVES, NUM_CLASSES)
    table = table / table.sum(dim=(1, 2), keepdim=True).clamp_min(1e-6)
    return torch.cat([table.sum(dim=1), table.sum(dim=2)], dim=1)


def mean_pitch(shares: Tensor) -> Tensor:
    """Give the mean MIDI pitch [N] of `pitch_shares` [N, 12 + 11]; 0 where there is no pitch."""
    height = torch.cat([torch.arange(NUM_CLASSES), NUM_CLASSES * torch.arange(NUM_OCTAVES)])
    return shares @ height.to(shares)


def pitch_loss(logits: Tensor, shares: Tensor, *, octave_weight: float = 1.0) -> Tensor:
    """Give the cross-entropy in nats of guessed pitches and `pitch_shares`, [B, 12 + 11] each.

    Its floor for timbre that tells nothing is the entropy of the mean shares. Instruments have ranges, so a timbre that
    names one tells its octave: lower `octave_weight` where registers should stay part of the timbre.
    """
    terms: list[Tensor] = []
    for guess, share in zip(
        logits.split([NUM_CLASSES, NUM_OCTAVES], dim=1),  # type: ignore[no-untyped-call]
        shares.split([NUM_CLASSES, NUM_OCTAVES], dim=1),  # type: ignore[no-untyped-call]
        strict=True,
    ):
        terms.append(-(share * guess.log_softmax(dim=1)).sum())
    num_pitched = (shares.sum(dim=1) > 0.5).sum().clamp_min(1)
    return (terms[0] + octave_weight * terms[1]) / num_pitched
