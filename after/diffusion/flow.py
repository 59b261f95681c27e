"""Rectified flow: the straight path from noise to data and the loss that learns its direction.

Source: Liu et al. 2022, arXiv 2209.03003, equation 1; time distribution: Esser et al. 2024, arXiv 2403.03206,
section 3.1.
"""

import torch
from torch import Tensor


def interpolate(noise: Tensor, data: Tensor, t: Tensor) -> Tensor:
    """Give x_t = (1 - t) noise + t data for [B, L, D] pairs and t [B]."""
    t = t[:, None, None]
    return (1.0 - t) * noise + t * data


def draw_times(batch_size: int, *, generator: torch.Generator) -> Tensor:
    """Draw logit-normal times [B] in (0, 1), stratified over the batch so that each update sees all of them.

    The normal quantiles of evenly spaced probabilities, shifted by one common random offset, then a sigmoid.
    """
    offset = torch.rand(1, generator=generator)
    probability = (torch.arange(batch_size) + offset) / batch_size
    return torch.sigmoid(torch.special.ndtri(probability.clamp(1e-4, 1 - 1e-4)))


def flow_loss(predicted: Tensor, noise: Tensor, data: Tensor) -> Tensor:
    """Give the mean squared error against the flow, data - noise; scalar."""
    return (predicted.float() - (data - noise)).square().mean()
