"""The codec's parts and promises: sizes, normalised latents, spectra with known values, errors that say what to do."""

import math
from pathlib import Path

import pytest
import torch

from after.checkpoint import write_checkpoint
from after.codec.autoencoder import Codec, build_codec
from after.codec.bottleneck import LatentNorm
from after.codec.load import load_codec
from after.codec.spectral import LogMagnitude
from after.config import load_settings, to_dict
from after.errors import AudioError, CheckpointError, ConfigError
from after.settings import CodecSettings, CodecTrainingSettings

TINY = CodecSettings(
    frame_hop=64,
    latent_stride=2,
    encoder_window=256,
    encoder_fall=32,
    decoder_window=128,
    num_latents=3,
    encoder_width=6,
    encoder_blocks=(1, 1),
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


def test_training_normalises_each_channel_of_the_batch() -> None:
    norm = LatentNorm(3)
    x = torch.randn(4, 50, 3) * torch.tensor([1.0, 5.0, 0.1]) + torch.tensor([0.0, -3.0, 7.0])
    std, mean = torch.std_mean(norm(x), dim=(0, 1))
    torch.testing.assert_close(mean, torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(std, torch.ones(3), atol=1e-5, rtol=0)


def test_evaluation_uses_the_averages_that_training_left() -> None:
    norm = LatentNorm(2, momentum=0.2)
    scale, shift = torch.tensor([3.0, 0.5]), torch.tensor([-1.0, 4.0])
    for _ in range(60):
        norm(torch.randn(8, 100, 2) * scale + shift)
    torch.testing.assert_close(norm.mean, shift, atol=0.1, rtol=0)
    torch.testing.assert_close(norm.std, scale, rtol=0.05, atol=0)
    norm.eval()
    x = torch.randn(1, 1, 2)
    torch.testing.assert_close(norm(x), (x - norm.mean) / norm.std)
    assert {"mean", "std"} <= norm.state_dict().keys()


@torch.no_grad()
def test_training_adds_noise_to_what_the_decoder_hears_alone() -> None:
    codec, audio = tiny(), 0.1 * torch.randn(1, 1, 1280)
    quiet = codec(audio)
    assert all(torch.equal(one, other) for one, other in zip(quiet, codec(audio), strict=True))
    codec.train()
    assert not torch.equal(codec(audio)[0], codec(audio)[0])


def test_a_channel_that_says_nothing_stays_finite() -> None:
    assert torch.isfinite(LatentNorm(1)(torch.full((2, 10, 1), 3.0))).all()


def test_log_magnitudes_of_silence_and_of_a_full_scale_sine() -> None:
    window = torch.hann_window(512)
    head = LogMagnitude(gain=1.0 / float(window.sum()))
    sine = torch.sin(2 * torch.pi * 20 * torch.arange(512) / 512)
    spectra = head(torch.stack([torch.zeros(512), sine])[None] * window)[0]
    assert spectra.shape == (2, 257)
    torch.testing.assert_close(spectra[0], torch.full((257,), math.log(1e-5) / 4 + 1.5))
    assert spectra[1, 20].item() == pytest.approx(math.log(0.5) / 4 + 1.5, abs=1e-3)
    assert spectra[1, 200].item() == pytest.approx(math.log(1e-5) / 4 + 1.5, abs=1e-2)


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
        ({"encoder_window": 100}, "multiple of frame_hop"),
        ({"decoder_window": 512}, "longer than it"),
        ({"encoder_fall": 0}, "between 1 and half the encoder window"),
        ({"encoder_fall": 1025}, "between 1 and half the encoder window"),
    ],
)
def test_windows_that_do_not_fit_are_refused(changed: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        CodecSettings(**changed)


@torch.no_grad()
@pytest.mark.parametrize("preset", ["codec_44k", "codec_tiny"])
def test_presets_build_the_codec_that_the_store_is_cut_for(preset: str) -> None:
    settings = load_settings(CodecTrainingSettings, preset).codec
    codec = build_codec(settings)
    assert (codec.sample_rate, codec.hop_length, codec.latency_samples) == (44_100, 1_024, 512)
    assert codec.encoder.latency == 0
