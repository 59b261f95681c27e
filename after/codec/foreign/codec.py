"""A codec of another program with the interface of ours: normalised latents, whole sequences and streams."""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from after.codec.bottleneck import LatentNorm
from after.codec.foreign.archive import RUN_ERRORS, find_sample_rate, last_line, read_archive, refuse_own
from after.codec.foreign.boxed import Boxed, open_box
from after.codec.foreign.probe import check_streaming, measure_latency
from after.codec.foreign.settings import ForeignSettings
from after.codec.foreign.stages import ForeignDecoder, ForeignEncoder
from after.errors import AudioError, CheckpointError


class ForeignCodec(nn.Module):
    """Encode audio to latents and decode latents to audio, with a module that another program trained.

    Args:
        archive: the file's content.
        boxed: the module in it.
        settings: what is known about it.

    Attributes:
        sample_rate: Hz.
        num_latents: D.
        hop_length: samples per latent frame.
        latency_samples: lag of a streamed encode + decode behind the input.
    """

    def __init__(self, archive: bytes, boxed: Boxed, settings: ForeignSettings) -> None:
        super().__init__()
        self.archive = archive
        self.norm = LatentNorm(settings.num_latents)
        if settings.mean:
            self.norm.mean.copy_(torch.tensor(settings.mean))
            self.norm.std.copy_(torch.tensor(settings.std))
        self.encoder = ForeignEncoder(boxed, self.norm)
        self.decoder = ForeignDecoder(boxed, self.norm, settings.latency_samples)
        self.is_fitted = bool(settings.mean)
        self.sample_rate = settings.sample_rate
        self.num_latents = settings.num_latents
        self.hop_length = settings.hop_length
        self.latency_samples = settings.latency_samples
        self._settings = settings

    @property
    def settings(self) -> ForeignSettings:
        """Give what must be stored beside the file to build the same codec again."""
        if not self.is_fitted:
            return self._settings
        mean, std = (tuple(float(value) for value in values.cpu()) for values in (self.norm.mean, self.norm.std))
        return replace(self._settings, mean=mean, std=std)

    @property
    def fingerprint(self) -> bytes:
        """Give bytes that change with anything that decides latents."""
        return repr(replace(self.settings, latency_samples=0)).encode()

    def encode(self, audio: Tensor) -> Tensor:
        """Turn audio into latents, from the state that the file was saved with.

        Args:
            audio: [B, 1, T] in +-1 at `sample_rate`; T a multiple of `hop_length`.

        Returns:
            latents [B, D, T / hop_length], unit variance per channel once the statistics are measured.

        Raises:
            AudioError: if T is not a multiple of `hop_length`.
            CheckpointError: if the file fails when it is run.
        """
        if audio.dim() != 3 or audio.size(1) != 1 or audio.size(2) % self.hop_length:
            raise AudioError(
                f"audio has shape {list(audio.shape)}; encode takes [batch, 1, T] with T a multiple of "
                f"{self.hop_length}: pad it"
            )
        return _run(self.encoder, audio.transpose(1, 2)).transpose(1, 2)

    def decode(self, latents: Tensor) -> Tensor:
        """Turn latents [B, D, L] into audio [B, 1, L * hop_length], without lag; raises as `encode` does."""
        return _run(self.decoder, latents.transpose(1, 2)).transpose(1, 2)

    @torch.no_grad()
    def fit_latents(self, audio: Tensor) -> None:
        """Measure on audio [B, 1, T] what normalises the latents.

        Raises:
            CheckpointError: if the file fails when it is run, or gives values that are not finite.
        """
        latents = self.encode(audio)
        if not bool(torch.isfinite(latents).all()):
            raise CheckpointError(
                "the foreign codec gives values that are not finite for this audio: use another codec"
            )
        self.norm.fit(latents.transpose(1, 2))
        for values in (self.norm.mean, self.norm.std):  # the last digits depend on the machine; latents should not
            values.copy_(torch.round(values, decimals=3))
        self.is_fitted = True


def _run(stage: Any, x: Tensor) -> Tensor:
    try:
        y: Tensor = stage(x)
    except RUN_ERRORS as error:
        raise CheckpointError(
            f"the foreign codec fails on {list(x.shape)} values on {x.device} ({last_line(error)}): if it runs on the "
            "CPU alone, use --device cpu, else export it again"
        ) from error
    return y


def open_foreign(path: Path, *, sample_rate: int | None = None) -> ForeignCodec:
    """Open the file of a foreign codec, and check that it is one and streams.

    Args:
        path: TorchScript.
        sample_rate: Hz, for a file that does not state it.

    Raises:
        CheckpointError: if it cannot be used; says what was found, what is needed and what to do.
    """
    archive, name = read_archive(path), str(path)
    refuse_own(path)
    boxed = open_box(archive, name)
    rate = find_sample_rate(boxed.box.inner, name, sample_rate)
    settings = ForeignSettings(
        sha256=hashlib.sha256(archive).hexdigest(),
        sample_rate=rate,
        hop_length=boxed.sizes.hop_length,
        num_latents=boxed.sizes.num_latents,
        latency_samples=0,
    )
    # with the means of what is drawn, blocks of any size can be compared
    codec = ForeignCodec(archive, replace(boxed, is_noisy=False), settings).eval()
    try:
        check_streaming(codec.encoder, codec.decoder, settings.num_latents, name)
        latency_samples = measure_latency(codec.encoder, codec.decoder, rate, name)
    except RUN_ERRORS as error:
        raise CheckpointError(
            f"{name} fails when it is run in a stream ({last_line(error)}): export it for streaming"
        ) from error
    return ForeignCodec(archive, boxed, replace(settings, latency_samples=latency_samples)).eval()


def rebuild_foreign(archive: bytes, settings: ForeignSettings, name: str) -> ForeignCodec:
    """Build a foreign codec from its file and what was found out when it was first used.

    Raises:
        CheckpointError: if the file is another one.
    """
    if hashlib.sha256(archive).hexdigest() != settings.sha256:
        raise CheckpointError(f"{name} is not the codec that the model was trained with: name that one's file")
    boxed = open_box(archive, name)
    if boxed.sizes.num_latents != settings.num_latents or boxed.sizes.hop_length != settings.hop_length:
        raise CheckpointError(f"the codec in {name} does not fit what is stored about it: use another copy")
    return ForeignCodec(archive, boxed, settings).eval()
