"""Overlapping frames in, overlap-add out: the two ends of a streaming short-time Fourier transform."""

import torch
from torch import Tensor

from after.streaming.contract import Streaming, keep_last


def asymmetric_window(size: int, fall: int) -> Tensor:
    """Give a window with a long rise and a short fall: fine frequency resolution with little delay.

    Args:
        size: length in samples.
        fall: samples of the falling half, at most `size`.

    Returns:
        [size], the rising half of a Hann window of 2 * (size - fall), then the falling half of one of 2 * fall.
    """
    rise = torch.hann_window(2 * (size - fall))[: size - fall]
    return torch.cat([rise, torch.hann_window(2 * fall)[fall:]])


class Frames(Streaming):
    """Cut audio into overlapping windowed frames; frame j ends with sample (j + 1) * hop - 1.

    Args:
        window: [N] samples.
        hop: samples from one frame to the next.
    """

    window: Tensor

    def __init__(self, window: Tensor, *, hop: int) -> None:
        super().__init__(block_size=hop, down=hop, num_states=1)
        self.size = window.numel()
        self.hop = hop
        self.register_buffer("window", window, persistent=False)

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the samples before the start: [B, N - hop, 1] of zeros."""
        like = self.window
        return [torch.zeros(batch_size, self.size - self.hop, 1, dtype=like.dtype, device=like.device)]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Cut one block [B, T, 1] into frames [B, T / hop, N]."""
        x = torch.cat([state[0], x], dim=1)
        frames = x.squeeze(2).unfold(1, self.size, self.hop)
        return frames * self.window, [keep_last(x, self.size - self.hop)]


class OverlapAdd(Streaming):
    """Window frames and add them up where they overlap, the inverse of `Frames`.

    Frame j spans the samples that `Frames` cut it from, so the last N - hop samples of a block still wait for later
    frames: that is the latency.

    Args:
        window: [N] samples, N a multiple of `hop`.
        hop: samples from one frame to the next.

    Raises:
        ValueError: if `hop` does not divide the window.
    """

    window: Tensor

    def __init__(self, window: Tensor, *, hop: int) -> None:
        size = window.numel()
        if size % hop:
            raise ValueError(f"a window of {size} samples is not a multiple of the hop {hop}")
        super().__init__(up=hop, latency=size - hop, num_states=1)
        self.size = size
        self.hop = hop
        self.register_buffer("window", window, persistent=False)

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the unfinished samples before the start: [B, N - hop, 1] of zeros."""
        like = self.window
        return [torch.zeros(batch_size, self.size - self.hop, 1, dtype=like.dtype, device=like.device)]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Add frames [B, T, N] up to samples [B, T * hop, 1]."""
        batch_size, num_frames, _ = x.shape
        pieces = (x * self.window).reshape(batch_size, num_frames, self.size // self.hop, self.hop)
        total = torch.zeros(
            batch_size, num_frames + self.size // self.hop - 1, self.hop, dtype=x.dtype, device=x.device
        )
        for k in range(self.size // self.hop):
            total[:, k : k + num_frames] += pieces[:, :, k]
        samples = total.reshape(batch_size, -1, 1)
        past = self.size - self.hop
        samples = torch.cat([samples[:, :past] + state[0], samples[:, past:]], dim=1)
        return samples[:, : num_frames * self.hop], [keep_last(samples, past)]

    def forward(self, x: Tensor) -> Tensor:
        """Add up a whole sequence of frames, ending with its last frame: [B, T, N] to [B, T * hop, 1]."""
        y, state = self.step(x, self.init_state(x.size(0)))
        return torch.cat([y, state[0]], dim=1)[:, self.latency :]
