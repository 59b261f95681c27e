"""Every preset of a codec: its sizes, and its stream against the whole sequence, compiled and not."""

import pytest
import torch

from after.codec.autoencoder import Codec
from after.codec.build import build_codec
from after.codec.cost import measure_cost
from after.config import list_presets, load_settings
from after.evaluation.codec_stream import MAX_STREAM_ERROR, compare_streams
from after.settings import CodecTrainingSettings

PRESETS = [name for name in list_presets() if name.startswith("codec_")]
HOPS = {name: 1024 for name in PRESETS} | {"codec_44k_low_latency": 512}


def build(preset: str) -> Codec:
    torch.manual_seed(0)
    settings = load_settings(CodecTrainingSettings, preset)
    codec = build_codec(settings.codec)
    codec.fit_latents(0.1 * torch.randn(4, 1, 16 * codec.hop_length))
    return codec.eval()


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_streams_exactly_at_any_block_size(preset: str) -> None:
    codec = build(preset)
    found = compare_streams(codec)
    assert {entry.run for entry in found} == {"Python", "TorchScript", "saved and loaded"}
    assert {entry.blocks for entry in found} == {"1024", "2048", "4096", "mixed"}
    assert max(entry.worst for entry in found) <= MAX_STREAM_ERROR


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_keeps_to_the_rates_and_the_budget(preset: str) -> None:
    codec = build(preset)
    assert (codec.sample_rate, codec.hop_length, codec.encoder.latency) == (44_100, HOPS[preset], 0)
    assert codec.latency_samples == HOPS[preset] // 2
    cost = measure_cost(codec)
    assert cost.encode_gflop_per_s + cost.decode_gflop_per_s <= 6.0
