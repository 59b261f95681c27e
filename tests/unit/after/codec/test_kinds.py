"""Codecs with a latent for the level: it travels apart, silence stays silent; statistics are followed or fitted."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch

from after.checkpoint import write_checkpoint
from after.codec.autoencoder import Codec
from after.codec.bottleneck import LatentNorm
from after.codec.build import build_codec
from after.codec.convolutions import Snake
from after.codec.heads import MdctHead, SpectrumHead
from after.codec.load import load_codec
from after.config import to_dict
from after.errors import ConfigError
from after.settings import CodecSettings
from after.streaming.spectral import OverlapAdd

TINY = CodecSettings(
    analysis="spectrum",
    synthesis="istft",
    frame_hop=64,
    latent_stride=2,
    encoder_window=256,
    encoder_fall=32,
    encoder_width=8,
    encoder_blocks=(1, 1),
    decoder_window=128,
    num_latents=4,
    decoder_width=8,
    decoder_blocks=(1, 1),
    num_bands=8,
)
KINDS = {
    "istft": TINY,
    "mdct": replace(TINY, synthesis="mdct"),
    "sines": replace(TINY, synthesis="sines", sine_spacing_cents=100.0),
    "bands": replace(
        TINY, analysis="relative_bands", synthesis="sines", encoder_short_window=128, sine_spacing_cents=100.0
    ),
    "pqmf": replace(TINY, analysis="pqmf", synthesis="pqmf", encoder_width=4, decoder_width=4),
}


def noises(count: int) -> torch.Tensor:
    """Noise at levels between -60 dBFS and full scale, of colours from white to brown."""
    spectrum = torch.fft.rfft(torch.randn(count, 1, 2560))
    slope = torch.linspace(0, 1, count)[torch.randperm(count)][:, None, None]
    coloured = torch.fft.irfft(spectrum * torch.arange(1, spectrum.size(-1) + 1) ** -slope)
    return torch.logspace(-3, 0, count)[:, None, None] * coloured / coloured.std(dim=2, keepdim=True)


def build(kind: str) -> Codec:
    torch.manual_seed(0)
    codec = build_codec(KINDS[kind]).train()
    codec.fit_latents(torch.cat([noises(32), torch.zeros(2, 1, 2560)]))  # music has rests
    for _ in range(250 if codec.norm.momentum > 0 else 0):  # as in training: the statistics follow what is heard
        codec.encode(noises(4))
    return codec.eval()


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_sizes(kind: str) -> None:
    codec, audio = build(kind), 0.1 * torch.randn(2, 1, 65 * 128)
    latents = codec.encode(audio)
    assert latents.shape == (2, 4, 65)
    assert codec.decode(latents).shape == audio.shape
    torch.testing.assert_close(codec(audio)[0], codec.decode(latents))


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_silence_stays_silent(kind: str) -> None:
    codec = build(kind)
    sound = codec.decode(codec.encode(torch.zeros(1, 1, 12_800)))
    assert sound.abs().max() < 1e-6  # -120 dBFS, whatever the weights


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_sound_that_ends_leaves_silence_and_latents_that_a_network_can_take(kind: str) -> None:
    codec, audio = build(kind), torch.zeros(1, 1, 12_800)
    codec.fit_latents(torch.cat([noises(28), torch.zeros(4, 1, 2560)]))  # recordings have silence too
    audio[..., :6_400] = torch.randn(6_400).clamp(-1, 1)
    latents = codec.encode(audio)
    assert latents.abs().max() < 8
    assert codec.decode(latents)[..., 9_600:].abs().max() < 1e-5  # -100 dBFS


def brightness(sound: torch.Tensor) -> float:
    """Share of the energy above 10 kHz."""
    power = torch.fft.rfft(sound * torch.hann_window(sound.size(-1))).abs().square().flatten()
    return float(power[10_000 * sound.size(-1) // 44_100 :].sum() / power.sum())


@torch.no_grad()
def test_low_bands_do_not_rise_far_above_the_level_where_only_the_long_window_hears() -> None:
    codec, audio = build("bands"), torch.zeros(1, 1, 2_560)
    audio[..., :1_280] = torch.randn(1_280).clamp(-1, 1)
    beside_level = codec.encode(audio)[0, 1:] * codec.norm.std[1:, None] + codec.norm.mean[1:, None]
    assert beside_level.max() < math.log(100.0)  # 40 dB


@torch.no_grad()
def test_mixed_precision_adds_nothing_to_what_is_heard() -> None:
    """Rounded to bfloat16, a tone brings noise 50 dB below it, which a network would learn to live with."""
    codec = build("bands").train()
    codec.latent_noise = 0.0
    source = codec.source
    assert source is not None
    source.project.weight.zero_()  # whatever the network says: one sine of 220 Hz
    source.project.bias.fill_(-50.0)
    source.project.bias[36] = 0.0
    audio = 0.5 * torch.sin(2 * math.pi * 220.0 / 44_100 * torch.arange(25_600.0))[None, None]
    plain, _ = codec(audio)
    with torch.autocast("cpu", torch.bfloat16):
        mixed, levels = codec(audio)
    assert levels is not None
    assert levels.dtype == mixed.dtype == torch.float32
    assert brightness(plain[..., 5_120:]) < 1e-9
    assert brightness(mixed[..., 5_120:]) < 1e-9


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_a_gain_moves_the_level_and_nothing_else(kind: str) -> None:
    codec, audio = build(kind), 0.5 * torch.randn(1, 1, 12_800)
    loud, quiet = codec.encode(audio), codec.encode(0.01 * audio)
    torch.testing.assert_close(quiet[:, 1:, 2:], loud[:, 1:, 2:], atol=1e-2, rtol=0)
    moved = (loud - quiet)[:, 0, 2:] * codec.norm.std[0]
    torch.testing.assert_close(moved, torch.full_like(moved, math.log(100.0)), atol=1e-3, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("level", [1e-4, 1.0, 100.0])
@pytest.mark.parametrize("kind", KINDS)
def test_any_level_gives_finite_audio(kind: str, level: float) -> None:
    sound, _ = build(kind)(level * torch.randn(1, 1, 1280))
    assert torch.isfinite(sound).all()


@torch.no_grad()
def test_latents_have_no_mean_and_unit_variance_on_what_was_heard() -> None:
    codec = build("istft")
    std, mean = torch.std_mean(codec.encode(noises(16)), dim=(0, 2))
    torch.testing.assert_close(mean, torch.zeros(4), atol=0.3, rtol=0)
    torch.testing.assert_close(std, torch.ones(4), atol=0.3, rtol=0)


def test_statistics_stand_still_outside_training() -> None:
    norm = LatentNorm(3, momentum=0.5, num_fixed=1)
    norm.eval()(torch.randn(3, 5, 3))
    assert norm.mean.tolist() == [0.0, 0.0, 0.0]
    assert norm.std.tolist() == [1.0, 1.0, 1.0]
    norm.train()(torch.tensor([[[-2.0, 0.0, 4.0], [4.0, 4.0, 5.0]]]))  # means 1, 2, 4.5; deviations 3, 2, 0.5
    assert norm.mean.tolist() == [0.0, 1.0, 2.25]  # the first stays as measured, the others go half the way
    assert norm.std.tolist() == pytest.approx([1.0, 1.5, 0.75], abs=2e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_learns(kind: str) -> None:
    codec = build(kind).train()
    result, _ = codec(0.1 * torch.randn(2, 1, 1280), torch.tensor([1, 2]))
    (result - 0.1 * torch.randn_like(result)).square().sum().backward()
    assert [name for name, p in codec.named_parameters() if p.grad is None or not p.grad.abs().any()] == []


@torch.no_grad()
def test_the_level_gets_no_noise() -> None:
    codec = build("istft").train()
    heard: list[torch.Tensor] = []
    codec.decoder.layers[0].register_forward_pre_hook(lambda module, inputs: heard.append(inputs[0]))
    audio = 0.1 * torch.randn(1, 1, 1280)
    codec(audio, torch.tensor([1]))
    codec(audio, torch.tensor([2]))
    assert torch.equal(heard[0][:, :, 0], heard[1][:, :, 0])
    assert not torch.equal(heard[0][:, :, 1], heard[1][:, :, 1])


@torch.no_grad()
@pytest.mark.parametrize("kind", KINDS)
def test_a_codec_comes_back_from_its_file(kind: str) -> None:
    codec = build(kind)
    write_checkpoint("codec.safetensors", codec.state_dict(), {"kind": "codec", "codec": to_dict(KINDS[kind])})
    loaded, settings = load_codec("codec.safetensors")
    audio = 0.1 * torch.randn(1, 1, 1280)
    assert settings == KINDS[kind]
    assert torch.equal(loaded(audio)[0], codec(audio)[0])


@torch.no_grad()
def test_mdct_coefficients_of_a_signal_sound_as_the_signal() -> None:
    size, hop = 32, 16
    window = torch.sin(math.pi * (torch.arange(size) + 0.5) / size)
    signal = torch.randn(12 * hop)
    # the forward transform, spelt out: X[k] = sum_n w[n] x[n] cos(pi / M (n + 1/2 + M/2) (k + 1/2)) sqrt(2 / M)
    n, k = torch.arange(size)[None, :], torch.arange(hop)[:, None]
    forward = torch.cos(math.pi / hop * (n + 0.5 + hop / 2) * (k + 0.5)) * math.sqrt(2 / hop)
    coefficients = (signal.unfold(0, size, hop) * window) @ forward.T
    head = MdctHead(hop, size=size)
    head.norm = torch.nn.Identity()
    head.project.weight.copy_(torch.eye(hop))
    head.project.bias.zero_()
    y = torch.sign(coefficients) * torch.log1p(coefficients.abs())
    frames, _ = head.step(y[None], [])
    sound, _ = OverlapAdd(window, hop=hop).step(frames, [torch.zeros(1, size - hop, 1)])
    torch.testing.assert_close(sound[0, hop:, 0], signal[hop : 11 * hop], atol=1e-4, rtol=0)


@torch.no_grad()
def test_one_bin_sounds_as_a_cosine() -> None:
    head = SpectrumHead(2, size=32)
    head.project.weight.zero_()
    head.project.bias.fill_(-50.0)
    head.project.bias[3] = 0.0  # log magnitude of bin 3
    head.project.bias[17:] = 0.5  # all phases
    frames, _ = head.step(torch.zeros(1, 1, 2), [])
    wanted = 2 / math.sqrt(32) * torch.cos(2 * math.pi * 3 * torch.arange(32) / 32 + 0.5)
    torch.testing.assert_close(frames[0, 0], wanted, atol=1e-5, rtol=0)


def test_snake_is_its_formula() -> None:
    x = torch.linspace(-3, 3, 7)[None, None].transpose(1, 2).expand(1, 7, 2)
    snake = Snake(2)
    torch.testing.assert_close(snake(x), x + torch.sin(x).square(), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"analysis": "wavelet"}, "choose bands, relative_bands, spectrum, pqmf"),
        ({"synthesis": "wavelet"}, "choose istft, mdct, sines, pqmf"),
        ({"analysis": "pqmf"}, "pqmf goes with pqmf only"),
        ({"analysis": "pqmf", "synthesis": "pqmf", "num_bands": 48}, "a power of 4"),
        ({"synthesis": "mdct", "decoder_window": 256}, "twice frame_hop"),
        ({"analysis": "relative_bands", "encoder_short_window": 100}, "must lie between 128"),
        ({"analysis": "relative_bands", "encoder_short_window": 512}, r"and encoder_window \(256\)"),
        ({"num_latents": 1}, "at least 2"),
        ({"latent_noise": -0.1}, "at least 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(TINY, **changed)
