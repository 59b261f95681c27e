"""The codec's parts and promises: sizes, normalised latents, spectra with known values, errors that say what to do."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from after.checkpoint import write_checkpoint
from after.codec.autoencoder import Codec
from after.codec.bands import BandLevels, spread_bands
from after.codec.bottleneck import LatentNorm
from after.codec.build import build_codec
from after.codec.load import load_codec
from after.config import to_dict
from after.errors import AudioError, CheckpointError, ConfigError
from after.settings import CodecSettings

TINY = CodecSettings(
    frame_hop=64,
    latent_stride=2,
    encoder_window=256,
    encoder_fall=32,
    decoder_window=128,
    num_latents=3,
    decoder_width=6,
    decoder_blocks=(1, 1),
)


def tiny() -> Codec:
    torch.manual_seed(0)
    return build_codec(TINY).eval()


@torch.no_grad()
@pytest.mark.parametrize("num_frames", [1, 2, 65])
def test_sizes(num_frames: int) -> None:
    codec = tiny()
    audio = 0.1 * torch.randn(2, 1, num_frames * 128)
    latents = codec.encode(audio)
    assert latents.shape == (2, 3, num_frames)
    assert codec.decode(latents).shape == audio.shape
    result, levels = codec(audio)
    assert torch.equal(result, codec.decode(latents))
    assert levels.shape == (2, 2 * num_frames, codec.source.num_sines + codec.source.num_bins)


def test_derived_numbers() -> None:
    codec = tiny()
    assert (codec.hop_length, TINY.hop_length, TINY.frame_rate) == (128, 128, 44_100 / 128)
    # the encoder sees the newest sample, the decoder overlaps windows of two hops
    assert codec.latency_samples == 128 - 64


@pytest.mark.parametrize("shape", [(1, 1, 100), (1, 2, 128), (1, 128), (128,)])
def test_audio_of_a_wrong_shape_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(AudioError, match=r"\[batch, 1, T\] with T a multiple of 128: pad it"):
        tiny().encode(torch.zeros(shape))


@torch.no_grad()
@pytest.mark.parametrize("level", [0.0, 1.0, 100.0])
def test_any_level_gives_finite_audio(level: float) -> None:
    result, latents = tiny()(level * torch.randn(1, 1, 1280))
    assert torch.isfinite(result).all()
    assert torch.isfinite(latents).all()


@torch.no_grad()
def test_latents_have_no_mean_and_unit_variance_on_what_they_were_fitted_to() -> None:
    codec = tiny()
    audio = 0.1 * torch.randn(4, 1, 12800) * torch.linspace(0.1, 1.0, 12800)
    codec.fit_latents(audio)
    for _ in range(2):
        std, mean = torch.std_mean(codec.encode(audio), dim=(0, 2))
        torch.testing.assert_close(mean, torch.zeros(3), atol=1e-4, rtol=0)
        torch.testing.assert_close(std, torch.ones(3), atol=1e-4, rtol=0)
        codec.fit_latents(audio)  # measuring again changes nothing
    assert {"mean", "std"} <= codec.encoder.layers[-1].module.state_dict().keys()


@torch.no_grad()
def test_training_adds_noise_to_what_the_decoder_hears_alone() -> None:
    codec, audio = tiny(), 0.1 * torch.randn(1, 1, 1280)
    quiet = codec(audio)
    assert all(torch.equal(one, other) for one, other in zip(quiet, codec(audio), strict=True))
    codec.train()
    one, other = torch.tensor([1]), torch.tensor([2])
    assert not torch.equal(codec(audio, one)[0], quiet[0])
    assert not torch.equal(codec(audio, one)[0], codec(audio, other)[0])
    assert torch.equal(codec(audio, one)[0], codec(audio, one)[0])


@torch.no_grad()
def test_an_item_gets_the_same_noise_in_any_batch() -> None:
    codec, audio, seeds = tiny().train(), 0.1 * torch.randn(3, 1, 1280), torch.tensor([5, 6, 7])
    together, alone = codec(audio, seeds)[0], codec(audio[1:2], seeds[1:2])[0]
    torch.testing.assert_close(together[1:2], alone)


def test_a_channel_that_says_nothing_stays_finite() -> None:
    norm = LatentNorm(1)
    norm.fit(torch.full((2, 10, 1), 3.0))
    assert torch.isfinite(norm(torch.full((2, 10, 1), 3.0))).all()


@pytest.mark.parametrize("hz", [60.0, 440.0, 5000.0])
def test_a_sine_is_loudest_in_the_nearest_band_at_its_own_level(hz: float) -> None:
    centres = spread_bands(96, 30.0, 16000.0)
    window = torch.hann_window(4096)
    bands = BandLevels(centres, size=4096, sample_rate=44100, gain=1.0 / float(window.sum()))
    hz = float(centres[(centres - hz).abs().argmin()])
    sine = 0.5 * torch.sin(2 * math.pi * hz * torch.arange(4096) / 44100)
    levels = bands(torch.stack([torch.zeros(4096), sine])[None] * window)[0]
    torch.testing.assert_close(levels[0], torch.full((96,), math.log(1e-4)))
    assert abs(int(levels[1].argmax()) - int((centres - hz).abs().argmin())) <= (2 if hz < 200 else 0)
    assert levels[1].max().item() == pytest.approx(math.log(0.25), abs=0.5)


def test_every_weight_learns() -> None:
    codec = tiny().train()
    result, _ = codec(0.1 * torch.randn(2, 1, 1280))
    (result - torch.randn_like(result)).square().sum().backward()
    assert [name for name, p in codec.named_parameters() if p.grad is None or not p.grad.abs().any()] == []


def test_a_codec_comes_back_from_its_file() -> None:
    codec = tiny()
    codec.train()
    codec(torch.randn(2, 1, 1280))
    codec.eval()
    write_checkpoint("codec.safetensors", codec.state_dict(), {"kind": "codec", "codec": to_dict(TINY)})
    loaded, settings = load_codec("codec.safetensors")
    assert settings == TINY
    assert not loaded.training
    audio = torch.randn(1, 1, 1280)
    with torch.no_grad():
        assert torch.equal(loaded.encode(audio), codec.encode(audio))


def test_a_file_without_a_codec_is_refused() -> None:
    for snapshot in ({"kind": "diffusion", "codec": to_dict(TINY)}, {"kind": "codec"}):
        write_checkpoint("other.safetensors", tiny().state_dict(), snapshot)
        with pytest.raises(CheckpointError, match="holds no codec: give a run folder"):
            load_codec("other.safetensors")
    with pytest.raises(CheckpointError, match="missing"):
        load_codec(Path("nowhere.safetensors"))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"encoder_window": 100}, "audio would be skipped"),
        ({"decoder_window": 512}, "longer than it"),
        ({"encoder_fall": 0}, "between 1 and half the encoder window"),
        ({"band_range_hz": (30.0, 23000.0)}, "half the sample rate"),
        ({"sine_range_hz": (200.0, 100.0)}, "must rise"),
        ({"sine_spacing_cents": 0.0}, "above 0"),
        ({"encoder_fall": 2049}, "between 1 and half the encoder window"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CodecSettings(**changed)
