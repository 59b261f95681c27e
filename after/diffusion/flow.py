"""Rectified flow: a straight path from noise to data, and a network that predicts its direction.

Source: Liu et al. 2022, arXiv 2209.03003, equation 1.
"""

import torch
from torch import Tensor

from after.diffusion.objective import Objective, draw_path_times, per_item


class Flow(Objective):
    """x_t = t data + (1 - t) noise; the network predicts the flow, dx/dt = data - noise.

    Args:
        time_distribution: of the times in training, `logit_normal` or `uniform`.
    """

    def __init__(self, *, time_distribution: str = "logit_normal") -> None:
        super().__init__()
        self.time_distribution = time_distribution

    def alpha(self, t: Tensor) -> Tensor:
        """Give t."""
        return t

    def sigma(self, t: Tensor) -> Tensor:
        """Give 1 - t."""
        return 1.0 - t

    def alpha_rate(self, t: Tensor) -> Tensor:
        """Give 1."""
        return torch.ones_like(t)

    def sigma_rate(self, t: Tensor) -> Tensor:
        """Give -1."""
        return -torch.ones_like(t)

    def target(self, data: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Give the flow."""
        return data - noise

    def estimates(self, x: Tensor, prediction: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Follow the predicted flow from x_t to both ends of the path."""
        t = per_item(t, x)
        return x + (1.0 - t) * prediction, x - t * prediction

    def draw_times(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Draw times [B] in (0, 1), stratified."""
        return draw_path_times(self.time_distribution, batch_size, generator)
