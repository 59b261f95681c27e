"""The streamer played by audio against its parts; and the map of timbres in the stream."""

import numpy as np
import pytest
import torch

from after.conditioning.listener import Listener
from after.conditioning.pitch_loudness import read_pitch
from after.conditioning.timbre_map import TimbreMap
from after.export.check import check_operators
from after.instrument.melody import make_melody
from after.settings import StructureSettings
from after.streamer import Streamer
from after.streaming.archive import compile_module, pack, unpack
from tests.signals import sine
from tests.tiny_instrument import HOP, RATE, make_tiny_instrument

FRAMES = 12
KINDS = ("pitch_loudness", "learned")
SIZES = {"pitch_loudness": 130, "learned": 8}


@pytest.fixture(scope="module", params=KINDS)
def made(request):
    """An instrument of each kind, and its streamer as a host loads it."""
    tiny = make_tiny_instrument(model=(f"model.structure.kind={request.param}", "model.structure.code_width=16"))
    timbre_map = TimbreMap(torch.randn(20, 20, tiny.model.timbre_size, generator=torch.Generator().manual_seed(0)))
    streamer = Streamer(tiny.codec, tiny.model, tiny.model_settings.structure, timbre_map=timbre_map)
    scripted = compile_module(streamer)
    check_operators(scripted)
    return tiny, unpack(pack(scripted, {})), request.param, timbre_map


@pytest.fixture
def played(made):
    tiny, loaded, kind, _ = made
    loaded.set_reset(1)
    loaded.set_transpose(0)
    return tiny, loaded, kind


def melody(seed=0):
    return torch.from_numpy(make_melody(FRAMES * HOP, RATE, seed=seed))[None]


def with_timbre(tiny, audio, timbre="bright"):
    return torch.cat([audio, tiny.timbres[timbre][None, :, None].expand(len(audio), -1, audio.size(2))], dim=1)


def structure_of(tiny, kind, audio):
    """Give the structure [B, L, S] of whole recordings, by the parts themselves."""
    if kind == "learned":
        return tiny.model.code(tiny.codec.encode(audio).mT)
    return Listener(RATE, hop=HOP)(audio.mT)


def generate(tiny, structure, timbre="bright"):
    return tiny.model.generate(structure, tiny.timbres[timbre][None], seeds=torch.zeros(1, dtype=torch.int64)).mT


def stream(method, x, frames):
    return torch.cat([method(block) for block in x.split(frames * HOP, dim=2)], dim=2)


def assert_equal(a, b, tolerance=1e-4):
    torch.testing.assert_close(a, b, rtol=0, atol=tolerance * max(1.0, float(b.abs().max())))


@pytest.mark.parametrize("frames", [1, 5, FRAMES])
@torch.inference_mode()
def test_it_plays_what_its_parts_compute_in_blocks_of_any_size(played, frames):
    tiny, loaded, kind = played
    structure = structure_of(tiny, kind, melody())
    latents = generate(tiny, structure)
    audio, lag = tiny.codec.decode(latents), tiny.codec.latency_samples
    assert audio.abs().max() > 1e-3
    assert_equal(stream(loaded.structure, melody(), frames), structure.mT)
    assert_equal(stream(loaded.generate, with_timbre(tiny, melody()), frames), latents)
    loaded.set_reset(1)
    assert_equal(stream(loaded, with_timbre(tiny, melody()), frames)[:, :, lag:], audio[:, :, :-lag])


@torch.inference_mode()
def test_what_is_played_changes_what_sounds_and_nothing_before_it(played):
    tiny, loaded, _ = played
    first = loaded.generate(with_timbre(tiny, melody()))
    loaded.set_reset(1)
    changed = melody()
    changed[:, :, 6 * HOP :] = melody(seed=1)[:, :, 6 * HOP :]
    other = loaded.generate(with_timbre(tiny, changed))
    assert_equal(other[:, :, :6], first[:, :, :6], 1e-6)
    assert not torch.allclose(other[:, :, 6:], first[:, :, 6:], atol=1e-3)


@torch.inference_mode()
def test_an_item_sounds_the_same_in_any_batch(played):
    tiny, loaded, _ = played
    items = [with_timbre(tiny, melody()), with_timbre(tiny, melody(1), "dark"), 0 * with_timbre(tiny, melody())]
    together = stream(loaded, torch.cat(items), 3)
    for index, item in enumerate(items):
        loaded.set_reset(1)
        assert_equal(together[index : index + 1], stream(loaded, item, 3), 1e-5)


@torch.inference_mode()
def test_methods_do_not_disturb_each_others_streams(played):
    tiny, loaded, _ = played
    x = with_timbre(tiny, melody())
    alone = loaded(x)
    loaded.set_reset(1)
    parts = []
    for block in x.split(3 * HOP, dim=2):
        parts.append(loaded(block))
        loaded.structure(melody(seed=3)[:, :, :HOP])
        loaded.timbre(melody(seed=4)[:, :, :HOP])
        loaded.encode(melody(seed=5)[:, :, :HOP])
    assert_equal(torch.cat(parts, dim=2), alone, 1e-5)


@pytest.mark.parametrize(("f0_hz", "pitch"), [(440.0, 69.0), (110.0, 45.0), (466.16, 70.0)])
@torch.inference_mode()
def test_a_tone_is_read_at_its_pitch(f0_hz, pitch):
    tiny = make_tiny_instrument(model=("model.structure.kind=pitch_loudness",))
    streamer = Streamer(tiny.codec, tiny.model, tiny.model_settings.structure).eval()
    structure = stream(streamer.structure, torch.from_numpy(sine(f0_hz, FRAMES * HOP / RATE))[None], 1)
    read, voicing = read_pitch(structure.mT[:, 4:])
    assert (read - pitch).abs().max() < 0.2
    assert voicing.min() > 0.9


@torch.inference_mode()
def test_transposing_shifts_what_has_pitches_and_leaves_what_has_none(played):
    tiny, loaded, kind = played
    audio = torch.from_numpy(sine(220.0, FRAMES * HOP / RATE))[None]
    structure = structure_of(tiny, kind, audio)
    if kind == "pitch_loudness":
        octave_above = torch.zeros_like(structure)
        octave_above[:, :, 12:128] = structure[:, :, :116]
        octave_above[:, :, 128:] = structure[:, :, 128:]
        structure = octave_above
    loaded.set_transpose(12)
    assert_equal(loaded.generate(with_timbre(tiny, audio)), generate(tiny, structure))


@torch.inference_mode()
def test_broken_audio_does_not_break_the_stream(played):
    tiny, loaded, _ = played
    before = loaded.generate(with_timbre(tiny, 0 * melody()).repeat(1, 1, 8))
    for value in (float("nan"), float("inf"), -1e30):
        assert loaded(torch.full((1, 1 + tiny.model.timbre_size, 2 * HOP), value)).isfinite().all()
        assert loaded.timbre(torch.full((1, 1, HOP), value)).isfinite().all()
        assert loaded.structure(torch.full((1, 1, HOP), value)).isfinite().all()
    loaded.set_reset(1)
    assert torch.equal(loaded.generate(with_timbre(tiny, 0 * melody()).repeat(1, 1, 8)), before)


@pytest.mark.parametrize("shape", [(1, 3, HOP), (1, 5, HOP + 1), (1, 5, 0), (5, HOP)])
def test_a_wrong_shape_is_refused(made, shape):
    tiny, _, _, _ = made
    with pytest.raises(ValueError, match="must be"):
        Streamer(tiny.codec, tiny.model, tiny.model_settings.structure)(torch.zeros(shape))


def test_it_lists_what_hosts_may_use(made):
    tiny, loaded, kind, _ = made
    size, latents = tiny.model.timbre_size, tiny.codec.num_latents
    assert {name: getattr(loaded, f"{name}_params").tolist() for name in loaded.get_methods()} == {
        "encode": [1, 1, latents, HOP],
        "decode": [latents, HOP, 1, 1],
        "timbre": [1, 1, size, HOP],
        "map": [2, HOP, size, HOP],
        "structure": [1, 1, SIZES[kind], HOP],
        "generate": [1 + size, 1, latents, HOP],
        "forward": [1 + size, 1, 1, 1],
    }
    assert loaded.forward_input_labels[:2] == ["audio", "timbre 1"]
    assert loaded.map_input_labels == ["x", "y"]


@torch.inference_mode()
def test_places_become_timbres(made):
    _, loaded, _, timbre_map = made
    places = torch.tensor([[[0.0, -0.3, 5.0], [1.0, 0.7, 0.2]]])
    timbres = loaded.map(places)
    assert_equal(timbres[0].T, timbre_map(places[0].T), 1e-6)
    assert_equal(timbres[0, :, 2], timbre_map(torch.tensor([[1.0, 0.2]]))[0], 1e-6)
    assert loaded.map(torch.full((2, 2, 4), float("nan"))).isfinite().all()


def test_weights_are_shared_in_memory_and_in_the_file():
    tiny = make_tiny_instrument(model=("model.structure.kind=learned",))
    scripted = compile_module(Streamer(tiny.codec, tiny.model, tiny.model_settings.structure))
    loaded = unpack(pack(scripted, {}))
    for module in (scripted, loaded):
        pointers = {name: tensor.data_ptr() for name, tensor in module.named_parameters(remove_duplicate=False)}
        twice = [name for name in pointers if name.startswith("source.chain.layers.")]
        assert twice
        for name in twice:
            layer, _, rest = name.removeprefix("source.chain.layers.").partition(".")
            assert pointers[name] == pointers[f"{'codec.encoder' if layer == '0' else 'model.code'}.{rest}"]


def test_structure_that_was_not_learned_is_refused(tiny):
    with pytest.raises(ValueError, match="has learned none"):
        Streamer(tiny.codec, tiny.model, StructureSettings(kind="learned"))


def test_a_streamer_without_a_map_offers_none(tiny):
    streamer = Streamer(tiny.codec, tiny.model)
    assert "map" not in streamer.get_methods()
    with pytest.raises(ValueError, match="no map of timbres"):
        streamer.map(torch.zeros(1, 2, 1))


def test_the_melody_is_finite_quiet_enough_and_repeats():
    audio = make_melody(RATE, RATE, seed=3)
    assert audio.shape == (1, RATE)
    assert 0.05 < np.abs(audio).max() < 1.0
    assert np.array_equal(audio, make_melody(RATE, RATE, seed=3))
    assert make_melody(100, 8000).shape == (1, 100)
