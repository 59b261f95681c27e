"""Sound sources that draw frames directly: magnitudes and phases, or the coefficients of a lapped transform."""

import math

import torch
from torch import Tensor, nn

from after.streaming.contract import Streaming

_MAX_LOG = 6.0


class SpectrumHead(Streaming):
    """Turn features into frames by magnitudes and phases of their spectra.

    Source: Siuzdak 2023 (Vocos), arXiv 2306.00814, section 3.2.

    Args:
        width: features.
        size: samples of a frame, N.
    """

    def __init__(self, width: int, *, size: int) -> None:
        super().__init__()
        self.size = size
        self.num_bins = size // 2 + 1
        self.scale = math.sqrt(size)
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 2 * self.num_bins)
        self.max_log = _MAX_LOG

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Turn features [B, T, width] into frames [B, T, N]."""
        y = self.project(self.norm(x))
        if y.dtype == torch.bfloat16:
            y = y.float()
        # white noise at full level has magnitude sqrt(N)
        magnitude = self.scale * torch.exp(torch.clamp(y[:, :, : self.num_bins], max=self.max_log))
        phase = y[:, :, self.num_bins :]
        spectrum = torch.stack([magnitude * torch.cos(phase), magnitude * torch.sin(phase)], dim=3)
        return torch.fft.irfft(torch.view_as_complex(spectrum), n=self.size), state


class MdctHead(Streaming):
    """Turn features into frames by the coefficients of a modified discrete cosine transform.

    Frames overlap by half; with a sine window before and after, aliasing cancels where neighbours agree.
    Source: Princen, Johnson and Bradley 1987; coefficients as sign(y) (exp|y| - 1), Siuzdak 2023, arXiv 2306.00814,
    section 3.2.

    Args:
        width: features.
        size: samples of a frame, N; there are N / 2 coefficients.
    """

    basis: Tensor

    def __init__(self, width: int, *, size: int) -> None:
        super().__init__()
        self.size = size
        count = size // 2
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, count)
        k = torch.arange(count, dtype=torch.float64)[:, None] + 0.5
        n = torch.arange(size, dtype=torch.float64)[None, :] + 0.5 + count / 2
        basis = torch.cos(math.pi / count * k * n) * math.sqrt(2.0 / count)
        self.register_buffer("basis", basis.float(), persistent=False)
        self.max_log = _MAX_LOG

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Turn features [B, T, width] into frames [B, T, N]."""
        y = self.project(self.norm(x))
        if y.dtype == torch.bfloat16:
            y = y.float()
        coefficients = torch.sign(y) * torch.expm1(torch.clamp(y.abs(), max=self.max_log))
        return torch.matmul(coefficients, self.basis), state
