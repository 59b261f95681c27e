"""Traits of files that other programs export: warmed caches, counters, gated noise, odd rates, more than a codec."""

import hashlib
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from after.checkpoint import write_checkpoint
from after.codec.foreign.archive import is_foreign
from after.codec.foreign.codec import open_foreign, rebuild_foreign
from after.codec.foreign.settings import ForeignSettings
from after.codec.load import load_codec, open_codec
from after.errors import CheckpointError
from tests.foreign_codec import Framing, write_foreign
from tests.tiny_instrument import make_tiny_instrument


class Warmed(Framing):
    """Its cache holds sound, and a count of frames that did not begin at 0 steps the level."""

    def __init__(self) -> None:
        super().__init__(delay=5)
        self.num_frames = 3
        self.delay.pad[0] = torch.arange(5.0)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        step = (self.num_frames + torch.arange(z.size(2))) % 4
        self.num_frames += z.size(2)
        audio = (z * (1 + step)).transpose(1, 2).reshape(z.size(0), 1, -1)
        return self.delay(audio)[:, :, : audio.size(2)]


class GatedNoise(Framing):
    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        audio = z.transpose(1, 2).reshape(z.size(0), 1, -1)
        return audio + torch.randn_like(audio) * z.abs().mean()


class DrawingInALoop(Framing):
    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        audio = z.transpose(1, 2).reshape(z.size(0), 1, -1)
        for _ in range(z.size(2)):
            audio = audio + torch.randn_like(audio)
        return audio


class Writing(Framing):
    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        torch.save(z, "stolen")
        return z.transpose(1, 2).reshape(z.size(0), 1, -1)


class Printing(Framing):
    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        print(x.size(0))
        return x.reshape(x.size(0), -1, self.hop).transpose(1, 2)


class Loading(Framing):
    """Would write a file while it is loaded."""

    @torch.jit.export
    def __getstate__(self) -> tuple[int, bool]:
        return self.hop, self.training

    @torch.jit.export
    def __setstate__(self, state: tuple[int, bool]) -> None:
        self.hop = state[0]
        self.training = state[1]
        torch.save(torch.zeros(1), "stolen")


class WritingAside(Framing):
    @torch.jit.export
    def get_sample_rate(self) -> int:
        torch.save(torch.zeros(1), "stolen")
        return 44100


class Forking(Framing):
    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        frames = torch.jit.fork(torch.reshape, x, [x.size(0), -1, self.hop])
        return torch.jit.wait(frames).transpose(1, 2)


class NamingAGenerator(Framing):
    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        z = z + torch.randn([z.size(0), z.size(1), z.size(2)], generator=None)
        return z.transpose(1, 2).reshape(z.size(0), 1, -1)


class Ringing(Framing):
    """What is played is heard for ever."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("sum", torch.zeros(1, 16, 1))

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        z = self.sum + z.cumsum(2)
        self.sum = z[:, :, -1:]
        return z.transpose(1, 2).reshape(z.size(0), 1, -1)


class OddRate(nn.Module):
    """Framing with a rate of another form, or none."""

    def __init__(self, rate: tuple[float] | float) -> None:
        super().__init__()
        self.sr = rate
        self.inner = Framing()

    def forward(self, x: Tensor) -> Tensor:
        return x

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        return self.inner.encode(x)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return self.inner.decode(z)

    @torch.jit.export
    def get_sample_rate(self, channel: int) -> int:
        return 44100 + channel


@torch.no_grad()
def test_a_stream_begins_with_what_the_file_holds() -> None:
    path = write_foreign("a.ts", Warmed())
    audio = torch.randn(1, 1, 64, generator=torch.Generator().manual_seed(0))
    raw = torch.jit.load(path)
    wanted = torch.cat([raw.decode(raw.encode(block)) for block in audio.split(32, dim=2)], dim=2)
    codec = open_foreign(path)
    for _ in range(2):
        state = codec.decoder.init_state(1)
        first, state = codec.decoder.step(codec.encode(audio).mT[:, :2], state)
        second, state = codec.decoder.step(codec.encode(audio).mT[:, 2:], state)
        torch.testing.assert_close(torch.cat([first, second], dim=1).mT, wanted)
    assert wanted[0, 0, :5].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0]
    torch.testing.assert_close(
        wanted[0, 0, 5:], (audio.reshape(4, 16) * torch.tensor([4, 1, 2, 3])[:, None]).flatten()[:-5]
    )


@torch.no_grad()
def test_a_generator_that_is_named_and_not_given_is_no_obstacle() -> None:
    codec = open_foreign(write_foreign("a.ts", NamingAGenerator()))
    noise = codec.decode(torch.zeros(1, 16, 200))
    assert torch.equal(noise, codec.decode(torch.zeros(1, 16, 200)))
    assert float(noise.std()) == pytest.approx(1.0, abs=0.1)


@torch.no_grad()
def test_noise_that_only_sound_lets_through_is_heard() -> None:
    codec = open_foreign(write_foreign("a.ts", GatedNoise()))
    latents = torch.ones(1, 16, 50)
    assert float(codec.decode(latents).std()) == pytest.approx(1.0, abs=0.15)


def test_a_long_delay_is_measured_whatever_the_hop() -> None:
    assert open_foreign(write_foreign("a.ts", Framing(16, delay=6000))).latency_samples == 6000


def test_what_sounds_for_ever_has_no_latency_that_could_be_measured() -> None:
    with pytest.raises(CheckpointError, match=r"a click is still heard 1\.5 s later"):
        open_foreign(write_foreign("a.ts", Ringing()))


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (DrawingInALoop(), "inside a loop"),
        (Writing(), "writes files in decode .* may only compute, so it is not run"),
        (WritingAside(), "writes files in get_sample_rate"),
        (Loading(), "has __setstate__ and __getstate__, code that runs as the file is loaded"),
        (Printing(), "prints in encode"),
        (Forking(), "starts other work in encode"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_what_no_codec_needs_is_refused(module: nn.Module, message: str) -> None:
    path = write_foreign("a.ts", module)
    Path("stolen").unlink(missing_ok=True)
    archive = path.read_bytes()
    with pytest.raises(CheckpointError, match=message):
        open_foreign(path)
    digest = hashlib.sha256(archive).hexdigest()
    settings = ForeignSettings(sha256=digest, sample_rate=44100, hop_length=16, num_latents=16, latency_samples=0)
    with pytest.raises(CheckpointError, match=message):
        rebuild_foreign(archive, settings, "a.ts")
    assert not Path("stolen").exists()


def test_a_rate_in_a_tuple_is_read() -> None:
    assert open_foreign(write_foreign("a.ts", OddRate((48000.0,)))).sample_rate == 48000


def test_a_rate_that_is_none_is_asked_for() -> None:
    path = write_foreign("a.ts", OddRate(float("inf")))
    with pytest.raises(CheckpointError, match="does not state its sample rate"):
        open_foreign(path)
    assert open_foreign(path, sample_rate=44100).sample_rate == 44100


def test_a_file_that_contains_one_is_none() -> None:
    archive = torch.frombuffer(bytearray(write_foreign("a.ts", Framing()).read_bytes()), dtype=torch.uint8)
    write_checkpoint("i.safetensors", {"codec.archive": archive}, {"kind": "instrument"})
    assert is_foreign("a.ts")
    assert not is_foreign("i.safetensors")
    with pytest.raises(CheckpointError, match="holds no codec"):
        open_codec("i.safetensors")


def test_another_codec_than_the_models_is_refused_before_anything_is_done() -> None:
    own = make_tiny_instrument().write_codec("own.safetensors")
    foreign = write_foreign("a.ts", Framing())
    _, table = open_codec(own)
    _, foreign_table = open_codec(foreign)
    assert open_codec(own, known=table)[1] == table
    with pytest.raises(CheckpointError, match="is not the codec that the model was trained with"):
        open_codec(own, known=foreign_table)
    with pytest.raises(CheckpointError, match="sample rate of 44100 Hz, 48000 Hz was given"):
        open_codec(own, sample_rate=48000)
    with pytest.raises(CheckpointError, match="is a TorchScript file"):
        load_codec(foreign)
