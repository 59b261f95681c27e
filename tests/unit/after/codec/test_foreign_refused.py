"""Files that are no codec, or one that does not fit: a message says what was found, what is needed and what to do."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from after.codec.foreign.codec import open_foreign
from after.codec.load import open_codec
from after.codec.streamer import CodecStreamer
from after.errors import AudioError, CheckpointError
from tests.foreign_codec import Framing, write_foreign
from tests.tiny_instrument import make_tiny_instrument


class EncodeAlone(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return self.encode(x)

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        return x


class TwoOutputs(EncodeAlone):
    @torch.jit.export
    def decode(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return z, z


class Stereo(Framing):
    def __init__(self) -> None:
        super().__init__()
        self.decode_params = torch.tensor([16, 16, 2, 1])


class OtherRatio(Framing):
    def __init__(self) -> None:
        super().__init__()
        self.decode_params = torch.tensor([16, 32, 1, 1])


class OtherWidth(Framing):
    def __init__(self) -> None:
        super().__init__()
        self.encode_params = torch.tensor([1, 1, 15, 16])


class Shorter(Framing):
    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return z.transpose(1, 2).reshape(z.size(0), 1, -1)[:, :, 1:]


class Failing(Framing):
    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        if x.size(2) > 1:
            raise ValueError("the moon is full")
        return x


class Forgetful(Framing):
    """Smooths over frames, and begins anew with each call."""

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        z = z + nn.functional.pad(z, (1, 0))[:, :, :-1]
        return z.transpose(1, 2).reshape(z.size(0), 1, -1)


class WithList(Framing):
    """Keeps its state in a list."""

    last: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.last = []

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        before = self.last[0] if len(self.last) > 0 else torch.zeros_like(z[:, :, :1])
        self.last = [z[:, :, -1:]]
        z = z + torch.cat([before, z[:, :, :-1]], dim=2)
        return z.transpose(1, 2).reshape(z.size(0), 1, -1)


class Flipping(Framing):
    """Draws in a way that has no mean that could stand for it."""

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        return torch.bernoulli(0.5 * torch.ones_like(x)).reshape(x.size(0), -1, self.hop).transpose(1, 2)


class Deaf(Framing):
    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return torch.zeros_like(z).transpose(1, 2).reshape(z.size(0), 1, -1)


class Unstated(Framing):
    def __init__(self) -> None:
        super().__init__()
        del self.sampling_rate


class Infinite(Framing):
    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return z.log().transpose(1, 2).reshape(z.size(0), 1, -1)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (EncodeAlone(), "no method decode; it has encode, forward: .* export it with both"),
        (TwoOutputs(), "must take one tensor and give one"),
        (Stereo(), "decode gives 2 audio channels; codecs here are mono"),
        (OtherRatio(), "a frame of 16 samples, decode makes 32 .* must be the same"),
        (OtherWidth(), r"declares \(1, 1, 15, 16\) for encode, which gives \(1, 1, 16, 16\)"),
        (Framing(12), "12 samples per latent frame; hosts need a power of two"),
        (Shorter(), r"decode gives \[1, 1, 63\] where encode took \[1, 1, 64\]"),
        (Failing(), r"fails when it is run .*the moon is full.* export it again"),
        (Forgetful(), "in blocks than for the whole sequence: export it for streaming"),
        (WithList(), r"keeps its state in last; state must be tensors"),
        (Flipping(), "encode draws random numbers by aten::bernoulli, .* with randn"),
        (Deaf(), "does not reach what is decoded"),
        (Infinite(), "not finite"),
        (Unstated(), "sampling_rate, sr, sample_rate.*--codec-sample-rate"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_what_does_not_fit_is_refused(module: nn.Module, words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        open_foreign(write_foreign("a.ts", module))


def test_stereo_that_only_shows_is_refused() -> None:
    module = Framing()
    module.encode_params = torch.tensor([2, 1, 16, 16])
    with pytest.raises(CheckpointError, match="encode takes 2 audio channels"):
        open_foreign(write_foreign("a.ts", module))


def test_files_that_are_no_torchscript_are_refused() -> None:
    with pytest.raises(CheckpointError, match=r"cannot read the codec none.ts: No such file"):
        open_codec("none.ts")
    Path("text.ts").write_text("not a module")
    with pytest.raises(CheckpointError, match=r"text.ts is not a TorchScript file, or it is damaged"):
        open_codec("text.ts")
    whole = write_foreign("whole.ts", Framing()).read_bytes()
    Path("half.ts").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=r"half.ts is not a TorchScript file, or it is damaged"):
        open_codec("half.ts")


def test_a_rate_that_contradicts_the_file_is_refused() -> None:
    path = write_foreign("a.ts", Framing())
    with pytest.raises(CheckpointError, match="states a sample rate of 44100 Hz, 48000 Hz was given"):
        open_codec(path, sample_rate=48000)
    assert open_codec(path, sample_rate=44100)[0].sample_rate == 44100


def test_a_codec_that_was_exported_here_is_named_by_its_run() -> None:
    streamer = CodecStreamer(make_tiny_instrument().codec).eval()
    path = Path("ours.ts")
    torch.jit.script(streamer).save(path)
    with pytest.raises(CheckpointError, match=r"keeps its state in encode_state.* give the run folder"):
        open_codec(path)


@pytest.mark.parametrize("shape", [(1, 1, 100), (1, 2, 128), (1, 128)])
def test_audio_of_a_wrong_shape_is_refused(shape: tuple[int, ...]) -> None:
    codec = open_foreign(write_foreign("a.ts", Framing()))
    with pytest.raises(AudioError, match=r"\[batch, 1, T\] with T a multiple of 16: pad it"):
        codec.encode(torch.zeros(shape))
