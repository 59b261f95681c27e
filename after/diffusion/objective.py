"""What every objective of diffusion gives: a path from noise to data, what a network learns on it, what that tells.

All objectives share one picture: x_t = alpha(t) data + sigma(t) noise, with t from 0 (noise) to 1 (data). They differ
in the path, in what the network is fed, and in what it predicts; any prediction tells both the data and the noise of
x_t, and with these a sampler walks the path. Latents have unit variance, so sigma_data = 1 throughout.

Source: Karras et al. 2022, arXiv 2206.00364, section 2 and table 1; Kingma and Gao 2023, arXiv 2303.00848, section 2.
"""

import math

import torch
from torch import Tensor, nn


class Objective(nn.Module):
    """Base of all objectives; coefficients are functions of times of any shape, in the dtype of the times.

    A network's input is `scale(t) * x_t` and `network_time(t)`; its output is compared with `target`, weighed by
    `weight(t)`. TorchScript compiles what samplers call.
    """

    def alpha(self, t: Tensor) -> Tensor:
        """Give the share of the data in x_t."""
        raise TypeError("an objective defines its own path")

    def sigma(self, t: Tensor) -> Tensor:
        """Give the share of the noise in x_t."""
        raise TypeError("an objective defines its own path")

    def alpha_rate(self, t: Tensor) -> Tensor:
        """Give the derivative of alpha."""
        raise TypeError("an objective defines its own path")

    def sigma_rate(self, t: Tensor) -> Tensor:
        """Give the derivative of sigma."""
        raise TypeError("an objective defines its own path")

    def scale(self, t: Tensor) -> Tensor:
        """Give the factor that brings x_t to unit variance or near it, for the network."""
        return torch.ones_like(t)

    def network_time(self, t: Tensor) -> Tensor:
        """Give how the network is told the time."""
        return t

    def own_times(self, num_steps: int, device: torch.device) -> Tensor:
        """Give the times [num_steps + 1], float64 from 0 to 1, of the objective's own step schedule."""
        return uniform_times(num_steps, device)

    def target(self, data: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Give what the network should predict at t [B] for data and noise [B, L, D]."""
        raise TypeError("an objective defines its own target")

    def weight(self, t: Tensor) -> Tensor:
        """Give the weight [B] of the squared error at t [B]."""
        return torch.ones_like(t)

    def estimates(self, x: Tensor, prediction: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        """Tell data and noise [B, L, D] from x_t and the network's prediction, at t [B] or a scalar."""
        raise TypeError("an objective defines what its prediction means")

    def draw_times(self, batch_size: int, generator: torch.Generator) -> Tensor:
        """Draw times [B] to train at, stratified over the batch so that each update sees all of them."""
        raise TypeError("an objective defines its own times")

    def slope(self, data: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Give dx/dt along the path, of the deterministic (probability flow) equation."""
        return per_item(self.alpha_rate(t), data) * data + per_item(self.sigma_rate(t), data) * noise

    def mix(self, data: Tensor, noise: Tensor, t: Tensor) -> Tensor:
        """Give x_t of [B, L, D] pairs at t [B] or a scalar."""
        return per_item(self.alpha(t), data) * data + per_item(self.sigma(t), data) * noise

    def loss(self, prediction: Tensor, data: Tensor, noise: Tensor, t: Tensor, level_weight: float = 1.0) -> Tensor:
        """Give the weighed mean squared error of predictions [B, L, D] at t [B]; scalar.

        `level_weight` is that of the first latent, which many codecs keep for the level: one of many for the
        network, but heard in all the others.
        """
        error = (prediction.float() - self.target(data, noise, t)).square()
        error = per_item(self.weight(t), error) * error
        return error.mean() + (level_weight - 1.0) * error[:, :, 0].mean() / error.size(2)


def per_item(value: Tensor, like: Tensor) -> Tensor:
    """Shape coefficients [B], or a scalar, to multiply [B, L, D], in its dtype."""
    return value.to(like.dtype) if value.dim() == 0 else value[:, None, None].to(like.dtype)


def uniform_times(num_steps: int, device: torch.device) -> Tensor:
    """Give [num_steps + 1] evenly spaced times from 0 to 1, float64."""
    return torch.arange(num_steps + 1, dtype=torch.float64, device=device) / num_steps


def cosine_times(num_steps: int, device: torch.device) -> Tensor:
    """Give [num_steps + 1] times t = (1 - cos(pi u)) / 2 of even u, float64: the steps are short at both ends."""
    return 0.5 * (1.0 - torch.cos(math.pi * uniform_times(num_steps, device)))


def stratified(batch_size: int, generator: torch.Generator) -> Tensor:
    """Draw [B] probabilities, one in each of B equal strata of 0..1: evenly spaced, under one common random shift."""
    offset = torch.rand(1, generator=generator)
    return (torch.arange(batch_size) + offset) / batch_size


def normal_quantiles(probability: Tensor) -> Tensor:
    """Give the standard normal values below which the given shares lie, within +-3.7."""
    quantiles: Tensor = torch.special.ndtri(probability.clamp(1e-4, 1 - 1e-4))
    return quantiles


def draw_path_times(distribution: str, batch_size: int, generator: torch.Generator) -> Tensor:
    """Draw stratified times [B] in (0, 1): `logit_normal` (the sigmoid of a standard normal) or `uniform`.

    Source: Esser et al. 2024, arXiv 2403.03206, section 3.1.
    """
    probability = stratified(batch_size, generator)
    return probability if distribution == "uniform" else torch.sigmoid(normal_quantiles(probability))
