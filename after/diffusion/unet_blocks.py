"""The residual blocks of the U-Net: over time by convolution or attention, steered by the condition."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from after.streaming.attention import LocalAttention
from after.streaming.conv import CausalDepthwiseConv1d


class ConvBlock(nn.Module):
    """A depthwise convolution over time, then two matrix products per frame, scaled, shifted and gated.

    Source: Liu et al. 2022 (ConvNeXt), arXiv 2201.03545, figure 4; the modulation of its norm as in Perez et al. 2018
    (FiLM), arXiv 1709.07871, equation 2, with the gate of adaLN-zero, arXiv 2212.09748, figure 3.

    Args:
        width: features.
        kernel_size: taps.
        expansion: inner features of the products as a multiple of `width`.
    """

    def __init__(self, width: int, *, kernel_size: int, expansion: int) -> None:
        super().__init__()
        self.num_states = 1
        self.mix_time = CausalDepthwiseConv1d(width, kernel_size=kernel_size)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.expand = nn.Linear(width, expansion * width)
        self.shrink = nn.Linear(expansion * width, width)
        self.table = nn.Parameter(torch.zeros(3 * width))

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the state of the convolution."""
        return self.mix_time.init_state(batch_size)

    def step(self, x: Tensor, modulation: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Run one block [B, T, width] under modulation [B, 1 or T, 3 * width]."""
        scale, shift, gate = (modulation + self.table).chunk(3, dim=2)
        y, state = self.mix_time.step(x, state)
        y = torch.addcmul(shift, self.norm(y), 1.0 + scale)
        y = self.shrink(F.gelu(self.expand(y), approximate="tanh"))
        return torch.addcmul(x, gate, y), state


class AttentionBlock(nn.Module):
    """Attention over a window of the recent past, scaled, shifted and gated.

    Args:
        width: features.
        num_heads: attention heads.
        window: frames seen.
    """

    def __init__(self, width: int, *, num_heads: int, window: int) -> None:
        super().__init__()
        self.num_states = 2
        self.attention = LocalAttention(width, num_heads=num_heads, window=window)
        self.norm = nn.LayerNorm(width, elementwise_affine=False)
        self.table = nn.Parameter(torch.zeros(3 * width))

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the empty key and value cache."""
        return self.attention.init_state(batch_size)

    def step(self, x: Tensor, modulation: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Run one block [B, T, width] under modulation [B, 1 or T, 3 * width]."""
        scale, shift, gate = (modulation + self.table).chunk(3, dim=2)
        y, state = self.attention.step(torch.addcmul(shift, self.norm(x), 1.0 + scale), state)
        return torch.addcmul(x, gate, y), state


class Blocks(nn.Module):
    """Residual blocks one after the other, all under the same modulation.

    Args:
        blocks: of either kind.
    """

    def __init__(self, blocks: Sequence[ConvBlock | AttentionBlock]) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.sizes = [block.num_states for block in blocks]
        self.num_states = sum(self.sizes)

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the states of all blocks, one after the other."""
        state: list[Tensor] = []
        for block in self.blocks:
            state.extend(block.init_state(batch_size))  # type: ignore[operator]
        return state

    def step(self, x: Tensor, modulation: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Run one block of frames [B, T, width] through all of them."""
        next_state: list[Tensor] = []
        start = 0
        for index, block in enumerate(self.blocks):
            stop = start + self.sizes[index]
            x, part = block.step(x, modulation, state[start:stop])  # type: ignore[operator]
            next_state.extend(part)
            start = stop
        return x, next_state
