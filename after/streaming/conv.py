"""Causal convolutions on channel-last sequences.

Output frame j sees input frames up to (j + 1) * stride - 1 and zeros before the start.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from after.streaming.contract import Streaming, keep_last


class CausalConv1d(Streaming):
    """Convolve over time without looking ahead.

    Args:
        in_width: input features.
        out_width: output features.
        kernel_size: taps.
        stride: input frames per output frame.
        dilation: distance between taps.

    Raises:
        ValueError: if the kernel spans fewer frames than one stride (input would be skipped).
    """

    def __init__(self, in_width: int, out_width: int, *, kernel_size: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(block_size=stride, down=stride, num_states=1)
        span = (kernel_size - 1) * dilation + 1
        if span < stride:
            raise ValueError(f"a kernel spanning {span} frames skips input at stride {stride}; use a longer kernel")
        self.in_width = in_width
        self.kernel_size = kernel_size
        self.stride = stride
        self.dilation = dilation
        self.past = span - stride
        bound = 1.0 / math.sqrt(in_width * kernel_size)
        self.weight = nn.Parameter(torch.empty(out_width, kernel_size * in_width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(out_width))

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the `past` input frames before the start, all zero: one tensor [B, past, in_width]."""
        return [torch.zeros(batch_size, self.past, self.in_width, dtype=self.weight.dtype, device=self.weight.device)]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Convolve one block [B, T, in_width] to [B, T / stride, out_width]."""
        num_outputs = x.size(1) // self.stride
        if self.past > 0:
            x = torch.cat([state[0].to(x.dtype), x], dim=1)
        last = (num_outputs - 1) * self.stride + 1
        taps: list[Tensor] = []
        for k in range(self.kernel_size):
            start = k * self.dilation
            taps.append(x[:, start : start + last : self.stride])
        y = F.linear(torch.cat(taps, dim=2), self.weight, self.bias)
        return y, [keep_last(x, self.past)]


class CausalDepthwiseConv1d(Streaming):
    """Convolve every feature by itself, without looking ahead.

    Args:
        width: features.
        kernel_size: taps.
        dilation: distance between taps.
    """

    def __init__(self, width: int, *, kernel_size: int, dilation: int = 1) -> None:
        super().__init__(num_states=1)
        self.width = width
        self.kernel_size = kernel_size
        self.dilation = dilation
        self.past = (kernel_size - 1) * dilation
        bound = 1.0 / math.sqrt(kernel_size)
        self.weight = nn.Parameter(torch.empty(kernel_size, width).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(width))

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the `past` input frames before the start, all zero: one tensor [B, past, width]."""
        return [torch.zeros(batch_size, self.past, self.width, dtype=self.weight.dtype, device=self.weight.device)]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Convolve one block [B, T, width] to [B, T, width]."""
        num_frames = x.size(1)
        x = torch.cat([state[0].to(x.dtype), x], dim=1)
        if num_frames == 1 and self.dilation == 1:
            y = (x * self.weight).sum(dim=1, keepdim=True) + self.bias
        else:
            y = self.bias + x[:, :num_frames] * self.weight[0]
            for k in range(1, self.kernel_size):
                start = k * self.dilation
                y = y + x[:, start : start + num_frames] * self.weight[k]
        return y, [keep_last(x, self.past)]


class CausalConvTranspose1d(Streaming):
    """Raise the frame rate by `stride`; output block j depends on input frames j and the `memory` before it.

    A transposed convolution with kernel (memory + 1) * stride is a causal convolution to stride * out_width features
    and a reshape; nothing overlaps into the future, so there is no latency.

    Args:
        in_width: input features.
        out_width: output features.
        stride: output frames per input frame.
        memory: earlier input frames that reach into a block.
    """

    def __init__(self, in_width: int, out_width: int, *, stride: int, memory: int = 1) -> None:
        super().__init__(up=stride, num_states=1)
        self.out_width = out_width
        self.stride = stride
        self.conv = CausalConv1d(in_width, stride * out_width, kernel_size=memory + 1)

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the `memory` input frames before the start, all zero."""
        return self.conv.init_state(batch_size)

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Expand one block [B, T, in_width] to [B, T * stride, out_width]."""
        y, state = self.conv.step(x, state)
        return y.reshape(y.size(0), y.size(1) * self.stride, self.out_width), state
