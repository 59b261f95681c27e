"""Every network with every objective: exported it passes its own checks, and its stream is its render."""

from pathlib import Path

import numpy as np
import pytest
import torch

from after.codec.foreign.codec import open_foreign
from after.config import load_settings
from after.evaluation.bench import compare_stream
from after.export.check import check_operators
from after.export.check_instrument import check_instrument
from after.export.torchscript import InstrumentJob, export_instrument
from after.instrument import Instrument
from after.model import build_model
from after.settings import DiffusionTrainingSettings
from after.streamer import Streamer
from after.streaming.archive import compile_module, pack, unpack
from tests.foreign_codec import Convolving, write_foreign
from tests.tiny_instrument import make_tiny_instrument

OBJECTIVES = ("flow", "epsilon", "edm")
FAST = (("tiny", "epsilon"), ("tiny_unet", "edm"))
ALL = [
    pytest.param(preset, objective, marks=() if (preset, objective) in FAST else pytest.mark.slow)
    for preset in ("tiny", "tiny_unet")
    for objective in OBJECTIVES
]


@pytest.mark.parametrize(("preset", "objective"), ALL)
def test_an_export_streams_what_the_model_generates(preset: str, objective: str) -> None:
    """Blocks of 1, 2 and 8 frames, batches of 1 and 4, guided: as `after export` checks, with three branches."""
    made = make_tiny_instrument(preset=preset, model=(f"model.objective.kind={objective}",))
    streamer = Streamer(made.codec, made.model)
    for name, value in {"num_steps": 2, "guidance_structure": 1.5, "guidance_timbre": 2.0}.items():
        getattr(streamer, f"set_{name}")(value)
    scripted = compile_module(streamer)
    check_operators(scripted)
    errors = check_instrument(unpack(pack(scripted, {})), made.codec, made.model)
    assert max(errors.values()) <= 1e-4


FAST_AUDIO = (("pitch_loudness", "tiny"), ("learned", "tiny_unet"))
AUDIO = [
    pytest.param(kind, preset, marks=() if (kind, preset) in FAST_AUDIO else pytest.mark.slow)
    for kind in ("pitch_loudness", "learned")
    for preset in ("tiny", "tiny_unet")
]


@pytest.mark.parametrize(("kind", "preset"), AUDIO)
def test_an_export_that_audio_plays_streams_what_the_model_generates(kind: str, preset: str) -> None:
    """The same checks; transposed, where that says something."""
    made = make_tiny_instrument(preset=preset, model=(f"model.structure.kind={kind}", "model.structure.code_width=16"))
    streamer = Streamer(made.codec, made.model, made.model_settings.structure)
    for name, value in {"num_steps": 2, "guidance_structure": 1.5, "guidance_timbre": 2.0, "transpose": 7}.items():
        getattr(streamer, f"set_{name}")(value)
    scripted = compile_module(streamer)
    check_operators(scripted)
    errors = check_instrument(unpack(pack(scripted, {})), made.codec, made.model, kind=kind)
    assert set(errors) == {"encode", "decode", "timbre", "structure", "generate", "forward"}
    assert max(errors.values()) <= 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pitch_loudness", "learned"])
def test_an_export_that_audio_plays_may_have_a_foreign_codec(kind: str) -> None:
    codec = open_foreign(write_foreign("foreign.ts", Convolving()))
    settings = load_settings(DiffusionTrainingSettings, "tiny", (f"model.structure.kind={kind}",)).model
    torch.manual_seed(0)
    model = build_model(settings, codec.num_latents).eval().requires_grad_(False)
    scripted = compile_module(Streamer(codec, model, settings.structure))
    check_operators(scripted)
    assert max(check_instrument(unpack(pack(scripted, {})), codec, model, kind=kind).values()) <= 1e-4


@pytest.mark.parametrize(("preset", "objective"), [ALL[5], pytest.param(*FAST[0], marks=pytest.mark.slow)])
def test_an_instrument_file_becomes_an_export_that_plays_the_same(preset: str, objective: str) -> None:
    made = make_tiny_instrument(preset=preset, model=(f"model.objective.kind={objective}",))
    path = made.write("made.safetensors", attributes={"num_steps": 2})
    manifest = export_instrument(InstrumentJob(source=path), "made.ts")
    assert manifest["model"]["objective"]["kind"] == objective  # type: ignore[index]
    weights, exported = Instrument.load(path), Instrument.load(Path("made.ts"))
    for instrument in (weights, exported):
        assert max(compare_stream(instrument, (1000, 1024, 5000), 0.4).values()) <= 1e-4
    with torch.inference_mode():
        renders = [instrument.render([], 0.2, seed=7) for instrument in (weights, exported)]
    assert np.abs(renders[0]).max() > 1e-3
    np.testing.assert_allclose(*renders, rtol=0, atol=1e-4)
