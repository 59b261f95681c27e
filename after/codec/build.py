"""Put codecs together from their settings.

Source: a network that works on frames and sounds them by an inverse transform, Siuzdak 2023 (Vocos), arXiv 2306.00814;
latents that are a picture of the spectrum, Hawthorne et al. 2022, arXiv 2206.05408.
"""

import torch
from torch import Tensor

from after.codec.autoencoder import Codec
from after.codec.bands import BandLevels, RelativeLevels, spread_bands
from after.codec.bottleneck import LatentNorm
from after.codec.convolutions import BandEncoder, build_decoder_body, build_encoder_body
from after.codec.heads import MdctHead, SpectrumHead
from after.codec.level import Gained, KeepLevel
from after.codec.sines import SinesAndNoise, spread_frequencies
from after.codec.spectrum import SpectrumEncoder, SpectrumFeatures
from after.settings import CodecSettings
from after.streaming.combine import Serial
from after.streaming.contract import Framewise, Streaming
from after.streaming.conv import CausalConv1d, CausalConvTranspose1d
from after.streaming.convnext import ConvNextBlock
from after.streaming.pqmf import PqmfAnalysis, PqmfSynthesis
from after.streaming.spectral import Frames, OverlapAdd, asymmetric_window

_MOMENTUM = 0.02


def build_codec(settings: CodecSettings) -> Codec:
    """Build a codec with fresh weights from its settings."""
    is_learned = settings.analysis in ("spectrum", "pqmf")
    has_level = settings.analysis != "bands"
    norm = LatentNorm(settings.num_latents, momentum=_MOMENTUM if is_learned else 0.0, num_fixed=int(has_level))
    body, source, last = _build_pqmf_parts(settings) if settings.synthesis == "pqmf" else _build_frame_parts(settings)
    layers = [KeepLevel(Serial(body), norm), Gained(source)] if has_level else [*body, source]
    return Codec(
        _build_encoder(settings, norm),
        Serial([*layers, last]),
        norm=norm,
        source=source if isinstance(source, SinesAndNoise) else None,
        sample_rate=settings.sample_rate,
        num_latents=settings.num_latents,
        latent_noise=settings.latent_noise,
        has_level=has_level,
        is_learned=settings.analysis == "spectrum",
    )


def _build_encoder(settings: CodecSettings, norm: LatentNorm) -> Streaming:
    builders = {
        "bands": _build_band_encoder,
        "relative_bands": _build_relative_encoder,
        "spectrum": _build_spectrum_encoder,
        "pqmf": _build_pqmf_encoder,
    }
    return builders[settings.analysis](settings, norm)


def _blocks(settings: CodecSettings, width: int, count: int, total: int) -> list[Streaming]:
    return [
        ConvNextBlock(width, kernel_size=settings.kernel_size, expansion=settings.expansion, scale=1.0 / total)
        for _ in range(count)
    ]


def _build_band_encoder(settings: CodecSettings, norm: LatentNorm) -> Streaming:
    window = asymmetric_window(settings.encoder_window, settings.encoder_fall)
    levels = BandLevels(
        spread_bands(settings.num_latents, *settings.band_range_hz),
        size=settings.encoder_window,
        sample_rate=settings.sample_rate,
        gain=1.0 / float(window.sum()),
        floor=settings.band_floor,
    )
    return Serial([Frames(window, hop=settings.hop_length), Framewise(levels), Framewise(norm)])


def _build_relative_encoder(settings: CodecSettings, norm: LatentNorm) -> Streaming:
    size = settings.encoder_window
    levels = RelativeLevels(
        spread_bands(settings.num_latents - 1, *settings.band_range_hz),
        long=asymmetric_window(size, settings.encoder_fall),
        short=asymmetric_window(settings.encoder_short_window, settings.encoder_fall),
        split_hz=settings.split_hz,
        sample_rate=settings.sample_rate,
        floor=settings.band_floor,
    )
    return Serial([Frames(torch.ones(size), hop=settings.hop_length), Framewise(levels), Framewise(norm)])


def _build_spectrum_encoder(settings: CodecSettings, norm: LatentNorm) -> Streaming:
    window = asymmetric_window(settings.encoder_window, settings.encoder_fall)
    width, stride = settings.encoder_width, settings.latent_stride
    fast, slow = settings.encoder_blocks
    layers: list[Streaming] = [
        CausalConv1d(SpectrumFeatures(window).width, width, kernel_size=1),
        *_blocks(settings, width, fast, fast + slow),
        CausalConv1d(width, width, kernel_size=2 * stride, stride=stride),
        *_blocks(settings, width, slow, fast + slow),
        CausalConv1d(width, settings.num_latents - 1, kernel_size=1),
    ]
    return SpectrumEncoder(window, Serial(layers), norm, hop=settings.frame_hop)


def _build_pqmf_encoder(settings: CodecSettings, norm: LatentNorm) -> Streaming:
    body = build_encoder_body(
        settings.num_bands, settings.encoder_width, settings.num_pqmf_stages, settings.num_latents - 1
    )
    return BandEncoder(PqmfAnalysis(settings.num_bands), body, norm)


_Parts = tuple[list[Streaming], Streaming, Streaming]


def _build_pqmf_parts(settings: CodecSettings) -> _Parts:
    body = build_decoder_body(
        settings.num_latents, settings.decoder_width, settings.num_pqmf_stages, settings.num_bands
    )
    return [body], Framewise(torch.nn.Identity()), PqmfSynthesis(settings.num_bands)


def _build_frame_parts(settings: CodecSettings) -> _Parts:
    width = settings.decoder_width
    slow, fast = settings.decoder_blocks
    window = _synthesis_window(settings)
    body = [
        CausalConv1d(settings.num_latents, width, kernel_size=3),
        *_blocks(settings, width, slow, fast + slow),
        CausalConvTranspose1d(width, width, stride=settings.latent_stride),
        *_blocks(settings, width, fast, fast + slow),
    ]
    return body, _build_source(settings, window), OverlapAdd(window, hop=settings.frame_hop)


def _build_source(settings: CodecSettings, window: Tensor) -> Streaming:
    if settings.synthesis == "sines":
        frequencies = spread_frequencies(
            *settings.sine_range_hz, cents=settings.sine_spacing_cents, hz=settings.sine_spacing_hz
        )
        return SinesAndNoise(
            settings.decoder_width, frequencies / settings.sample_rate, window=window, hop=settings.frame_hop
        )
    head = MdctHead if settings.synthesis == "mdct" else SpectrumHead
    return head(settings.decoder_width, size=settings.decoder_window)


def _synthesis_window(settings: CodecSettings) -> Tensor:
    """Give a window whose square adds up to one at half-overlapping frames."""
    if settings.synthesis == "mdct":
        # sampled between the samples of the periodic one, as the transform's folding points lie between samples
        size = settings.decoder_window
        return torch.sin(torch.pi * (torch.arange(size) + 0.5) / size)
    return torch.hann_window(settings.decoder_window).sqrt()
