"""Losses between a codec and its discriminators, and a balance of several losses by their gradients.

Source: Lim and Ye 2017 (geometric GAN), arXiv 1705.02894, for the hinge; Defossez et al. 2022 (EnCodec), arXiv
2210.13438, section 3.4, for the rest.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from after.codec.discriminators import Judgement
from after.errors import ConfigError

_SMALLEST = 1e-12


def discriminator_loss(real: Sequence[Judgement], fake: Sequence[Judgement]) -> Tensor:
    """Give the mean over discriminators of max(0, 1 - D(real)) + max(0, 1 + D(fake)); 2 where none can tell."""
    losses = [
        F.relu(1.0 - r.float()).mean() + F.relu(1.0 + f.float()).mean()
        for (r, _), (f, _) in zip(real, fake, strict=True)
    ]
    return torch.stack(losses).mean()


def generator_loss(fake: Sequence[Judgement]) -> Tensor:
    """Give the mean over discriminators of max(0, 1 - D(fake))."""
    return torch.stack([F.relu(1.0 - logits.float()).mean() for logits, _ in fake]).mean()


def feature_loss(real: Sequence[Judgement], fake: Sequence[Judgement]) -> Tensor:
    """Give the mean over discriminators and layers of |real - fake| relative to |real|, per item.

    The recording's features count as constants. Each item is measured by its own features, so that a batch that several
    processes share has the same loss.
    """
    distances = [
        _relative_distance(a.detach().float(), b.float())
        for (_, of_real), (_, of_fake) in zip(real, fake, strict=True)
        for a, b in zip(of_real, of_fake, strict=True)
    ]
    return torch.stack(distances).mean()


def _relative_distance(real: Tensor, fake: Tensor) -> Tensor:
    """Give the mean over items of sum |real - fake| / sum |real|."""
    inner = tuple(range(1, real.dim()))
    return ((fake - real).abs().sum(inner) / real.abs().sum(inner).clamp_min(_SMALLEST)).mean()


def _alone(value: Tensor) -> Tensor:
    """Give a value of a single process as it is."""
    return value


class Balancer(nn.Module):
    """Combine the gradients of several losses so that weights say which share each has, whatever their scales.

    The gradient is sum_i w_i / sum(w) * g_i / <|g_i|>, where g_i is a loss' gradient with respect to the reconstruction
    and <> a running mean. |g_i| is the mean norm of the items' own gradients, so neither the batch size nor the number
    of processes changes the balance. The running means are buffers and travel in checkpoints.

    Args:
        weights: by the names of the losses, each above 0.
        decay: of the running means, which start unbiased: the first call divides by its own norms.
        mean_over_ranks: averages a tensor over the processes.

    Raises:
        ConfigError: if a weight is not above 0, or the decay not within 0 and 1.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        *,
        decay: float = 0.999,
        mean_over_ranks: Callable[[Tensor], Tensor] = _alone,
    ) -> None:
        super().__init__()
        if not weights or min(weights.values()) <= 0:
            raise ConfigError(f"the balancer's weights are {dict(weights)}; each must be above 0: leave others out")
        if not 0 <= decay < 1:
            raise ConfigError(f"the balancer's decay is {decay}; it must be within 0 and 1")
        self.weights = dict(weights)
        self.decay = decay
        self.mean_over_ranks = mean_over_ranks
        for name in weights:
            self.register_buffer(f"running_{name}", torch.zeros(2))

    def norms(self) -> dict[str, Tensor]:
        """Give the running mean norm of each loss' gradient; 0 for one that was not seen yet."""
        running = {name: self.get_buffer(f"running_{name}") for name in self.weights}
        return {name: total / count.clamp_min(_SMALLEST) for name, (total, count) in running.items()}

    def forward(self, losses: Mapping[str, Tensor], reconstruction: Tensor, gain: Tensor | None = None) -> Tensor:
        """Give the one gradient to go on with: `reconstruction.backward(gradient)`.

        Args:
            losses: scalars, means over items, computed from `reconstruction`; a part of the weights' names will do.
                Their graphs down to the reconstruction are used up.
            reconstruction: [B, 1, T], as it went into the losses.
            gain: [B, 1, 1] by which items were brought to one level (`level_gain`). Norms are then measured on the
                levelled reconstruction: else quiet items, whose relative losses have steep gradients, outweigh all.

        Returns:
            [B, 1, T]; where every loss has its usual norm, the item gradients have a mean norm of 1 or less.
        """
        total = sum(self.weights[name] for name in losses)
        combined = torch.zeros_like(reconstruction)
        for index, (name, loss) in enumerate(losses.items()):
            (gradient,) = torch.autograd.grad(loss, [reconstruction], retain_graph=index < len(losses) - 1)
            norm = self._update(name, gradient, gain)
            combined += gradient * (self.weights[name] / total / norm.clamp_min(_SMALLEST))
        return combined

    @torch.no_grad()
    def _update(self, name: str, gradient: Tensor, gain: Tensor | None) -> Tensor:
        """Take one gradient into its running mean norm and give that."""
        # items share a mean, so each has 1 / B of its own gradient and the sum over items is the mean of the norms
        levelled = gradient if gain is None else gradient / gain
        norm = self.mean_over_ranks(torch.linalg.vector_norm(levelled.float().flatten(1), dim=1).sum())
        running = self.get_buffer(f"running_{name}")
        running.mul_(self.decay).add_(torch.stack([norm, torch.ones_like(norm)]))
        return running[0] / running[1]
