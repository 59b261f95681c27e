"""A residual block of one depthwise convolution over time and two matrix products per frame."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from after.streaming.contract import Streaming
from after.streaming.conv import CausalDepthwiseConv1d


class ConvNextBlock(Streaming):
    """Mix over time per feature, then over features per frame, beside a shortcut.

    Nearly all of its cost is two matrix products. Source: Liu et al. 2022, arXiv 2201.03545, figure 4; for audio
    Siuzdak 2023 (Vocos), arXiv 2306.00814, section 3.

    Args:
        width: features.
        kernel_size: taps of the depthwise convolution.
        expansion: inner features as a multiple of `width`.
        scale: initial value of the learned gain on the branch.
    """

    def __init__(self, width: int, *, kernel_size: int, expansion: int, scale: float) -> None:
        super().__init__(num_states=1)
        self.mix_time = CausalDepthwiseConv1d(width, kernel_size=kernel_size)
        self.norm = nn.LayerNorm(width)
        self.expand = nn.Linear(width, expansion * width)
        self.shrink = nn.Linear(expansion * width, width)
        self.scale = nn.Parameter(torch.full((width,), scale))

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the state of the convolution over time."""
        return self.mix_time.init_state(batch_size)

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Run one block [B, T, width]."""
        y, state = self.mix_time.step(x, state)
        y = self.shrink(F.gelu(self.expand(self.norm(y)), approximate="tanh"))
        return x + self.scale * y, state
