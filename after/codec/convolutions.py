"""Analysis and synthesis by strided convolutions on the bands of a PQMF bank.

Source: the bank in front and behind, Caillon and Esling 2021 (RAVE), arXiv 2111.05011, section 3; residual dilated
stacks with snake, Kumar et al. 2023 (DAC), arXiv 2306.06546, sections 3.1 and A.
"""

import torch
from torch import Tensor, nn

from after.codec.bottleneck import LatentNorm
from after.codec.level import FrameLevel
from after.streaming.combine import Serial
from after.streaming.contract import Framewise, Streaming
from after.streaming.conv import CausalConv1d, CausalConvTranspose1d
from after.streaming.pqmf import PqmfAnalysis
from after.streaming.spectral import Frames

_DILATIONS = (1, 3, 9)
_STRIDE = 4


class Snake(nn.Module):
    """Activate by x + sin(a x)^2 / a, with a learned for each feature.

    Source: Ziyin et al. 2020, arXiv 2006.08195, equation 3.

    Args:
        width: features.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.log_rate = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """Activate [B, T, width]."""
        rate = torch.exp(self.log_rate)
        return x + torch.sin(rate * x).square() / (rate + 1e-4)


class ResidualUnit(Streaming):
    """Mix over dilated taps, then over features, beside a shortcut.

    Args:
        width: features.
        dilation: distance between the three taps.
    """

    def __init__(self, width: int, *, dilation: int) -> None:
        super().__init__(num_states=1)
        self.before = Snake(width)
        self.conv = CausalConv1d(width, width, kernel_size=3, dilation=dilation)
        self.after = Snake(width)
        self.mix = nn.Linear(width, width)
        nn.init.normal_(self.mix.weight, std=0.3 / width**0.5)

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the state of the convolution."""
        return self.conv.init_state(batch_size)

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Run one block [B, T, width]."""
        y, state = self.conv.step(self.before(x), state)
        return x + self.mix(self.after(y)), state


def _units(width: int) -> list[Streaming]:
    return [ResidualUnit(width, dilation=dilation) for dilation in _DILATIONS]


class BandEncoder(Streaming):
    """Split audio into bands, take the level of each latent frame out, run a body, put the level in front, normalise.

    Args:
        bank: of the bands.
        body: bands to latents 1.. at the latent rate, without latency.
        norm: of the latents.
    """

    def __init__(self, bank: PqmfAnalysis, body: Serial, norm: LatentNorm) -> None:
        hop = bank.hop * body.down
        super().__init__(block_size=hop, down=hop, num_states=2 + body.num_states)
        self.bank = bank
        # all that the bands of a latent frame have heard: what rings on is not divided by the silence after it
        heard = torch.ones(hop + bank.size)
        self.frames = Frames(heard, hop=hop)
        self.level = FrameLevel(heard)
        self.body = body
        self.norm = norm
        self.frames_per_latent = body.down

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the bank's state, the samples that levels are measured on, then the body's state."""
        state = self.bank.init_state(batch_size)
        state.extend(self.frames.init_state(batch_size))
        state.extend(self.body.init_state(batch_size))
        return state

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Turn audio [B, T, 1] into latents [B, T / hop, D]."""
        bands, first = self.bank.step(x, state[:1])
        frames, second = self.frames.step(x, state[1:2])
        level = self.level(frames)
        gain = torch.exp(-level).repeat_interleave(self.frames_per_latent, dim=1)
        y, rest = self.body.step(bands * gain, state[2:])
        latents = torch.cat([level, y.to(level.dtype)], dim=2)
        first.extend(second)
        first.extend(rest)
        return self.norm(latents), first


def build_encoder_body(num_bands: int, width: int, num_stages: int, num_latents: int) -> Serial:
    """Build the stack from bands to latents: each stage divides the rate by 4 and doubles the width."""
    layers: list[Streaming] = [CausalConv1d(num_bands, width, kernel_size=7)]
    for _ in range(num_stages):
        layers += [*_units(width), Framewise(Snake(width))]
        layers.append(CausalConv1d(width, 2 * width, kernel_size=2 * _STRIDE, stride=_STRIDE))
        width *= 2
    return Serial([*layers, Framewise(Snake(width)), CausalConv1d(width, num_latents, kernel_size=3)])


def build_decoder_body(num_latents: int, width: int, num_stages: int, num_bands: int) -> Serial:
    """Build the stack from latents to bands, the mirror of the encoder's."""
    wide = width * 2**num_stages
    layers: list[Streaming] = [CausalConv1d(num_latents, wide, kernel_size=3)]
    for _ in range(num_stages):
        layers += [Framewise(Snake(wide)), CausalConvTranspose1d(wide, wide // 2, stride=_STRIDE), *_units(wide // 2)]
        wide //= 2
    return Serial([*layers, Framewise(Snake(wide)), CausalConv1d(wide, num_bands, kernel_size=7)])
