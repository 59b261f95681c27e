"""Latents normalised to zero mean and unit variance per channel, with the statistics in the checkpoint."""

import torch
from torch import Tensor, nn


class LatentNorm(nn.Module):
    """Normalise each latent channel by statistics that are measured once.

    Args:
        num_latents: channels, D.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, num_latents: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(num_latents))
        self.register_buffer("std", torch.ones(num_latents))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise [B, L, D]."""
        return (x - self.mean) / self.std

    @torch.jit.ignore
    def fit(self, normalised: Tensor) -> None:
        """Measure the statistics anew on what `forward` gave, [B, L, D]."""
        rows = (normalised * self.std + self.mean).flatten(0, 1)
        self.mean.copy_(rows.mean(dim=0))
        self.std.copy_(rows.std(dim=0).clamp_min(1e-4))
