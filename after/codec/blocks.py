"""The block that encoder and decoder are made of, and the spectral heads at their outer ends."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

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

    Source: Siuzdak 2023 (Vocos), arXiv 2306.00814, section 3.2: the phase is predicted as an angle that may wrap freely.

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
        return torch.fft.irfft(torch.polar(magnitude, angle), n=self.size)
