"""What every denoising network offers, and how time and timbre steer it."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def embed_time(t: Tensor, size: int) -> Tensor:
    """Give sines and cosines [B, size] of times [B] at frequencies from 1 to 1000 radians per unit of time."""
    frequency = torch.exp(torch.linspace(0.0, math.log(1000.0), size // 2, device=t.device))
    angle = t[:, None] * frequency[None, :]
    return torch.cat([torch.cos(angle), torch.sin(angle)], dim=1)


class Denoiser(nn.Module):
    """Base of all networks that tell noise from data: [B, L, D] noisy latents to a prediction of the same shape.

    A network defines `init_state` and `advance`. It streams exactly: `step` on blocks of any sizes gives what `forward`
    gives on the whole, without latency.

    Time and timbre become one condition, and that the scales, shifts and gates (the modulation) of all blocks in one
    matrix product; each block adds a table of its own, which costs next to nothing. Source: Peebles and Xie 2023 (DiT),
    arXiv 2212.09748, section 3.2 (adaLN-zero); Chen et al. 2023 (PixArt), arXiv 2310.00426, section 2.3 (adaLN-single).

    Args:
        timbre_size: E.
        width: of the condition.
        num_modulations: M, the numbers that modulate one frame.
        num_states: tensors in the state.
    """

    def __init__(self, timbre_size: int, *, width: int, num_modulations: int, num_states: int) -> None:
        super().__init__()
        self.num_states = num_states
        self.time_size = 64
        self.embed_time = nn.Sequential(nn.Linear(self.time_size, width), nn.SiLU(), nn.Linear(width, width))
        self.embed_timbre = nn.Sequential(nn.Linear(timbre_size, width), nn.SiLU(), nn.Linear(width, width))
        self.modulate = nn.Linear(width, num_modulations)
        # gates start at zero: the network begins as the identity of its shortcuts
        nn.init.zeros_(self.modulate.weight)
        nn.init.zeros_(self.modulate.bias)

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the state of a stream that has seen nothing."""
        raise TypeError("a denoiser defines its own state")

    def advance(
        self, x_t: Tensor, modulation: Tensor, structure: Tensor, state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Do what `step` does, with time and timbre already turned into a modulation [B, 1 or L, M]."""
        raise TypeError("a denoiser defines how it advances")

    def forward(self, x_t: Tensor, t: Tensor, structure: Tensor, timbre: Tensor) -> Tensor:
        """Predict for whole excerpts; arguments as for `step`."""
        prediction, _ = self.step(x_t, t, structure, timbre, self.init_state(x_t.size(0)))
        return prediction

    def step(
        self, x_t: Tensor, t: Tensor, structure: Tensor, timbre: Tensor, state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Predict for one block.

        Args:
            x_t: [B, L, D] noisy latents, channel-last, scaled as the objective wants.
            t: [B] the time, as the objective tells it to networks.
            structure: [B, L, S] encoded structure.
            timbre: [B, 1 or L, E].
            state: from `init_state` or the previous call at the same evaluation of a sampler; not modified.

        Returns:
            prediction [B, L, D] and the next state.
        """
        return self.advance(x_t, self.modulation(t, timbre), structure, state)

    def modulation(self, t: Tensor, timbre: Tensor) -> Tensor:
        """Give the modulation [B, 1 or L, M] at t [B]."""
        condition = self._embed(t)[:, None] + self.embed_timbre(timbre)
        modulation: Tensor = self.modulate(F.silu(condition))
        return modulation

    def modulations(self, t: Tensor, timbre: Tensor) -> Tensor:
        """Give what `advance` needs at all times of a sampler in one go: [K, B, 1 or L, M].

        Args:
            t: [K] times, the same for all items.
            timbre: [B, 1 or L, E].
        """
        condition = self._embed(t)[:, None, None] + self.embed_timbre(timbre)
        modulation: Tensor = self.modulate(F.silu(condition))
        return modulation

    def _embed(self, t: Tensor) -> Tensor:
        embedding: Tensor = self.embed_time(embed_time(t, self.time_size))
        return embedding
