"""The preconditioned denoiser of EDM, whose inputs, outputs and errors all have unit variance at any noise level.

Source: Karras et al. 2022, arXiv 2206.00364, table 1 (last column), equations 5, 7 and 8, with sigma_data = 1.
"""

import torch
from torch import Tensor

from after.diffusion.objective import Objective, normal_quantiles, per_item, stratified


class Edm(Objective):
    """x_t = data + sigma noise, where sigma falls from sigma_max to 0 along t.

    The denoiser is D(x; sigma) = c_skip x + c_out F(c_in x; c_noise), F the network. Time is laid out so that sigma is
    linear in it: a step in t is then a step in sigma, as in the paper's algorithm 1, and DDIM and Euler are the same.
    `rho_times` chooses the steps. Noise levels above sigma_max, which training may draw, lie before t = 0.

    Args:
        p_mean: mean of ln sigma in training.
        p_std: its standard deviation.
        sigma_min: noise level of the last step's start.
        sigma_max: noise level at t = 0.
        rho: larger makes steps at low noise shorter.
    """

    def __init__(self, *, p_mean: float, p_std: float, sigma_min: float, sigma_max: float, rho: float) -> None:
        super().__init__()
        self.p_mean = p_mean
        self.p_std = p_std
        self.sigma_min = sigma_min
        self.sigma_max = sigma_max
        self.rho = rho

    def alpha(self, t: Tensor) -> Tensor:
        """Give 1: noise is added to data at its full level."""
        return torch.ones_like(t)

    def sigma(self, t: Tensor) -> Tensor:
        """Give the noise level."""
        return self.sigma_max * (1.0 - t)

    def alpha_rate(self, t: Tensor) -> Tensor:
        """Give 0."""
        return torch.zeros_like(t)

    def sigma_rate(self, t: Tensor) -> Tensor:
        """Give what the noise level falls by over the whole path."""
        return torch.full_like(t, -self.sigma_max)

    def c_skip(self, t: Tensor) -> Tensor:
        """Give the share of x_t in the denoised: 1 / (sigma^2 + 1)."""
        return 1.0 / (self.sigma(t).square() + 1.0)

    def c_out(self, t: Tensor) -> Tensor:
        """Give the level of the network's share in it: sigma / sqrt(sigma^2 + 1)."""
        sigma = self.sigma(t)
        return sigma / torch.sqrt(sigma.square() + 1.0)

    def scale(self, t: Tensor) -> Tensor:
        """Give c_in = 1 / sqrt(sigma^2 + 1)."""
        return torch.rsqrt(self.sigma(t).square() + 1.0)

    def network_time(self, t: Tensor) -> Tensor:
        """Give c_noise = ln(sigma) / 4."""
        return 0.25 * torch.log(self.sigma(t))

    def own_times(self, num_steps: int, device: torch.device) -> Tensor:
        """Give the paper's steps."""
        return rho_times(num_steps, self.sigma_min, self.sigma_max, self.rho, device)

    def target(self, data: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Give what F must be for D to be the data: (data - c_skip x_t) / c_out."""
        x = self.mix(data, noise, t)
        return (data - per_item(self.c_skip(t), x) * x) / per_item(self.c_out(t), x)

    def weight(self, t: Tensor) -> Tensor:
        """Give lambda(sigma) c_out(sigma)^2, lambda = (sigma^2 + 1) / sigma^2; the paper's choice makes it 1."""
        sigma = self.sigma(t)
        return (sigma.square() + 1.0) / sigma.square() * self.c_out(t).square()

    def estimates(self, x: Tensor, prediction: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Give D and (x_t - D) / sigma, the latter written out so that nothing is divided by sigma."""
        c_in, sigma = per_item(self.scale(t), x), per_item(self.sigma(t), x)
        data = per_item(self.c_skip(t), x) * x + per_item(self.c_out(t), x) * prediction
        return data, c_in * (c_in * sigma * x - prediction)

    def draw_times(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Draw the times [B] of log-normal noise levels, stratified; float64, as low levels lie close to t = 1."""
        normal = normal_quantiles(stratified(batch_size, generator).double())
        return 1.0 - torch.exp(self.p_mean + self.p_std * normal) / self.sigma_max


def rho_times(num_steps: int, sigma_min: float, sigma_max: float, rho: float, device: torch.device) -> Tensor:
    """Give [num_steps + 1] times, float64: noise levels evenly spaced in sigma^(1/rho), sigma_max to sigma_min, then 0.

    Source: Karras et al. 2022, arXiv 2206.00364, equation 5.
    """
    share = torch.arange(num_steps, dtype=torch.float64, device=device) / max(1, num_steps - 1)
    first, last = sigma_max ** (1.0 / rho), sigma_min ** (1.0 / rho)
    sigma = torch.pow(first + share * (last - first), rho)
    times = 1.0 - sigma / sigma_max
    return torch.cat([times, torch.ones(1, dtype=torch.float64, device=device)])
