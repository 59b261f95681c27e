"""Every preset with every structure: a stream in any blocks is the whole sequence."""

import pytest
import torch
from torch import Tensor

from after.streamer import Streamer
from tests.tiny_instrument import make_tiny_instrument

PRESETS = ("base", "base_unet", "midi", "midi_unet", "tiny", "tiny_unet")
KINDS = ("midi", "pitch_loudness", "learned")
FRAMES = 14


def signals_for(streamer: Streamer, kind: str, hop: int, timbre_size: int) -> Tensor:
    """Two notes, or a gliding tone, under a timbre that moves."""
    time = torch.arange(FRAMES * hop) / 44_100.0
    if kind == "midi":
        played = torch.zeros(streamer.num_inputs - timbre_size, FRAMES * hop)
        played[0], played[1, 3 * hop // 2 :] = 60.0, 100.0
        played[2], played[3, 5 * hop : 9 * hop] = 67.0, 50.0
    else:
        played = (0.3 * torch.sin(2 * torch.pi * (220.0 * time + 40.0 * time**2)))[None]
    timbre = torch.linspace(-0.8, 0.8, timbre_size)[:, None] * torch.cos(3.0 * time)[None]
    return torch.cat([played, timbre])[None].float()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("preset", PRESETS)
@torch.no_grad()
def test_a_stream_in_any_blocks_is_the_whole(preset: str, kind: str) -> None:
    made = make_tiny_instrument(preset=preset, model=(f"model.structure.kind={kind}",))
    streamer = Streamer(made.codec, made.model, made.model_settings.structure).eval()
    streamer.set_num_steps(2)
    hop = made.codec.hop_length
    signals = signals_for(streamer, kind, hop, made.model.timbre_size)
    whole = streamer(signals)
    for sizes in ((1,) * FRAMES, (2, 5, 1, 3, 1, 2), (9, 5)):
        streamer.set_reset(0)
        blocks = torch.split(signals, [size * hop for size in sizes], dim=2)
        streamed = torch.cat([streamer(block) for block in blocks], dim=2)
        assert (streamed - whole).abs().max() <= 1e-4
    assert whole.abs().max() > 1e-3
