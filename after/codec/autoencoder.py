"""The codec: band levels in, sines and noise out; causal, at a low frame rate.

Analysis is fixed and only synthesis learns. Source: latents that are a picture of the spectrum, Hawthorne et al. 2022,
arXiv 2206.05408; a network that sounds them again, Siuzdak 2023 (Vocos), arXiv 2306.00814.
"""

import torch
from torch import Tensor, nn

from after.codec.bands import BandLevels, spread_bands
from after.codec.bottleneck import LatentNorm
from after.codec.sines import SinesAndNoise, spread_frequencies
from after.errors import AudioError
from after.settings import CodecSettings
from after.streaming.combine import Serial
from after.streaming.contract import Framewise, Streaming
from after.streaming.conv import CausalConv1d, CausalConvTranspose1d
from after.streaming.convnext import ConvNextBlock
from after.streaming.spectral import Frames, OverlapAdd, asymmetric_window


class Codec(nn.Module):
    """Encode audio to latents and decode latents to audio, as whole sequences or in a stream.

    Args:
        encoder: [B, T, 1] to [B, L, D], without latency; its last layer is the normalisation.
        decoder: [B, L, D] to [B, T, 1]; its last two layers are the sound source and the overlap-add.
        sample_rate: Hz.
        num_latents: D.
        latent_noise: standard deviation of the noise that training adds to the latents.

    Attributes:
        hop_length: samples per latent frame.
        latency_samples: lag of a streamed encode + decode behind the input.
    """

    def __init__(
        self, encoder: Serial, decoder: Serial, *, sample_rate: int, num_latents: int, latent_noise: float = 0.0
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.sample_rate = sample_rate
        self.num_latents = num_latents
        self.latent_noise = latent_noise
        self.hop_length = encoder.down // encoder.up
        self.latency_samples = encoder.latency * self.hop_length + decoder.latency

    @torch.jit.ignore
    def encode(self, audio: Tensor) -> Tensor:
        """Turn audio into latents.

        Args:
            audio: [B, 1, T] in +-1 at `sample_rate`; T a multiple of `hop_length`.

        Returns:
            latents [B, D, T / hop_length], unit variance per channel.

        Raises:
            AudioError: if T is not a multiple of `hop_length`.
        """
        if audio.dim() != 3 or audio.size(1) != 1 or audio.size(2) % self.hop_length:
            raise AudioError(
                f"audio has shape {list(audio.shape)}; encode takes [batch, 1, T] with T a multiple of "
                f"{self.hop_length}: pad it"
            )
        latents: Tensor = self.encoder(audio.transpose(1, 2))
        return latents.transpose(1, 2)

    @torch.jit.ignore
    def decode(self, latents: Tensor) -> Tensor:
        """Turn latents [B, D, L] into audio [B, 1, L * hop_length]."""
        audio: Tensor = self.decoder(latents.transpose(1, 2))
        return audio.transpose(1, 2)

    @torch.jit.ignore
    def forward(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Encode and decode [B, 1, T]; what training calls.

        Returns:
            the reconstruction [B, 1, T], and the amplitudes that it was sounded from (`SinesAndNoise.levels`).
        """
        latents = self.encode(audio).transpose(1, 2)
        if self.training:
            latents = latents + self.latent_noise * torch.randn_like(latents)
        features = latents
        for layer in self.decoder.layers[:-2]:
            features = layer(features)
        levels = self.source.levels(features)
        frames, _ = self.source.sound(levels, self.source.init_state(levels.size(0)))
        sound: Tensor = self.decoder.layers[-1](frames)
        return sound.transpose(1, 2), levels

    @torch.jit.ignore
    @torch.no_grad()
    def fit_latents(self, audio: Tensor) -> None:
        """Measure on audio [B, 1, T] what normalises the latents."""
        norm = self.encoder.layers[-1].module
        assert isinstance(norm, LatentNorm)
        norm.fit(self.encoder(audio.transpose(1, 2)))

    @property
    def source(self) -> SinesAndNoise:
        """Give the sound source of the decoder."""
        source = self.decoder.layers[-2]
        assert isinstance(source, SinesAndNoise)
        return source


def _blocks(settings: CodecSettings, width: int, count: int, total: int) -> list[Streaming]:
    return [
        ConvNextBlock(width, kernel_size=settings.kernel_size, expansion=settings.expansion, scale=1.0 / total)
        for _ in range(count)
    ]


def _build_encoder(settings: CodecSettings) -> Serial:
    window = asymmetric_window(settings.encoder_window, settings.encoder_fall)
    levels = BandLevels(
        spread_bands(settings.num_latents, *settings.band_range_hz),
        size=settings.encoder_window,
        sample_rate=settings.sample_rate,
        gain=1.0 / float(window.sum()),
    )
    return Serial(
        [
            Frames(window, hop=settings.hop_length),
            Framewise(levels),
            Framewise(LatentNorm(settings.num_latents)),
        ]
    )


def _build_decoder(settings: CodecSettings) -> Serial:
    window = torch.hann_window(settings.decoder_window).sqrt()
    frequencies = spread_frequencies(
        *settings.sine_range_hz, cents=settings.sine_spacing_cents, hz=settings.sine_spacing_hz
    )
    frequencies = frequencies / settings.sample_rate
    width = settings.decoder_width
    slow, fast = settings.decoder_blocks
    return Serial(
        [
            CausalConv1d(settings.num_latents, width, kernel_size=3),
            *_blocks(settings, width, slow, fast + slow),
            CausalConvTranspose1d(width, width, stride=settings.latent_stride),
            *_blocks(settings, width, fast, fast + slow),
            SinesAndNoise(width, frequencies, window=window, hop=settings.frame_hop),
            OverlapAdd(window, hop=settings.frame_hop),
        ]
    )


def build_codec(settings: CodecSettings) -> Codec:
    """Build a codec with fresh weights from its settings."""
    return Codec(
        _build_encoder(settings),
        _build_decoder(settings),
        sample_rate=settings.sample_rate,
        num_latents=settings.num_latents,
        latent_noise=settings.latent_noise,
    )
