"""Latents normalised to zero mean and unit variance per channel, with the statistics in the checkpoint."""

import torch
from torch import Tensor, nn

from after.ranks import global_mean

_LEAST_STD = 0.05


class LatentNorm(nn.Module):
    """Normalise each latent channel by statistics of the training audio.

    Latents of a fixed analysis are measured once (`fit`). Latents that are learned move while they are learned: then
    training normalises each batch by its own statistics and keeps a running mean of these for use. Source: Ioffe and
    Szegedy 2015, arXiv 1502.03167, algorithms 1 and 2, without the learned scale.

    Args:
        num_latents: channels, D.
        momentum: share of a batch's statistics in the running ones; 0 for statistics that are measured once.
        num_fixed: so many channels at the front keep what was measured once all the same.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, num_latents: int, *, momentum: float = 0.0, num_fixed: int = 0) -> None:
        super().__init__()
        self.momentum = momentum
        self.num_fixed = num_fixed
        self.register_buffer("mean", torch.zeros(num_latents))
        self.register_buffer("std", torch.ones(num_latents))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise [B, L, D]."""
        if self.training and self.momentum > 0.0:
            return self._track(x)
        return (x - self.mean) / self.std

    @torch.jit.unused
    def _track(self, x: Tensor) -> Tensor:
        """Normalise by the batch (of all processes that train together), and remember its statistics."""
        mean = global_mean(x.mean(dim=(0, 1)))
        std = global_mean((x - mean).square().mean(dim=(0, 1))).add(_LEAST_STD**2).sqrt()
        mean = torch.cat([self.mean[: self.num_fixed], mean[self.num_fixed :]])
        std = torch.cat([self.std[: self.num_fixed], std[self.num_fixed :]])
        normalised = (x - mean) / std
        with torch.no_grad():
            self.mean.lerp_(mean.to(self.mean.dtype), self.momentum)
            self.std.lerp_(std.to(self.std.dtype), self.momentum)
        return normalised

    @torch.jit.ignore
    @torch.no_grad()
    def fit(self, normalised: Tensor) -> None:
        """Measure the statistics anew on what `forward` gave in evaluation mode, [B, L, D]."""
        rows = (normalised * self.std + self.mean).flatten(0, 1)
        self.mean.copy_(rows.mean(dim=0))
        self.std.copy_(rows.std(dim=0).clamp_min(_LEAST_STD))
