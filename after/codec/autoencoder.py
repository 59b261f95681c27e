"""The codec: audio to latents and back; causal, at a low frame rate.

How audio is analysed and sounded again is a choice of the settings; `after.codec.build` puts the parts together.
"""

import torch
from torch import Tensor, nn

from after.codec.bottleneck import LatentNorm
from after.codec.level import Gained
from after.codec.sines import SinesAndNoise
from after.errors import AudioError
from after.streaming.combine import Serial
from after.streaming.contract import Streaming
from after.streaming.noise import frame_noise


def _exact(like: Tensor, *, unless: bool = False) -> torch.autocast:
    """Compute in float32 what would be heard: bfloat16 leaves noise 50 dB below a tone, which a network would use."""
    return torch.autocast(like.device.type, enabled=unless and torch.is_autocast_enabled(like.device.type))


class Codec(nn.Module):
    """Encode audio to latents and decode latents to audio, as whole sequences or in a stream.

    Args:
        encoder: [B, T, 1] to [B, L, D], without latency.
        decoder: [B, L, D] to [B, T, 1]; its last two layers are a sound source and an overlap-add.
        norm: what normalises the latents at the encoder's end.
        source: the sound source inside the decoder, where it is made of sines.
        sample_rate: Hz.
        num_latents: D.
        latent_noise: standard deviation of the noise that training adds to the latents.
        has_level: whether latent 0 is the level; it gets no noise, as each error of a level is heard.
        is_learned: whether the analysis is a network, which may be computed in mixed precision.

    Attributes:
        hop_length: samples per latent frame.
        latency_samples: lag of a streamed encode + decode behind the input.
    """

    def __init__(
        self,
        encoder: Streaming,
        decoder: Serial,
        *,
        norm: LatentNorm,
        source: SinesAndNoise | None,
        sample_rate: int,
        num_latents: int,
        latent_noise: float = 0.0,
        has_level: bool = False,
        is_learned: bool = False,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder
        self.sample_rate = sample_rate
        self.num_latents = num_latents
        self.latent_noise = latent_noise
        self.first_noisy = 1 if has_level else 0
        self.is_learned = is_learned
        self.hop_length = encoder.down // encoder.up
        self.latency_samples = encoder.latency * self.hop_length + decoder.latency
        # kept out of the module tree: both are part of encoder and decoder already
        self._parts = (norm, source)

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
    def forward(self, audio: Tensor, seeds: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Encode and decode [B, 1, T]; what training calls.

        Args:
            audio: [B, 1, T].
            seeds: [B] int64, of the noise that training adds; an item's noise does not depend on its batch.

        Returns:
            the reconstruction [B, 1, T], and the amplitudes that it was sounded from (`SinesAndNoise.levels`) where
            the source is made of sines.
        """
        with _exact(audio, unless=self.is_learned):
            latents = self.encode(audio).transpose(1, 2).float()
        if self.training and self.latent_noise > 0:
            latents = latents + self._noise(latents, seeds)
        *body, source, overlap_add = self.decoder.layers
        features = latents
        for layer in body:
            features = layer(features)
        with _exact(audio):
            levels, frames = self._sound(source, features.float(), seeds)
            sound: Tensor = overlap_add(frames)
        return sound.transpose(1, 2), levels

    def _noise(self, latents: Tensor, seeds: Tensor | None) -> Tensor:
        """Draw what training adds to latents [B, L, D]."""
        device = latents.device
        seeds = torch.arange(latents.size(0), device=device) if seeds is None else seeds
        start = torch.zeros((), dtype=torch.int64, device=device)
        noise = frame_noise(seeds, start, latents.size(1), self.num_latents)
        noise[:, :, : self.first_noisy] = 0.0
        return self.latent_noise * noise

    def _sound(self, source: nn.Module, features: Tensor, seeds: Tensor | None) -> tuple[Tensor | None, Tensor]:
        """Give the amplitudes that frames are sounded from, where there are such, and the frames."""
        if self.source is None:
            return None, source(features)
        assert isinstance(source, SinesAndNoise | Gained)
        levels = source.levels(features)
        frames, _ = source.sound(levels, source.start_at(features.size(0), seeds if self.training else None))
        return levels, frames

    @torch.jit.ignore
    @torch.no_grad()
    def fit_latents(self, audio: Tensor) -> None:
        """Measure on audio [B, 1, T] what normalises the latents; of a learned analysis, what it begins with."""
        was_training = self.encoder.training
        self.norm.fit(self.encoder.eval()(audio.transpose(1, 2)))
        self.encoder.train(was_training)

    @property
    def norm(self) -> LatentNorm:
        """Give what normalises the latents."""
        return self._parts[0]

    @property
    def source(self) -> SinesAndNoise | None:
        """Give the decoder's bank of sines, if it has one."""
        return self._parts[1]
