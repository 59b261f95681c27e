"""Codec, networks and sampler by themselves: untrained, seeded instruments; `pytest --golden-record` records them."""

from pathlib import Path

import numpy as np
import pytest

from after.instrument import Instrument
from after.midi import Note
from render.golden.plugin import GoldenAudio
from tests.tiny_instrument import make_tiny_instrument

pytestmark = pytest.mark.golden

NOTES = [Note(0.0, 60, 100, 0.15), Note(0.1, 67, 80, 0.15), Note(0.2, 64, 110, 0.15)]


@pytest.mark.parametrize("preset", ["tiny", "tiny_unet"])
def test_an_untrained_instrument_sounds_as_recorded(preset: str, tmp_path: Path, golden_audio: GoldenAudio) -> None:
    instrument = Instrument.load(make_tiny_instrument(preset=preset).write(tmp_path / "tiny.safetensors"))
    instrument.set_timbre("bright")
    instrument.set(num_steps=2, guidance_timbre=1.5, guidance_structure=1.2)
    audio = instrument.render(NOTES, 0.4, seed=3)
    golden_audio(audio / np.abs(audio).max() * 0.25, instrument.sample_rate, name=preset)
