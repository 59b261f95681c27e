"""The spectral head of the encoder."""

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
