"""Traits of files that other programs export: warmed caches, counters, gated noise, odd rates, more than a codec."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from after.checkpoint import write_checkpoint
from after.codec.foreign.archive import is_foreign
from after.codec.foreign.codec import open_foreign
from after.codec.load import load_codec, open_codec
from after.errors import CheckpointError
from tests.foreign_codec import Framing, write_foreign
from tests.tiny_instrument import make_tiny_instrument


class Warmed(Framing):
    """Its cache holds sound, and its counter is heard."""

    def __init__(self) -> None:
        super().__init__(delay=5)
        self.num_calls = 3
        self.delay.pad[0] = torch.arange(5.0)

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        audio = z.transpose(1, 2).reshape(z.size(0), 1, -1)
        return self.delay(audio)[:, :, : audio.size(2)] + 0.25 * min(self.num_calls, 3)


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
    wanted = raw.decode(raw.encode(audio))
    codec = open_foreign(path)
    latents = codec.encode(audio).mT
    sound, _ = codec.decoder.step(latents, codec.decoder.init_state(1))
    torch.testing.assert_close(sound.mT, wanted)
    assert wanted[0, 0, :5].tolist() == [0.75, 1.75, 2.75, 3.75, 4.75]


@torch.no_grad()
def test_noise_that_only_sound_lets_through_is_heard() -> None:
    codec = open_foreign(write_foreign("a.ts", GatedNoise()))
    latents = torch.ones(1, 16, 50)
    assert float(codec.decode(latents).std()) == pytest.approx(1.0, abs=0.15)


def test_a_long_delay_is_measured_whatever_the_hop() -> None:
    assert open_foreign(write_foreign("a.ts", Framing(16, delay=6000))).latency_samples == 6000


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (DrawingInALoop(), "inside a loop"),
        (Writing(), "reads or writes files, or prints"),
        (Printing(), "reads or writes files, or prints"),
    ],
)
def test_what_no_codec_needs_is_refused(module: nn.Module, message: str) -> None:
    with pytest.raises(CheckpointError, match=message):
        open_foreign(write_foreign("a.ts", module))
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
