"""The denoising network: a causal transformer with a local window, steered by time, timbre and structure."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from after.streaming.attention import LocalAttention


class Block(nn.Module):
    """Attention over the recent past, then a feed-forward part, both scaled, shifted and gated by the condition.

    The condition is shared by all blocks; each adds a table of its own, which costs next to nothing. Source: Peebles
    and Xie 2023 (DiT), arXiv 2212.09748, section 3.2 (adaLN-zero); Chen et al. 2023 (PixArt), arXiv 2310.00426,
    section 2.3 (adaLN-single).

    Args:
        width: features.
        num_heads: attention heads.
        window: frames seen, the present one included.
        expansion: inner features of the feed-forward part as a multiple of `width`.
    """

    def __init__(self, width: int, *, num_heads: int, window: int, expansion: int) -> None:
        super().__init__()
        self.attention = LocalAttention(width, num_heads=num_heads, window=window)
        self.norm_attention = nn.LayerNorm(width, elementwise_affine=False)
        self.norm_feed = nn.LayerNorm(width, elementwise_affine=False)
        self.expand = nn.Linear(width, expansion * width)
        self.shrink = nn.Linear(expansion * width, width)
        self.table = nn.Parameter(torch.zeros(6 * width))

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the empty key and value cache."""
        return self.attention.init_state(batch_size)

    def step(self, x: Tensor, modulation: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Run one block [B, T, width] under modulation [B, 1 or T, 6 * width]."""
        scale_a, shift_a, gate_a, scale_f, shift_f, gate_f = (modulation + self.table).chunk(6, dim=2)
        y, state = self.attention.step(torch.addcmul(shift_a, self.norm_attention(x), 1.0 + scale_a), state)
        x = torch.addcmul(x, gate_a, y)
        y = torch.addcmul(shift_f, self.norm_feed(x), 1.0 + scale_f)
        y = self.shrink(F.gelu(self.expand(y), approximate="tanh"))
        return torch.addcmul(x, gate_f, y), state


def embed_time(t: Tensor, size: int) -> Tensor:
    """Give sines and cosines [B, size] of times [B] in 0..1 at frequencies from 1 to 1000 radians."""
    frequency = torch.exp(torch.linspace(0.0, math.log(1000.0), size // 2, device=t.device))
    angle = t[:, None] * frequency[None, :]
    return torch.cat([torch.cos(angle), torch.sin(angle)], dim=1)


class TransformerDenoiser(nn.Module):
    """Predict the flow of noisy latents.

    Every denoiser has this interface: `num_states`, `init_state(B)`, `step(x_t, t, structure, timbre, state)`, and for
    samplers `modulations(t, timbre)` and `advance(x_t, modulation, structure, state)`.

    Args:
        num_latents: D.
        timbre_size: E.
        width: features.
        num_layers: blocks.
        num_heads: attention heads.
        window: frames seen by each block.
        expansion: of the feed-forward parts.
    """

    def __init__(
        self,
        num_latents: int,
        timbre_size: int,
        *,
        width: int,
        num_layers: int,
        num_heads: int,
        window: int,
        expansion: int,
    ) -> None:
        super().__init__()
        self.width = width
        self.num_states = 2 * num_layers
        self.time_size = 64
        self.project_in = nn.Linear(num_latents, width)
        self.embed_time = nn.Sequential(nn.Linear(self.time_size, width), nn.SiLU(), nn.Linear(width, width))
        self.embed_timbre = nn.Sequential(nn.Linear(timbre_size, width), nn.SiLU(), nn.Linear(width, width))
        self.modulate = nn.Linear(width, 6 * width)
        self.blocks = nn.ModuleList(
            Block(width, num_heads=num_heads, window=window, expansion=expansion) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.project_out = nn.Linear(width, num_latents)
        # gates and output start at zero: the network begins as the identity of its shortcut and the zero prediction
        for layer in (self.modulate, self.project_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the empty key and value caches of all blocks."""
        state: list[Tensor] = []
        for block in self.blocks:
            state.extend(block.init_state(batch_size))  # type: ignore[operator]
        return state

    def step(
        self, x_t: Tensor, t: Tensor, structure: Tensor, timbre: Tensor, state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Predict the flow for one block.

        Args:
            x_t: [B, L, D] noisy latents, channel-last.
            t: [B] time on the path, 0 noise, 1 data.
            structure: [B, L, width] encoded structure.
            timbre: [B, 1 or L, E].
            state: from `init_state` or the previous call at the same sampler step; not modified.

        Returns:
            flow [B, L, D] and the next state.
        """
        condition = self._embed_time(t)[:, None] + self.embed_timbre(timbre)
        return self.advance(x_t, self.modulate(F.silu(condition)), structure, state)

    def modulations(self, t: Tensor, timbre: Tensor) -> Tensor:
        """Give what `advance` needs at all times of a sampler in one go: [K, B, 1 or L, 6 * width].

        Args:
            t: [K] times, the same for all items.
            timbre: [B, 1 or L, E].
        """
        condition = self._embed_time(t)[:, None, None] + self.embed_timbre(timbre)
        modulation: Tensor = self.modulate(F.silu(condition))
        return modulation

    def _embed_time(self, t: Tensor) -> Tensor:
        embedding: Tensor = self.embed_time(embed_time(t, self.time_size))
        return embedding

    def advance(
        self, x_t: Tensor, modulation: Tensor, structure: Tensor, state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Do what `step` does, with time and timbre already turned into a modulation [B, 1 or L, 6 * width]."""
        x = self.project_in(x_t) + structure
        next_state: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            x, part = block.step(x, modulation, state[2 * index : 2 * index + 2])  # type: ignore[operator]
            next_state.extend(part)
        return self.project_out(self.norm(x)), next_state
