"""The streamer against its parts: the codec and the model as whole sequences."""

import numpy as np
import pytest
import torch

from after.conditioning.roll import piano_roll
from after.controls import CONTROLS, STREAM_CONTROLS
from after.streamer import Streamer
from after.streaming.archive import compile_module
from tests.tiny_instrument import HOP, RATE

FRAMES = 12
NOTES = [(500, 60, 100, 3000), (2048, 64, 50, 4096), (4096, 60, 127, 2500), (9000, 67, 20, 1)]  # fmt: skip
"""Start in samples, pitch, velocity, samples."""


@pytest.fixture
def streamer(tiny):
    return Streamer(tiny.codec, tiny.model).eval()


@pytest.fixture(scope="module")
def scripted(tiny):
    return compile_module(Streamer(tiny.codec, tiny.model))


def signals(tiny, notes=NOTES, frames=FRAMES, timbre="bright"):
    """Give [1, 16 + E, T], one voice per note."""
    size = tiny.model.timbre_size
    x = torch.zeros(1, 16 + size, frames * HOP)
    for voice, (start, pitch, velocity, length) in enumerate(notes):
        x[0, 2 * voice, start:] = pitch
        x[0, 2 * voice + 1, start : start + length] = velocity
    x[0, 16:] = tiny.timbres[timbre][:, None]
    return x


def whole(tiny, *, notes=NOTES, frames=FRAMES, seed=0, num_steps=4, **settings):
    """Give latents [1, D, L] and audio [1, 1, T] of the same notes, by the parts themselves."""
    rows = np.array([(s / RATE, n / RATE, p, v) for s, p, v, n in notes], dtype=np.float32).reshape(-1, 4)
    structure = torch.from_numpy(piano_roll(rows, frames, frame_rate=RATE / HOP)).T[None]
    latents = tiny.model.generate(
        structure, tiny.timbres["bright"][None], seeds=torch.tensor([seed]), num_steps=num_steps, **settings
    ).mT
    return latents, tiny.codec.decode(latents)


def stream(method, x, frames):
    return torch.cat([method(block) for block in x.split(frames * HOP, dim=2)], dim=2)


def assert_equal(a, b, tolerance=1e-4):
    torch.testing.assert_close(a, b, rtol=0, atol=tolerance * max(1.0, float(b.abs().max())))


@torch.inference_mode()
def test_it_plays_what_model_and_codec_compute(tiny, streamer):
    latents, audio = whole(tiny)
    lag = tiny.codec.latency_samples
    assert audio.abs().max() > 1e-3
    assert_equal(streamer.generate(signals(tiny)), latents)
    streamer.set_reset(1)
    assert_equal(streamer(signals(tiny))[:, :, lag:], audio[:, :, :-lag])


@torch.inference_mode()
def test_guidance_temperature_and_steps_reach_the_model(tiny, streamer):
    settings = {"num_steps": 3, "guidance_structure": 2.0, "guidance_timbre": 1.5, "temperature": 0.5}
    for name, value in settings.items():
        assert getattr(streamer, f"set_{name}")(value) == 0
    assert_equal(streamer.generate(signals(tiny)), whole(tiny, **settings)[0])


@pytest.mark.parametrize("frames", [1, 2, 5, 8])
@torch.inference_mode()
def test_blocks_of_any_size_give_the_same(tiny, scripted, frames):
    scripted.set_reset(1)
    once = scripted(signals(tiny))
    scripted.set_reset(1)
    assert_equal(stream(scripted, signals(tiny), frames), once, 1e-5)


@torch.inference_mode()
def test_the_codec_streams(tiny, streamer):
    audio = 0.1 * torch.randn(2, 1, FRAMES * HOP)
    latents = tiny.codec.encode(audio)
    assert_equal(stream(streamer.encode, audio, 3), latents)
    lag = tiny.codec.latency_samples
    decoded = torch.cat([streamer.decode(block) for block in latents.split(5, dim=2)], dim=2)
    assert_equal(decoded[:, :, lag:], tiny.codec.decode(latents)[:, :, :-lag])


@torch.inference_mode()
def test_the_timbre_of_a_stream_is_that_of_all_that_was_heard(tiny, streamer):
    audio = 0.1 * torch.randn(2, 1, FRAMES * HOP)
    timbres = stream(streamer.timbre, audio, 5)
    for frame in (1, 7, FRAMES):
        wanted = tiny.model.timbre_encoder(tiny.codec.encode(audio[:, :, : frame * HOP]).mT)
        assert_equal(timbres[:, :, frame - 1], wanted)
    assert_equal(streamer.timbre_of(audio), timbres[:, :, -1])


@torch.inference_mode()
def test_a_short_memory_forgets_the_timbre_of_long_ago(tiny, streamer):
    early, late = torch.randn(1, 1, 20 * HOP), torch.sin(torch.arange(60 * HOP) * 0.1)[None, None]

    def differ(memory_s):
        streamer.set_timbre_memory_s(memory_s)
        timbres = []
        for audio in (late, torch.cat([early, late], dim=2)):
            streamer.set_reset(1)
            timbres.append(streamer.timbre(audio)[:, :, -1])
        return float((timbres[0] - timbres[1]).abs().max())

    assert differ(0.1) < 1e-3 < 1e-2 < differ(0.0)


@torch.inference_mode()
def test_an_item_sounds_the_same_in_any_batch(tiny, streamer):
    items = [signals(tiny), signals(tiny, NOTES[:1], timbre="dark"), signals(tiny, NOTES[2:])]
    together = stream(streamer, torch.cat(items), 3)
    for index, item in enumerate(items):
        streamer.set_reset(1)
        assert_equal(together[index : index + 1], stream(streamer, item, 3), 1e-5)


@torch.inference_mode()
def test_a_reset_repeats_and_a_seed_changes_everything(tiny, streamer):
    first = streamer(signals(tiny))
    assert not torch.equal(streamer(signals(tiny)), first)
    streamer.set_reset(1)
    assert torch.equal(streamer(signals(tiny)), first)
    streamer.set_seed(5)
    streamer.set_reset(0)
    assert not torch.allclose(streamer(signals(tiny)), first, atol=1e-3)
    streamer.set_reset(1)
    assert_equal(streamer.generate(signals(tiny)), whole(tiny, seed=5)[0])


@torch.inference_mode()
def test_another_batch_size_begins_anew(tiny, streamer):
    first = streamer(signals(tiny))
    streamer(signals(tiny).repeat(2, 1, 1))
    assert torch.equal(streamer(signals(tiny)), first)


@torch.inference_mode()
def test_steps_and_guidance_may_change_while_it_plays(tiny, scripted):
    x = signals(tiny)
    for name, value in [("num_steps", 1), ("guidance_timbre", 2.0), ("guidance_structure", 2.0), ("num_steps", 5)]:
        getattr(scripted, f"set_{name}")(value)
        assert scripted(x).isfinite().all()
    for name, control in CONTROLS.items():
        getattr(scripted, f"set_{name}")(int(control.default) if control.is_int else control.default)
    scripted.set_reset(1)
    assert_equal(scripted.generate(x), whole(tiny)[0])


@torch.inference_mode()
def test_transposing_moves_the_notes_held_ones_too(tiny, streamer):
    streamer.set_transpose(-5)
    lower = [(start, pitch - 5, velocity, length) for start, pitch, velocity, length in NOTES]
    assert_equal(streamer.generate(signals(tiny)), whole(tiny, notes=lower)[0])
    streamer.set_transpose(0)
    streamer.set_reset(1)
    held = [(0, 60, 100, 3 * HOP)]
    streamer.generate(signals(tiny, held, frames=1))
    streamer.set_transpose(2)
    streamer.generate(signals(tiny, [(0, 60, 100, HOP)], frames=1))
    silence = signals(tiny, [], frames=40)
    silence[:, 0] = 60
    after_note = streamer.generate(silence)[:, :, -1]
    streamer.set_reset(1)
    streamer.generate(signals(tiny, [], frames=2))
    # the network's memory is shorter: nothing goes on sounding
    assert_equal(after_note, streamer.generate(silence)[:, :, -1])


@torch.inference_mode()
def test_silence_of_notes_and_timbre_is_well_defined(tiny, streamer):
    latents = tiny.model.generate(
        torch.zeros(1, 4, 256), torch.zeros(1, tiny.model.timbre_size), seeds=torch.tensor([0])
    )  # fmt: skip
    assert_equal(streamer.generate(torch.zeros(1, streamer.num_inputs, 4 * HOP)), latents.mT)


@torch.inference_mode()
def test_broken_input_does_not_break_the_stream(tiny, streamer):
    x = signals(tiny)
    assert streamer(torch.full_like(x, float("nan"))).isfinite().all()
    assert streamer(x).isfinite().all()
    audio = torch.full((1, 1, HOP), float("nan"))
    assert streamer.timbre(audio).isfinite().all()
    assert streamer.encode(audio).isfinite().all()
    assert streamer.decode(torch.full((1, tiny.codec.num_latents, 1), float("nan"))).isfinite().all()


@pytest.mark.parametrize("shape", [(1, 3, HOP), (1, 20, HOP + 1), (1, 20, 0), (20, HOP)])
def test_a_wrong_shape_is_refused(streamer, shape):
    with pytest.raises(ValueError, match="must be"):
        streamer(torch.zeros(shape))


@pytest.mark.parametrize("name", CONTROLS | STREAM_CONTROLS)
def test_attributes_are_clamped_and_said_as_hosts_want_it(scripted, name):
    control = (CONTROLS | STREAM_CONTROLS)[name]
    number = int if control.is_int else float
    setter, getter = getattr(scripted, f"set_{name}"), getattr(scripted, f"get_{name}")
    assert getattr(scripted, f"{name}_params").tolist() == [1 if control.is_int else 2]
    for given, wanted in [(control.maximum + 1, control.maximum), (control.minimum - 1, control.minimum)]:
        assert setter(number(given)) == 0
        assert getter() == ((0,) if name == "reset" else (wanted,))
    if not control.is_int:
        assert setter(float("nan")) == 0
        assert getter() == (control.minimum,)
    setter(number(control.default))
    assert getter() == (control.default,)


def test_it_lists_what_hosts_may_use(scripted, tiny):
    size, latents = tiny.model.timbre_size, tiny.codec.num_latents
    assert scripted.get_attributes() == list(CONTROLS | STREAM_CONTROLS)
    assert {name: getattr(scripted, f"{name}_params").tolist() for name in scripted.get_methods()} == {
        "encode": [1, 1, latents, HOP],
        "decode": [latents, HOP, 1, 1],
        "timbre": [1, 1, size, HOP],
        "generate": [16 + size, 1, latents, HOP],
        "forward": [16 + size, 1, 1, 1],
    }
    assert scripted.forward_input_labels[:3] == ["pitch 1", "velocity 1", "pitch 2"]
    assert scripted.forward_input_labels[15:18] == ["velocity 8", "timbre 1", "timbre 2"]
    assert scripted.encode_output_labels[0] == "latent 1"


def test_setters_work_outside_inference_mode_after_calls_inside(tiny, scripted):
    with torch.inference_mode():
        scripted(signals(tiny))
        scripted.timbre(torch.zeros(1, 1, HOP))
        scripted.encode(torch.zeros(1, 1, HOP))
        scripted.decode(torch.zeros(1, tiny.codec.num_latents, 1))
    scripted.set_num_steps(2)
    scripted.set_guidance_timbre(3.0)
    scripted.set_reset(1)
    with torch.inference_mode():
        assert scripted(signals(tiny)).isfinite().all()
    scripted.set_num_steps(4)
    scripted.set_guidance_timbre(1.0)
    assert scripted(signals(tiny)).isfinite().all()
