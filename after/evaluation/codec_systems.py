"""The systems whose reconstructions are compared: our codecs, and Ogg Opus as a yardstick."""

import io
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
import torch

from after.audio import resample
from after.checkpoint import WEIGHTS_SUFFIX, read_snapshot
from after.codec.foreign.archive import is_foreign
from after.codec.load import AnyCodec, open_codec
from after.errors import AudioError
from after.evaluation.codec_reconstruction import FloatAudio, Sounded
from after.instrument.loading import read_parts
from after.streaming.lag import find_lag

OPUS_KBPS = (6.0, 256.0)
"""What libsndfile can ask of Opus for one channel."""

_LEVEL_BITS = 16
_OPUS_RATE = 48000
_OGG_HEADER_PACKETS = 2  # each on a page of its own: identification and comments, not audio


def bits_per_latent(noise: float) -> float:
    """Give the capacity of a channel that carries a latent of variance 1 under noise, in bits.

    A latent is a real number, so a codec of ours has no rate by itself. A decoder that has learned to forgive noise of
    this standard deviation cannot tell apart more than these bits' worth of values, and a quantiser with an error of
    the same power would need about as many. It is an upper limit: latents that are not Gaussian or that tell something
    about each other carry less. Source: Shannon 1948, theorem 17.

    Args:
        noise: standard deviation, above 0 for a finite result.
    """
    return 0.5 * math.log2(1.0 + 1.0 / noise**2) if noise > 0.0 else math.inf


def training_noise(codec: AnyCodec) -> float:
    """Give the standard deviation of the noise that a codec's training added to latents; 0 for a foreign codec."""
    return float(getattr(codec, "latent_noise", 0.0))


def noiseless_latents(codec: AnyCodec) -> int:
    """Count the latents at the front that get no noise, neither in training nor here: 1 where one is the level."""
    return int(getattr(codec, "first_noisy", 0))


def latent_kbps(codec: AnyCodec, noise: float) -> float:
    """Give the bit budget of all latents of a codec at a noise of this standard deviation; NaN without noise.

    A latent that gets no noise, the level, is counted with 16 bits: such steps of a level are below 0.01 dB.
    """
    if noise <= 0.0:
        return float("nan")
    exact = noiseless_latents(codec)
    bits = bits_per_latent(noise) * (codec.num_latents - exact) + _LEVEL_BITS * exact
    return bits * codec.sample_rate / codec.hop_length / 1000.0


@dataclass(frozen=True, slots=True)
class CodecSystem:
    """A codec run over whole recordings.

    Attributes:
        name: how tables call it.
        codec: in evaluation mode.
        latent_noise: standard deviation of noise added to the latents, always the same; the level gets none, as in
            training. 0 measures clean latents, which are real numbers and have no bit rate.
    """

    name: str
    codec: AnyCodec
    latent_noise: float = 0.0

    @torch.inference_mode()
    def reconstruct(self, audio: FloatAudio, sample_rate: int) -> Sounded:
        """Encode and decode [1, T] in +-1; the kbit/s are the bit budget at the noise (`latent_kbps`)."""
        codec = self.codec
        own = resample(audio, sample_rate, codec.sample_rate)
        padded = np.pad(own, ((0, 0), (0, -own.shape[1] % codec.hop_length)))
        latents = codec.encode(torch.from_numpy(padded)[None])
        if self.latent_noise > 0.0:
            generator = torch.Generator().manual_seed(0)
            noise = self.latent_noise * torch.randn(latents.shape, generator=generator)
            noise[:, : noiseless_latents(codec)] = 0.0
            latents = latents + noise
        decoded = codec.decode(latents)[0, :, : own.shape[1]].numpy()
        kbps = latent_kbps(codec, self.latent_noise)
        return Sounded(_fit(resample(decoded, codec.sample_rate, sample_rate), audio.shape[1]), kbps)


def codec_systems(name: str, codec: AnyCodec, noise: float | None = None) -> list[CodecSystem]:
    """Give a codec with clean latents, and with noisy ones, whose quality goes with a bit budget.

    Args:
        name: of the first; that of the second tells the budget too.
        codec: in evaluation mode.
        noise: standard deviation; that of the codec's training if None. At 0 there is no second.
    """
    noise = training_noise(codec) if noise is None else noise
    systems = [CodecSystem(name, codec)]
    if noise > 0.0:
        systems.append(CodecSystem(f"{name} at {latent_kbps(codec, noise):.1f} kbit/s", codec, noise))
    return systems


@dataclass(frozen=True, slots=True)
class OpusSystem:
    """Ogg Opus as libsndfile writes it: mono at 48 kHz, variable bit rate, packets of 20 ms.

    Attributes:
        asked_kbps: within `OPUS_KBPS`; what the packets really take depends on the sound.
    """

    asked_kbps: float

    @property
    def name(self) -> str:
        """How tables call it."""
        return f"opus {self.asked_kbps:g}"

    def reconstruct(self, audio: FloatAudio, sample_rate: int) -> Sounded:
        """Encode and decode [1, T] in +-1; the kbit/s are those of the packets, without the container."""
        original = resample(audio, sample_rate, _OPUS_RATE)
        data = encode_opus(original, self.asked_kbps)
        decoded = np.roll(decode_opus(data), -opus_delay(), axis=1)
        kbps = 8.0 * count_packet_bytes(data) * _OPUS_RATE / original.shape[1] / 1000.0
        return Sounded(_fit(resample(decoded, _OPUS_RATE, sample_rate), audio.shape[1]), kbps)


def encode_opus(audio: FloatAudio, kbps: float) -> bytes:
    """Encode [1, T] at 48 kHz to an Ogg Opus file.

    libsndfile maps its compression level c to (6 + 250 (1 - c)) kbit/s per channel, and has no other bitrate mode.

    Raises:
        AudioError: if this libsndfile has no Opus, or the rate is outside `OPUS_KBPS`.
    """
    low, high = OPUS_KBPS
    if not low <= kbps <= high:
        raise AudioError(f"Opus at {kbps:g} kbit/s: libsndfile takes {low:g} to {high:g}")
    if not soundfile.check_format("OGG", "OPUS"):
        raise AudioError(f"libsndfile {soundfile.__libsndfile_version__} has no Opus: install soundfile 0.12 or newer")
    buffer = io.BytesIO()
    level = 1.0 - (kbps - low) / (high - low)
    with soundfile.SoundFile(
        buffer, "w", samplerate=_OPUS_RATE, channels=1, format="OGG", subtype="OPUS", compression_level=level
    ) as file:
        file.write(audio[0])
    return buffer.getvalue()


def decode_opus(data: bytes) -> FloatAudio:
    """Decode an Ogg Opus file to [1, T] at 48 kHz."""
    frames, _ = soundfile.read(io.BytesIO(data), dtype="float32", always_2d=True)
    return np.ascontiguousarray(frames.T, dtype=np.float32)


def count_packet_bytes(data: bytes) -> int:
    """Count the bytes of audio packets in an Ogg file: what its pages carry, without their headers.

    Source: RFC 3533, section 6; RFC 7845, section 3, for the two leading packets that are no audio.
    """
    total, position, page = 0, 0, 0
    while position < len(data):
        num_segments = data[position + 26]
        body = position + 27 + num_segments
        size = sum(data[position + 27 : body])
        total += size if page >= _OGG_HEADER_PACKETS else 0
        position, page = body + size, page + 1
    return total


@lru_cache(maxsize=1)
def opus_delay() -> int:
    """Measure by how many samples at 48 kHz decoded Opus lags: 0 where libsndfile takes the pre-skip out, as it should.

    A burst of noise at a high rate keeps its waveform, so the peak of the cross-correlation is the lag.
    """
    burst = np.zeros((1, 1 << 15), dtype=np.float32)
    burst[0, 8192:12288] = 0.2 * np.random.default_rng(0).standard_normal(4096)
    return find_lag(burst[0], decode_opus(encode_opus(burst, 128.0))[0])


def _fit(audio: FloatAudio, num_samples: int) -> FloatAudio:
    """Cut [1, T] to a length, or fill it up with silence."""
    return np.pad(audio[:, :num_samples], ((0, 0), (0, max(0, num_samples - audio.shape[1]))))


def load_any_codec(source: Path, *, sample_rate: int | None = None) -> AnyCodec:
    """Load a codec by itself, or the one inside an instrument file, in evaluation mode.

    Args:
        source: as for `open_codec`, or an instrument file.
        sample_rate: Hz, for a TorchScript file that does not state it; ignored for others.

    Raises:
        CheckpointError: if there is none, or a TorchScript file states another rate.
    """
    if source.is_file() and source.suffix == WEIGHTS_SUFFIX and read_snapshot(source).get("kind") == "instrument":
        return read_parts(source).codec
    return open_codec(source, sample_rate=sample_rate if is_foreign(source) else None)[0]
