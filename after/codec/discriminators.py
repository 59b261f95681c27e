"""Networks that tell recordings from reconstructions: by their complex spectra, and by their samples at a period.

Source: Defossez et al. 2022 (EnCodec), arXiv 2210.13438, section 3.4 and figure 2, for the spectra; Kong et al. 2020
(HiFi-GAN), arXiv 2010.05646, section 2.3, for the periods. Both are narrower here and stride further, so that a CPU
core can train them beside the codec.
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from after.units import db_to_gain

Judgement = tuple[Tensor, list[Tensor]]
"""Logits, high for a recording, and the features of each layer below them."""

_SLOPE = 0.2
_COMPRESSION = 0.3
_FLOOR = 1e-4
_LOG_SCALE = 0.2


def level_gain(reference: Tensor, floor_db: float = -60.0) -> Tensor:
    """Give the gain that brings each excerpt to an RMS of 1, so that quiet sounds are judged like loud ones.

    Recording and reconstruction both get the recording's gain: a wrong level then stays visible.

    Args:
        reference: recordings [B, 1, T].
        floor_db: RMS of full scale below which the gain rises no further.

    Returns:
        factors [B, 1, 1], float32, without gradient.
    """
    level = reference.detach().float().square().mean(dim=(1, 2), keepdim=True).sqrt()
    return level.clamp_min(db_to_gain(floor_db)).reciprocal()


def _conv(
    inputs: int, outputs: int, kernel: tuple[int, int], *, stride: tuple[int, int], dilation: int = 1
) -> nn.Module:
    """Build a weight-normed convolution over (time, other axis), padded to keep the size but for the stride."""
    padding = (dilation * (kernel[0] // 2), kernel[1] // 2)
    conv: nn.Module = nn.Conv2d(inputs, outputs, kernel, stride=stride, padding=padding, dilation=(dilation, 1))
    conv = weight_norm(conv)
    return conv


def _judge(layers: nn.ModuleList, last: nn.Module, picture: Tensor) -> Judgement:
    """Run a stack of convolutions, keeping what comes out of each."""
    features: list[Tensor] = []
    for layer in layers:
        picture = F.leaky_relu(layer(picture), _SLOPE)
        features.append(picture)
    return last(picture), features


class StftDiscriminator(nn.Module):
    """Judge the complex spectra of one scale.

    Spectra of music span 80 dB and more, nearly all energy at low frequencies. The bins' magnitudes are therefore
    raised to the power 0.3 with their phases kept (as Braun and Tashev 2020, arXiv 2009.12286, compress spectra), and
    the logarithm is a third channel: what is weak and high counts too.

    Args:
        size: samples of the Hann window; the hop is a quarter.
        width: features.
        dilations: over time, one layer each, each halving the frequency axis.
    """

    window: Tensor

    def __init__(self, size: int, *, width: int = 16, dilations: tuple[int, ...] = (1, 2, 4)) -> None:
        super().__init__()
        self.size = size
        window = torch.hann_window(size)
        self.register_buffer("window", window / window.square().sum().sqrt(), persistent=False)
        self.layers = nn.ModuleList(
            [
                _conv(3, width, (3, 9), stride=(1, 4)),
                *[_conv(width, width, (3, 5), stride=(1, 2), dilation=dilation) for dilation in dilations],
                _conv(width, width, (3, 3), stride=(1, 1)),
            ]
        )
        self.last = _conv(width, 1, (3, 3), stride=(1, 1))

    def picture(self, audio: Tensor) -> Tensor:
        """Give [B, 3, 1 + T // hop, size / 2]: real and imaginary part, compressed, and log magnitude.

        White noise of RMS 1 has bins of about magnitude 1.
        """
        padded = F.pad(audio.squeeze(1).float(), (self.size // 2, self.size // 2))
        frames = padded.unfold(1, self.size, self.size // 4) * self.window
        spectrum = torch.view_as_real(torch.fft.rfft(frames)[..., : self.size // 2])
        log = 0.5 * torch.log(spectrum.square().sum(-1, keepdim=True) + _FLOOR**2)
        compressed = spectrum * torch.exp((_COMPRESSION - 1.0) * log)
        # channels last in memory: the convolutions take two thirds of the time that way
        return torch.cat([compressed, _LOG_SCALE * log], dim=-1).permute(0, 3, 1, 2)

    def forward(self, audio: Tensor) -> Judgement:
        """Judge audio [B, 1, T] of an RMS around 1 (`level_gain`).

        Returns:
            logits [B, 1, L, K] over time and frequency, and the features [B, W, L, K'] of the layers.
        """
        return _judge(self.layers, self.last, self.picture(audio))


class PeriodDiscriminator(nn.Module):
    """Judge every p-th sample together: periodic parts of the waveform that spectra blur.

    Args:
        period: p in samples; primes overlap least.
        width: features of the first layer.
        growth: features of each layer as multiples of the width.
    """

    def __init__(self, period: int, *, width: int = 16, growth: tuple[int, ...] = (1, 2, 4, 4)) -> None:
        super().__init__()
        self.period = period
        sizes = [1, *[width * factor for factor in growth]]
        self.layers = nn.ModuleList(
            [
                *[_conv(a, b, (5, 1), stride=(3, 1)) for a, b in pairwise(sizes)],
                _conv(sizes[-1], sizes[-1], (5, 1), stride=(1, 1)),
            ]
        )
        self.last = _conv(sizes[-1], 1, (3, 1), stride=(1, 1))

    def forward(self, audio: Tensor) -> Judgement:
        """Judge audio [B, 1, T] of an RMS around 1 (`level_gain`).

        Returns:
            logits [B, 1, L, p], and the features [B, W, L', p] of the layers.
        """
        audio = F.pad(audio.float(), (0, -audio.size(2) % self.period))
        picture = audio.reshape(audio.size(0), 1, -1, self.period).to(memory_format=torch.channels_last)
        return _judge(self.layers, self.last, picture)


class Discriminators(nn.Module):
    """Several discriminators side by side.

    Args:
        stft_scales: window sizes of the spectral ones.
        periods: of the periodic ones, in samples.
        width: features of all.
    """

    def __init__(
        self, stft_scales: tuple[int, ...] = (2048, 1024, 512), periods: tuple[int, ...] = (), *, width: int = 16
    ) -> None:
        super().__init__()
        self.members = nn.ModuleList(
            [
                *[StftDiscriminator(size, width=width) for size in stft_scales],
                *[PeriodDiscriminator(period, width=width) for period in periods],
            ]
        )

    def forward(self, audio: Tensor) -> list[Judgement]:
        """Judge audio [B, 1, T] of an RMS around 1 (`level_gain`) by each of them."""
        return [member(audio) for member in self.members]
