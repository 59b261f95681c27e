"""The streaming contract: every layer runs on a whole sequence or block by block, with the same result.

Tensors inside the kit are channel-last, [B, T, C]: at one frame per block a causal convolution is then a
concatenation of shifted views and one matrix product, about four times faster on a CPU than `nn.Conv1d`.
"""

import torch
from torch import Tensor, nn


class Streaming(nn.Module):
    """Base of all streaming layers.

    A layer declares
      `block_size`: input frames that a `step` takes a multiple of,
      `up` / `down`: output frames = input frames * up / down,
      `latency`: output frames by which `step` lags behind `forward`,
      `num_states`: tensors in its state.

    For blocks x_0, x_1, ... of a sequence x, the concatenated outputs of `step` are `forward(x)` delayed by
    `latency` frames. `after.streaming.verify.verify_streaming` checks all of it.
    """

    block_size: int
    up: int
    down: int
    latency: int
    num_states: int

    def __init__(
        self, *, block_size: int = 1, up: int = 1, down: int = 1, latency: int = 0, num_states: int = 0
    ) -> None:
        super().__init__()
        self.block_size = block_size
        self.up = up
        self.down = down
        self.latency = latency
        self.num_states = num_states

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the state of a stream that has heard only silence (zeros).

        Args:
            batch_size: number of parallel streams, B.

        Returns:
            `num_states` tensors, on the device and in the dtype of the layer's weights.
        """
        empty: list[Tensor] = []
        return empty

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Run one block.

        Args:
            x: [B, T, C]; T a multiple of `block_size`.
            state: from `init_state` or the previous call; not modified.

        Returns:
            y [B, T * up / down, C'] and the next state.
        """
        raise TypeError("a streaming layer defines its own step")

    def forward(self, x: Tensor) -> Tensor:
        """Run a whole sequence; without latency this is one large step from silence.

        Args:
            x: [B, T, C]; T a multiple of `block_size`.

        Returns:
            y [B, T * up / down, C'], aligned with x.
        """
        y, _ = self.step(x, self.init_state(x.size(0)))
        return y


class Framewise(Streaming):
    """Wrap a stateless module that works on each frame by itself (linear layers, norms, activations)."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Apply the module to every frame of [B, T, C]."""
        return self.module(x), state


def keep_last(x: Tensor, num_frames: int) -> Tensor:
    """Cut the last `num_frames` frames of [B, T, C] into a tensor of their own, so that no larger one stays alive."""
    return x[:, x.size(1) - num_frames :].clone(memory_format=torch.contiguous_format)
