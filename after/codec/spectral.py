"""The spectral heads at the outer ends of encoder and decoder."""

import torch
from torch import Tensor, nn


class LogMagnitude(nn.Module):
    """Turn windowed frames [B, T, N] into log-magnitude spectra [B, T, N / 2 + 1] of order one.

    Args:
        gain: 1 / sum of the window, so that a full-scale sine has magnitude 1/2 at any window size.
        floor: magnitude under which the logarithm goes flat.
    """

    def __init__(self, *, gain: float, floor: float = 1e-5) -> None:
        super().__init__()
        self.gain = gain
        self.floor_power = floor**2

    def forward(self, frames: Tensor) -> Tensor:
        """Give ln(|spectrum|) / 4 + 1.5, about -1.4 for silence and 1.3 for a full-scale sine."""
        spectrum = torch.view_as_real(torch.fft.rfft(frames * self.gain))
        power = spectrum.square().sum(dim=-1)
        return torch.log(power + self.floor_power) * 0.125 + 1.5


class SpectralHead(nn.Module):
    """Turn features into the samples of one frame, through magnitude and phase.

    Source: Siuzdak 2023 (Vocos), arXiv 2306.00814, section 3.2: the phase is an angle that may wrap freely.

    Args:
        width: features.
        size: samples N of a frame.
    """

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.num_bins = size // 2 + 1
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, 2 * self.num_bins)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, T, width] to frames [B, T, N]."""
        x = self.project(self.norm(x))
        if x.dtype == torch.bfloat16:
            x = x.float()
        log_magnitude, angle = x.chunk(2, dim=-1)
        # exp(5) is 43 dB over full scale for one bin of the 1024-point transform: enough, and it cannot overflow
        magnitude = torch.exp(torch.clamp(log_magnitude, max=5.0))
        frames: Tensor = torch.fft.irfft(torch.polar(magnitude, angle), n=self.size)
        return frames
