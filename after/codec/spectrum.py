"""Analysis that learns: the complex spectrum of each frame in, latents out."""

import torch
from torch import Tensor, nn

from after.codec.bottleneck import LatentNorm
from after.codec.level import FrameLevel, pool_level
from after.streaming.combine import Serial
from after.streaming.contract import Streaming
from after.streaming.spectral import Frames

_COMPRESSION = 0.4
_FLOOR = 1e-4
_LOG_SCALE = 0.3


class SpectrumFeatures(nn.Module):
    """Turn windowed frames of unit level into what a network reads well: complex bins, compressed, and log magnitudes.

    A bin X becomes X |X|^(c - 1), c = 0.4: phases are kept, and quiet partials count beside loud ones. Source: the
    power-law compressed complex spectrum, Ephrat et al. 2018, arXiv 1804.03619, section 3.2. The logarithm beside it
    tells a linear layer how loud a bin is whatever its phase, 100 dB down.

    Args:
        window: [N] that the frames were cut with.
    """

    def __init__(self, window: Tensor) -> None:
        super().__init__()
        self.scale = 1.0 / float(window.square().sum().sqrt())
        self.exponent = _COMPRESSION - 1.0
        self.floor_power = _FLOOR**2
        self.log_scale = _LOG_SCALE
        self.width = 3 * (window.numel() // 2 + 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Turn [B, T, N] into [B, T, 3 N / 2 + 3]."""
        spectrum = torch.view_as_real(torch.fft.rfft(frames * self.scale))
        log = 0.5 * torch.log(spectrum.square().sum(dim=3, keepdim=True) + self.floor_power)
        compressed = spectrum * torch.exp(self.exponent * log)
        return torch.cat([compressed, self.log_scale * log + 1.0], dim=3).flatten(2)


class SpectrumEncoder(Streaming):
    """Cut frames, take their level out, run a body on their spectra, put the level in front, normalise.

    Args:
        window: [N] of the analysis.
        hop: samples from frame to frame.
        body: features of `SpectrumFeatures` to latents 1.. at the latent rate, without latency.
        norm: of the latents.
    """

    def __init__(self, window: Tensor, body: Serial, norm: LatentNorm, *, hop: int) -> None:
        stride = body.down
        super().__init__(block_size=hop * stride, down=hop * stride, num_states=1 + body.num_states)
        self.frames = Frames(window, hop=hop)
        self.level = FrameLevel(window)
        self.features = SpectrumFeatures(window)
        self.body = body
        self.norm = norm
        self.stride = stride

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the samples before the start, then the body's state."""
        state = self.frames.init_state(batch_size)
        state.extend(self.body.init_state(batch_size))
        return state

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Turn audio [B, T, 1] into latents [B, T / hop / stride, D]."""
        frames, first = self.frames.step(x, state[:1])
        level = self.level(frames)
        y, rest = self.body.step(self.features(frames * torch.exp(-level)), state[1:])
        latents = torch.cat([pool_level(level, self.stride), y.to(level.dtype)], dim=2)
        first.extend(rest)
        return self.norm(latents), first
