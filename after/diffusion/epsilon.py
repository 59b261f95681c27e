"""Noise prediction on the cosine path, as most papers teach diffusion.

Source: Ho et al. 2020, arXiv 2006.11239, equation 14 (the simple loss); Nichol and Dhariwal 2021, arXiv 2102.09672,
equation 17 (the cosine schedule); Salimans and Ho 2022, arXiv 2202.00512, section 4 (as angles).
"""

import math

import torch
from torch import Tensor

from after.diffusion.objective import Objective, draw_path_times, per_item

FIRST_ANGLE = 0.1
"""Radians at t = 0. At 0 the data would be (x - noise) / 0; from here errors of the network grow 10 times at most."""


class Epsilon(Objective):
    """x_t = sin(angle) data + cos(angle) noise, where the angle goes from almost 0 to pi / 2; unit variance all along.

    The network predicts the noise. A stream starts from noise alone, which leaves out the 10 % of data in x_0.

    Args:
        time_distribution: of the times in training, `uniform` or `logit_normal`.
    """

    def __init__(self, *, time_distribution: str = "uniform") -> None:
        super().__init__()
        self.time_distribution = time_distribution
        self.first_angle = FIRST_ANGLE
        self.angle_rate = 0.5 * math.pi - FIRST_ANGLE

    def _angle(self, t: Tensor) -> Tensor:
        return self.first_angle + self.angle_rate * t

    def alpha(self, t: Tensor) -> Tensor:
        """Give the sine."""
        return torch.sin(self._angle(t))

    def sigma(self, t: Tensor) -> Tensor:
        """Give the cosine."""
        return torch.cos(self._angle(t))

    def alpha_rate(self, t: Tensor) -> Tensor:
        """Give the derivative of the sine."""
        return self.angle_rate * torch.cos(self._angle(t))

    def sigma_rate(self, t: Tensor) -> Tensor:
        """Give the derivative of the cosine."""
        return -self.angle_rate * torch.sin(self._angle(t))

    def target(self, data: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Give the noise."""
        return noise

    def estimates(self, x: Tensor, prediction: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Take the predicted noise away; what is left is alpha times the data."""
        alpha, sigma = per_item(self.alpha(t), x), per_item(self.sigma(t), x)
        return (x - sigma * prediction) / alpha, prediction

    def draw_times(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Draw times [B] in (0, 1), stratified."""
        return draw_path_times(self.time_distribution, batch_size, generator)
