"""What a frame sounds like: levels of overlapping frequency bands, the raw material of latents."""

import torch
from torch import Tensor, nn

from after.codec.level import FrameLevel

_CORNER_HZ = 200.0


def warp(hz: Tensor) -> Tensor:
    """Give the scale on which bands are evenly spaced: linear well below 200 Hz, logarithmic well above."""
    return torch.log1p(hz / _CORNER_HZ)


def spread_bands(count: int, lowest_hz: float, highest_hz: float) -> Tensor:
    """Give the centres [count] of bands in Hz, evenly spaced on the warped scale."""
    ends = warp(torch.tensor([lowest_hz, highest_hz], dtype=torch.float64))
    return _CORNER_HZ * torch.expm1(torch.linspace(float(ends[0]), float(ends[1]), count, dtype=torch.float64))


def build_filters(centres_hz: Tensor, num_bins: int, bin_hz: float) -> Tensor:
    """Build triangular filters [num_bins, bands] with peak 1, each reaching to its neighbours' centres.

    Where neighbours are nearer than the bins of the spectrum, filters are as wide as one bin and a half.
    """
    centres = warp(centres_hz)[None, :]
    bins_hz = (torch.arange(num_bins, dtype=torch.float64) * bin_hz)[:, None]
    step = float(centres[0, -1] - centres[0, 0]) / max(1, centres.numel() - 1) or 1.0
    narrow = 1.5 * bin_hz / (_CORNER_HZ + centres_hz)[None, :]
    return (1.0 - (warp(bins_hz) - centres).abs() / narrow.clamp_min(step)).clamp_min(0.0).float()


class BandLevels(nn.Module):
    """Turn windowed frames [B, L, N] into natural logarithms of band magnitudes [B, L, D].

    Args:
        centres_hz: [D].
        size: samples of a frame, N.
        sample_rate: Hz.
        gain: 1 / sum of the window, so that a full-scale sine has magnitude 1/2 at any window size.
        floor: magnitude under which the logarithm goes flat.
    """

    filters: Tensor
    floor_power: Tensor

    def __init__(self, centres_hz: Tensor, *, size: int, sample_rate: int, gain: float, floor: float = 1e-4) -> None:
        super().__init__()
        self.gain = gain
        # a buffer, as everything that decides latents: the name of stored ones follows from buffers
        self.register_buffer("floor_power", torch.tensor(floor**2), persistent=False)
        filters = build_filters(centres_hz, size // 2 + 1, sample_rate / size)
        self.register_buffer("filters", filters, persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Give 0.5 ln(band power + floor^2)."""
        spectrum = torch.view_as_real(torch.fft.rfft(frames * self.gain))
        power = spectrum.square().sum(dim=-1)
        return 0.5 * torch.log(torch.matmul(power, self.filters) + self.floor_power)


class RelativeLevels(nn.Module):
    """Turn frames [B, L, N] into their level, and the levels of bands beside it, [B, L, 1 + D].

    A gain moves the first number and leaves the others alone, so quiet sound looks like loud sound. Low bands are
    measured in a long window that tells neighbours apart, high ones and the level in a short one at the frame's end
    that tells when something begins.

    Args:
        centres_hz: [D].
        long: window [N], of bands below `split_hz`.
        short: window [N' <= N], of the others and of the level.
        split_hz: where the short window begins to serve.
        sample_rate: Hz.
        floor: magnitude beside the level at which the logarithm goes flat.
    """

    long: Tensor
    short: Tensor

    def __init__(
        self, centres_hz: Tensor, *, long: Tensor, short: Tensor, split_hz: float, sample_rate: int, floor: float
    ) -> None:
        super().__init__()
        num_low = int((centres_hz < split_hz).sum())
        self.level = FrameLevel(short)
        self.long_scale = 1.0 / float(long.square().sum())
        self.low, self.high = (
            BandLevels(centres_hz, size=w.numel(), sample_rate=sample_rate, gain=1.0 / float(w.sum()), floor=floor)
            for w in (long, short)
        )
        self.low.filters = self.low.filters[:, :num_low].clone()
        self.high.filters = self.high.filters[:, num_low:].clone()
        self.register_buffer("long", long, persistent=False)
        self.register_buffer("short", short, persistent=False)

    def forward(self, frames: Tensor) -> Tensor:
        """Give 0.5 ln of the mean square, then what is left of the bands' levels without it."""
        recent = frames[:, :, frames.size(2) - self.short.numel() :] * self.short
        whole = frames * self.long
        # what only the long window still hears counts too, 40 dB down: low bands cannot rise far above the level
        heard = torch.exp(2.0 * self.level(recent)) + 1e-4 * whole.square().sum(dim=2, keepdim=True) * self.long_scale
        level = 0.5 * torch.log(heard)
        gain = torch.exp(-level)
        return torch.cat([level, self.low(whole * gain), self.high(recent * gain)], dim=2)
