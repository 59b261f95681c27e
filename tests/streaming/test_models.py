"""The assembled networks stream too, and load on the oldest libtorch that hosts carry."""

import copy

import pytest
import torch
from torch import Tensor, nn

from after.codec.autoencoder import Codec
from after.codec.build import build_codec
from after.conditioning.structure import build_structure_encoder
from after.diffusion.denoiser import Denoiser
from after.diffusion.transformer import TransformerDenoiser
from after.diffusion.unet import UNetDenoiser
from after.export.operators import unsupported_operators
from after.settings import CodecSettings
from after.streaming.contract import Streaming
from after.streaming.verify import verify_streaming


class Denoise(Streaming):
    """Give a denoiser the streaming interface: [B, L, D + width] are noisy latents beside their structure."""

    def __init__(self, denoiser: Denoiser, num_latents: int) -> None:
        super().__init__(num_states=denoiser.num_states)
        self.denoiser = denoiser
        self.num_latents = num_latents
        self.register_buffer("timbre", torch.randn(1, 1, 3))

    def init_state(self, batch_size: int) -> list[Tensor]:
        return self.denoiser.init_state(batch_size)

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        t = torch.full([x.size(0)], 0.25, dtype=x.dtype)
        timbre = self.timbre.expand(x.size(0), 1, 3)
        return self.denoiser.step(x[..., : self.num_latents], t, x[..., self.num_latents :], timbre, state)


class Owner(nn.Module):
    def __init__(self, inner: Streaming) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return self.inner.step(x, self.inner.init_state(x.size(0)))[0]


def tiny_codec(latent_stride: int = 2) -> Codec:
    settings = CodecSettings(
        frame_hop=8,
        latent_stride=latent_stride,
        encoder_window=32,
        encoder_fall=8,
        decoder_window=24,
        num_latents=3,
        decoder_width=6,
        decoder_blocks=(1, 1),
    )
    return build_codec(settings)


def learned_codec(synthesis: str) -> Codec:
    analysis = "pqmf" if synthesis == "pqmf" else "spectrum"
    settings = CodecSettings(
        analysis=analysis,
        synthesis=synthesis,
        frame_hop=8,
        latent_stride=2,
        encoder_window=32,
        encoder_fall=8,
        encoder_width=4,
        encoder_blocks=(1, 1),
        decoder_window=16,
        num_latents=3,
        decoder_width=6,
        decoder_blocks=(1, 1),
        num_bands=4,
    )
    codec = build_codec(settings)
    codec.norm.mean.copy_(torch.tensor([-2.0, 0.1, 0.0]))  # levels as music has them, some 17 dB below full scale
    return codec


def transformer() -> Denoise:
    return denoise(TransformerDenoiser(4, 3, width=8, num_layers=2, num_heads=2, window=5, expansion=2))


def unet(widths: tuple[int, ...], attention_window: int = 0) -> Denoise:
    sizes = {"kernel_size": 3, "expansion": 2, "attention_window": attention_window, "num_heads": 2}
    return denoise(UNetDenoiser(4, 3, widths=widths, blocks=(1, 2, 1, 1)[: len(widths)], **sizes))


def denoise(denoiser: Denoiser) -> Denoise:
    for layer in (denoiser.modulate, denoiser.project_out):  # they start at zero and would hide everything else
        nn.init.normal_(layer.weight, std=0.3)
    return Denoise(denoiser, 4)


MODELS = {
    "codec encoder": lambda: (tiny_codec().encoder, 1, 0),
    "codec encoder, other stride": lambda: (tiny_codec(3).encoder, 1, 0),
    "codec decoder": lambda: (tiny_codec().decoder, 3, 16),
    "codec decoder, other stride": lambda: (tiny_codec(3).decoder, 3, 16),
    "spectrum encoder": lambda: (learned_codec("istft").encoder, 1, 0),
    "istft decoder": lambda: (learned_codec("istft").decoder, 3, 8),
    "mdct decoder": lambda: (learned_codec("mdct").decoder, 3, 8),
    "decoder of sines with gain": lambda: (learned_codec("sines").decoder, 3, 8),
    "pqmf encoder": lambda: (learned_codec("pqmf").encoder, 1, 0),
    "pqmf decoder": lambda: (learned_codec("pqmf").decoder, 3, 60),
    "structure encoder": lambda: (build_structure_encoder(5, 8, num_blocks=2, kernel_size=3), 5, 0),
    "transformer denoiser": lambda: (transformer(), 12, 0),
    "u-net of one level": lambda: (unet((8,)), 12, 0),
    "u-net of two levels": lambda: (unet((8, 10)), 12, 0),
    "u-net of four levels": lambda: (unet((8, 6, 10, 4)), 12, 0),
    "u-net with attention": lambda: (unet((8, 6, 10), 4), 12, 0),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_a_model_streams(name, batch_size):
    module, in_width, latency = MODELS[name]()
    assert verify_streaming(module, in_width, batch_size=batch_size, num_steps=50).latency == latency


@pytest.mark.parametrize("name", MODELS)
def test_a_model_streams_in_float32_over_a_thousand_steps(name):
    module, in_width, _ = MODELS[name]()
    verify_streaming(module, in_width, tolerance=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_loads_on_torch_2_5(name):
    module, _, _ = MODELS[name]()
    assert unsupported_operators(torch.jit.script(Owner(copy.deepcopy(module).eval()))) == []
