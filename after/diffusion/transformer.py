"""A denoising network: a causal transformer with a local window, steered by time, timbre and structure."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from after.diffusion.denoiser import Denoiser
from after.streaming.attention import LocalAttention


class Block(nn.Module):
    """Attention over the recent past, then a feed-forward part, both scaled, shifted and gated by the condition.

    Source: Peebles and Xie 2023 (DiT), arXiv 2212.09748, figure 3 (adaLN-zero).

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


class TransformerDenoiser(Denoiser):
    """Attention over a local window, as deep as `num_layers`.

    Args:
        num_latents: D.
        timbre_size: E.
        width: features, and those of the structure.
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
        super().__init__(timbre_size, width=width, num_modulations=6 * width, num_states=2 * num_layers)
        self.project_in = nn.Linear(num_latents, width)
        self.blocks = nn.ModuleList(
            Block(width, num_heads=num_heads, window=window, expansion=expansion) for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.project_out = nn.Linear(width, num_latents)
        # a fresh network predicts zero
        nn.init.zeros_(self.project_out.weight)
        nn.init.zeros_(self.project_out.bias)

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the empty key and value caches of all blocks."""
        state: list[Tensor] = []
        for block in self.blocks:
            state.extend(block.init_state(batch_size))  # type: ignore[operator]
        return state

    def advance(
        self, x_t: Tensor, modulation: Tensor, structure: Tensor, state: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """Run one block of frames through all layers."""
        x = self.project_in(x_t) + structure
        next_state: list[Tensor] = []
        for index, block in enumerate(self.blocks):
            x, part = block.step(x, modulation, state[2 * index : 2 * index + 2])  # type: ignore[operator]
            next_state.extend(part)
        return self.project_out(self.norm(x)), next_state
