"""Codecs of other programs: exact where the file is exact, streaming, repeatable, with latents of unit variance."""

import json

import pytest
import torch
from torch import Tensor, nn

from after.codec.foreign.codec import open_foreign
from after.codec.foreign.randomness import MEAN_FRAME, draw_like
from after.codec.load import open_codec, rebuild_codec, stored_tensors
from after.codec.streamer import CodecStreamer
from after.config import to_dict
from after.data.extract.latents import codec_hash
from after.errors import CheckpointError
from after.export.check import check_codec, check_operators, check_protocol
from after.streaming.archive import compile_module, pack, unpack
from after.streaming.verify import verify_streaming
from tests.foreign_codec import (
    RATE,
    AssignedCache,
    Cache,
    Convolving,
    Framing,
    InPlaceCache,
    write_foreign,
)

CACHES = pytest.mark.parametrize("cache", [InPlaceCache, AssignedCache])


def noise(*shape: int, level: float = 0.3) -> Tensor:
    return level * torch.randn(shape, generator=torch.Generator().manual_seed(1))


class Scaled(Framing):
    """Encoding gives means and, after them, scales."""

    def __init__(self) -> None:
        super().__init__()
        self.encode_params = torch.tensor([1, 1, 2 * self.hop, self.hop])

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        z = x.reshape(x.size(0), -1, self.hop).transpose(1, 2)
        return torch.cat([z, 7.0 + z.abs()], dim=1)


class Plain(nn.Module):
    """Says nothing about itself but a rate, as an attribute; keeps a fresh audio tensor of the last call and a gain."""

    def __init__(self) -> None:
        super().__init__()
        self.sr = 48000.0
        self.last = torch.zeros(1, 4, 1)
        self.settings = (False, 1)

    @torch.jit.export
    def encode(self, x: Tensor) -> Tensor:
        z = x.reshape(x.size(0), -1, 4).transpose(1, 2)
        late = torch.cat([self.last, z], dim=2)
        self.last = z[:, :, z.size(2) - 1 :]
        self.settings = (False, 1)  # state of a kind that cannot be held, but it never changes
        return late[:, :, : z.size(2)]

    @torch.jit.export
    def decode(self, z: Tensor) -> Tensor:
        return z.transpose(1, 2).reshape(z.size(0), 1, -1)

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


@CACHES
@pytest.mark.parametrize("delay", [0, 5, 37])
def test_an_invertible_codec_gives_its_input_back_exactly(cache: Cache, delay: int) -> None:
    codec = open_foreign(write_foreign("a.ts", Framing(delay=delay, cache=cache)))
    assert (codec.sample_rate, codec.hop_length, codec.num_latents) == (RATE, 16, 16)
    assert codec.latency_samples == delay
    audio = noise(3, 1, 16 * 65)
    latents = codec.encode(audio)
    assert torch.equal(latents, audio.reshape(3, 65, 16).mT)
    assert torch.equal(codec.decode(latents), audio)
    assert codec.decoder.latency == delay
    verify_streaming(codec.decoder, 16, tolerance=1e-6, num_steps=20)


def test_only_the_means_count_where_scales_follow() -> None:
    codec = open_foreign(write_foreign("a.ts", Scaled()))
    assert codec.num_latents == 16
    audio = noise(2, 1, 160)
    assert torch.equal(codec.decode(codec.encode(audio)), audio)


def test_a_file_that_declares_nothing_is_measured() -> None:
    codec = open_foreign(write_foreign("a.ts", Plain()))
    assert (codec.sample_rate, codec.hop_length, codec.num_latents) == (48000, 4, 4)
    assert codec.latency_samples == 4  # the encoder's frame
    assert codec.encoder.num_states == 1
    audio = noise(2, 1, 64)
    assert torch.equal(codec.decode(codec.encode(audio))[:, :, :-4], audio[:, :, :-4])


def test_a_rate_can_be_given() -> None:
    module = Plain()
    del module.sr
    path = write_foreign("a.ts", module)
    assert open_foreign(path, sample_rate=22050).sample_rate == 22050


@CACHES
@pytest.mark.parametrize("variational", [False, True])
def test_it_keeps_the_streaming_contract(cache: Cache, variational: bool) -> None:
    codec = open_foreign(write_foreign("a.ts", Convolving(3, 16, cache=cache, variational=variational)))
    codec.fit_latents(noise(2, 1, 160))
    verify_streaming(codec.encoder, 1, tolerance=1e-4, num_steps=20)
    verify_streaming(codec.decoder, 3, tolerance=1e-4, num_steps=20)


@torch.no_grad()
def test_a_variational_encoder_gives_the_mean() -> None:
    module = Convolving(3, 16, variational=True)
    codec = open_foreign(write_foreign("a.ts", module))
    audio = noise(2, 1, 160)
    mean = 4.0 * module.analysis(nn.functional.pad(audio, (16, 0))).chunk(2, dim=1)[0]
    wanted = mean[:, :3] + 0.1 * torch.arange(3)[None, :, None]
    torch.testing.assert_close(codec.encode(audio), wanted, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_decoder_s_noise_is_another_in_each_frame_and_the_same_each_time() -> None:
    codec = open_foreign(write_foreign("a.ts", Convolving(3, 256, variational=True)))
    audio = codec.decode(torch.zeros(1, 3, 8))
    assert torch.equal(audio, codec.decode(torch.zeros(1, 3, 8)))
    frames = audio.reshape(8, 256)[2:]
    frames = frames - frames.mean(dim=0)
    correlation = torch.corrcoef(frames) - torch.eye(6)
    assert correlation.abs().max() < 0.5
    assert frames.std() > 0.05


def test_draws_have_the_right_distribution() -> None:
    x = torch.empty(200_000)
    normal, uniform = draw_like(x, 3, 0, True), draw_like(x, 3, 1, False)
    assert normal.mean().abs() < 0.01
    assert normal.std() == pytest.approx(1.0, abs=0.01)
    counts = torch.histc(uniform, bins=10, min=0.0, max=1.0)
    assert counts.sum() == 200_000
    assert (counts / 20_000 - 1.0).abs().max() < 0.05
    assert not torch.equal(normal, draw_like(x, 4, 0, True))
    assert not torch.equal(normal, draw_like(x, 3, 1, True))
    assert draw_like(x, MEAN_FRAME, 0, True).unique().tolist() == [0.0]
    assert draw_like(x, MEAN_FRAME, 0, False).unique().tolist() == [0.5]


@torch.no_grad()
def test_latents_have_unit_variance_on_what_they_were_fitted_to() -> None:
    codec = open_foreign(write_foreign("a.ts", Convolving(3, 16)))
    audio = noise(4, 1, 1600)
    plain, raw = codec.decode(codec.encode(audio)), codec.encode(audio)
    codec.fit_latents(audio)
    latents = codec.encode(audio)
    std, mean = torch.std_mean(latents, dim=(0, 2))
    # statistics are kept to three places, so that another machine finds the same
    torch.testing.assert_close(mean, torch.zeros(3), atol=5e-3, rtol=0)
    torch.testing.assert_close(std, torch.ones(3), atol=5e-3, rtol=0)
    torch.testing.assert_close(latents * codec.norm.std[:, None] + codec.norm.mean[:, None], raw)
    # the decoder takes the normalisation back
    torch.testing.assert_close(codec.decode(latents), plain, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("variational", [False, True])
def test_it_is_built_again_from_what_is_stored(variational: bool) -> None:
    path = write_foreign("a.ts", Convolving(3, 16, variational=variational))
    codec = open_foreign(path)
    codec.fit_latents(noise(2, 1, 160))
    known = json.loads(json.dumps(to_dict(codec.settings)))
    again, table = open_codec(path, known=known)
    assert table == known
    inside = rebuild_codec(known, stored_tensors(codec))
    audio = noise(2, 1, 160, level=0.1)
    for other in (again, inside):
        assert other.latency_samples == codec.latency_samples
        assert codec_hash(other) == codec_hash(codec)
        assert torch.equal(other.encode(audio), codec.encode(audio))
        assert torch.equal(other.decode(codec.encode(audio)), codec.decode(codec.encode(audio)))


def test_another_file_is_not_taken_for_it() -> None:
    known = to_dict(open_foreign(write_foreign("a.ts", Framing())).settings)
    with pytest.raises(CheckpointError, match="not the codec that the model was trained with"):
        open_codec(write_foreign("b.ts", Framing(delay=3)), known=known)
    with pytest.raises(CheckpointError, match="trained with one of ours"):
        open_codec("a.ts", known={"sample_rate": 44100})
    with pytest.raises(CheckpointError, match="bundle the instrument again"):
        rebuild_codec(known, {})


def test_the_hash_follows_the_file_and_the_statistics() -> None:
    codec, other = (open_foreign(write_foreign("a.ts", Framing(delay=delay))) for delay in (0, 3))
    assert codec_hash(codec) != codec_hash(other)
    before = codec_hash(codec)
    codec.fit_latents(noise(1, 1, 160))
    assert codec_hash(codec) != before


def test_torch_s_generator_is_left_alone() -> None:
    path = write_foreign("a.ts", Convolving(3, 16, variational=True))
    before = torch.get_rng_state()
    codec = open_foreign(path)
    codec.decode(codec.encode(noise(1, 1, 160)))
    assert torch.equal(before, torch.get_rng_state())


@CACHES
def test_a_compiled_stream_gives_what_the_whole_sequence_gives(cache: Cache) -> None:
    codec = open_foreign(write_foreign("a.ts", Convolving(3, 16, cache=cache, variational=True)))
    codec.fit_latents(noise(2, 1, 160))
    scripted = compile_module(CodecStreamer(codec))
    check_operators(scripted)
    loaded = unpack(pack(scripted, {}))
    check_protocol(loaded, 2, codec.hop_length)
    assert max(check_codec(loaded, codec).values()) < 1e-4
