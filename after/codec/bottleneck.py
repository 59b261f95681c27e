"""Latents normalised to unit variance per channel, with the statistics in the checkpoint."""

import torch
from torch import Tensor, nn


class LatentNorm(nn.Module):
    """Normalise each latent channel to zero mean and unit variance.

    In training with the batch's statistics, which are averaged for later use; in evaluation with the averages.

    Args:
        num_latents: channels, D.
        momentum: weight of a new batch in the running averages.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, num_latents: int, *, momentum: float = 0.01) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(num_latents))
        self.register_buffer("std", torch.ones(num_latents))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise [B, L, D]."""
        if not self.training:
            return (x - self.mean) / self.std
        return self._train_step(x.float())

    @torch.jit.unused
    def _train_step(self, x: Tensor) -> Tensor:
        std, mean = torch.std_mean(x, dim=(0, 1))
        std = std.clamp_min(1e-4)
        with torch.no_grad():
            self.mean.lerp_(mean, self.momentum)
            self.std.lerp_(std, self.momentum)
        return (x - mean) / std
