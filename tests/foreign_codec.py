"""Codecs as another program would export them, in RAVE's convention: TorchScript methods and their params.

Caches are kept in both ways that such files know: a buffer with rows for the largest batch that is changed in place,
and a buffer that each call assigns anew. All of it is made up here; weights are drawn from a fixed seed.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

RATE = 44100
HOP = 1024
NUM_LATENTS = 6
MAX_BATCH = 8


class InPlaceCache(nn.Module):
    """Put the end of the last call before a block; the cache has a row for each item of the largest batch."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("pad", torch.zeros(MAX_BATCH, width, size))

    def forward(self, x: Tensor) -> Tensor:
        joined = torch.cat([self.pad[: x.size(0)], x], dim=2)
        self.pad[: x.size(0)].copy_(joined[:, :, joined.size(2) - self.size :])
        return joined


class AssignedCache(nn.Module):
    """The same for one stream, with a cache that is assigned, and a count of the calls."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.num_calls = 0
        self.register_buffer("pad", torch.zeros(1, width, size))

    def forward(self, x: Tensor) -> Tensor:
        joined = torch.cat([self.pad, x], dim=2)
        self.pad = joined[:, :, joined.size(2) - self.size :]
        self.num_calls += 1
        return joined


Cache = Callable[[int, int], nn.Module]


class Exported(nn.Module):
    """What such a file has beside its network: a rate, params and labels."""

    def __init__(self, num_latents: int, hop: int, *, sample_rate: int = RATE, channels: int = 1) -> None:
        super().__init__()
        self.hop = hop
        self.register_buffer("sampling_rate", torch.tensor(sample_rate))
        self.register_buffer("encode_params", torch.tensor([channels, 1, num_latents, hop]))
        self.register_buffer("decode_params", torch.tensor([num_latents, hop, channels, 1]))
        self.register_buffer("forward_params", torch.tensor([channels, 1, channels, 1]))
        self.encode_input_labels = ["(signal) Channel 1"]
        self.decode_output_labels = ["(signal) Channel 1"]


class Framing(Exported):
    """Latents are the samples of a frame, which is exactly invertible; decoding delays by whole samples."""

    def __init__(self, hop: int = 16, *, delay: int = 0, cache: Cache = InPlaceCache) -> None:
        super().__init__(hop, hop)
        self.delay = cache(1, delay)

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        return x.reshape(x.size(0), -1, self.hop).transpose(1, 2)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        audio = z.transpose(1, 2).reshape(z.size(0), 1, -1)
        return self.delay(audio)[:, :, : audio.size(2)]

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


class Convolving(Exported):
    """Cached convolutions at the audio's rate and at the frame rate; `variational` as RAVE's default export is.

    Then latents are drawn around a mean, and decoding draws the latents that were cut away and shapes noise.
    """

    def __init__(
        self,
        num_latents: int = NUM_LATENTS,
        hop: int = HOP,
        *,
        cache: Cache = InPlaceCache,
        variational: bool = False,
        sample_rate: int = RATE,
    ) -> None:
        super().__init__(num_latents, hop, sample_rate=sample_rate)
        self.full = num_latents + 2 if variational else num_latents
        self.kept = num_latents
        self.variational = variational
        self.audio_cache = cache(1, hop)
        self.analysis = nn.Conv1d(1, 2 * self.full if variational else self.full, 2 * hop, stride=hop)
        self.frames = nn.Sequential(cache(self.full, 2), nn.Conv1d(self.full, 12, 3), nn.Tanh())
        self.synthesis = nn.Conv1d(12, hop, 1)
        self.register_buffer("latent_mean", 0.1 * torch.arange(num_latents)[None, :, None])

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        z = 4.0 * self.analysis(self.audio_cache(x))
        if self.variational:
            z = self.reparametrize(z)
        return z[:, : self.kept] + self.latent_mean

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        z = z - self.latent_mean
        if self.variational:
            z = torch.cat([z, torch.randn(z.size(0), self.full - self.kept, z.size(2))], dim=1)
        audio = self.synthesis(self.frames(z)).transpose(1, 2)
        if self.variational:
            audio = audio + 0.2 * (2.0 * torch.rand_like(audio) - 1.0)
        return audio.reshape(z.size(0), 1, -1)

    def reparametrize(self, z: Tensor) -> Tensor:
        mean, scale = z.chunk(2, dim=1)
        return mean + nn.functional.softplus(scale) * torch.randn_like(mean)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


def script(module: nn.Module) -> torch.jit.ScriptModule:
    """Compile one, always with the same weights."""
    generator = torch.Generator().manual_seed(5)
    for parameter in module.parameters():
        parameter.data = 0.3 * torch.randn(parameter.shape, generator=generator) * parameter[0].numel() ** -0.5
    return torch.jit.script(module.eval())


def write_foreign(path: str | Path, module: nn.Module) -> Path:
    """Write one to a file."""
    torch.jit.save(script(module), str(path))
    return Path(path)
