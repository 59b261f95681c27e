"""The runtime against codec and model; an exported file against the weights it was made from."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from after.conditioning.roll import piano_roll
from after.errors import CheckpointError, InstrumentError
from after.instrument import Attributes, Instrument, NoteEvent
from after.midi import Note
from tests.tiny_instrument import HOP, RATE

NOTES = [Note(0.02, 60, 100, 0.1), Note(0.05, 64, 50, 0.2), Note(0.13, 60, 127, 0.05), Note(0.3, 72, 30, 0.01)]
DURATION_S = 0.4


@pytest.fixture(params=["safetensors", "ts"])
def instrument(request):
    return Instrument.load(request.getfixturevalue({"safetensors": "tiny_file", "ts": "tiny_export"}[request.param]))


def events_of(notes):
    """Give events from the stream's start: (sample, pitch, velocity), offs first."""
    events = [(round(n.onset_s * RATE), n.pitch, n.velocity) for n in notes]
    events += [(round((n.onset_s + n.duration_s) * RATE), n.pitch, 0) for n in notes]
    return sorted(events, key=lambda event: (event[0], event[2] > 0))


def play(instrument, notes, num_samples, block_size):
    blocks = []
    for start in range(0, num_samples, block_size):
        size = min(block_size, num_samples - start)
        here = [NoteEvent(at - start, p, v) for at, p, v in events_of(notes) if start <= at < start + size]
        blocks.append(instrument.process(size, here))
    return np.concatenate(blocks, axis=1)


def assert_equal(a, b, tolerance=1e-4):
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1.0, np.abs(b).max()))


def test_it_knows_its_file(instrument, tiny):
    assert instrument.timbres == ("bright", "dark")
    assert (instrument.sample_rate, instrument.hop_length) == (RATE, HOP)
    assert instrument.num_latents == tiny.codec.num_latents
    assert instrument.latency_samples == HOP + tiny.codec.latency_samples
    assert instrument.attributes == Attributes(num_steps=2)
    assert instrument.manifest["attributes"]["num_steps"] == 2
    assert instrument.manifest["description"]["license"] == "CC0-1.0"


def test_a_render_is_what_model_and_codec_compute(instrument, tiny):
    instrument.set_timbre("dark")
    played = instrument.render(NOTES, DURATION_S, seed=3)
    rows = np.array([(n.onset_s, n.duration_s, n.pitch, n.velocity) for n in NOTES], dtype=np.float32)
    structure = torch.from_numpy(piano_roll(rows, 20, frame_rate=RATE / HOP)).T[None]
    latents = tiny.model.generate(structure, tiny.timbres["dark"][None], seeds=torch.tensor([3]), num_steps=2)
    wanted = tiny.codec.decode(latents.mT)[0].numpy()[:, : played.shape[1]]
    assert played.shape == (1, round(DURATION_S * RATE))
    assert np.abs(wanted).max() > 1e-3
    assert_equal(played, wanted)


@pytest.mark.parametrize("block_size", [64, 1000, 1024, 1500, 100_000])
def test_a_stream_of_any_block_size_is_the_render_later(instrument, block_size):
    rendered = instrument.render(NOTES, DURATION_S)
    lag = instrument.latency_samples
    streamed = play(instrument, NOTES, rendered.shape[1] + lag, block_size)
    assert_equal(streamed[:, lag:], rendered, 1e-5)


def test_an_exported_file_plays_like_its_weights(tiny_file, tiny_export):
    weights, exported = Instrument.load(tiny_file), Instrument.load(tiny_export)
    for settings in ({}, {"num_steps": 3, "guidance_timbre": 2.0, "temperature": 0.5}, {"transpose": -7}):
        for instrument in (weights, exported):
            instrument.set(**settings)
        assert_equal(exported.render(NOTES, DURATION_S), weights.render(NOTES, DURATION_S))
    audio = 0.1 * np.random.default_rng(0).standard_normal((2, RATE), dtype=np.float32)
    for instrument in (weights, exported):
        instrument.set_timbre(audio)
    assert_equal(exported.timbre, weights.timbre, 1e-5)
    latents = np.random.default_rng(0).standard_normal((5, weights.num_latents), dtype=np.float32)
    assert_equal(exported.decode(latents), weights.decode(latents))


def test_a_reset_repeats_a_stream_and_a_seed_changes_it(instrument):
    instrument.reset(7)
    first = play(instrument, NOTES, 8 * HOP, 500)
    instrument.reset(7)
    assert np.array_equal(play(instrument, NOTES, 8 * HOP, 500), first)
    instrument.reset(8)
    assert not np.allclose(play(instrument, NOTES, 8 * HOP, 500), first, atol=1e-3)
    assert np.array_equal(instrument.render(NOTES, 0.1, seed=9), instrument.render(NOTES, 0.1, seed=9))


def test_struck_again_a_note_sounds_anew(instrument):
    tied = instrument.render([Note(0.0, 60, 100, 0.3)], 0.3)
    struck = instrument.render([Note(0.0, 60, 100, 0.1), Note(0.1, 60, 100, 0.2)], 0.3)
    before = round(0.1 * RATE) // HOP * HOP - HOP
    assert_equal(struck[:, :before], tied[:, :before], 1e-5)
    assert not np.allclose(struck, tied, atol=1e-3)


def test_the_end_of_an_earlier_note_does_not_stop_the_one_struck_after_it(instrument):
    overlapping = instrument.render([Note(0.0, 60, 100, 0.2), Note(0.1, 60, 80, 0.2)], 0.4)
    cut = instrument.render([Note(0.0, 60, 100, 0.1), Note(0.1, 60, 80, 0.2)], 0.4)
    assert_equal(overlapping, cut, 1e-5)


@pytest.mark.parametrize("offset", [-1, HOP])
def test_an_event_outside_of_its_block_is_refused(instrument, offset):
    with pytest.raises(InstrumentError, match="the block has 1024"):
        instrument.process(HOP, [NoteEvent(offset, 60, 0)])


def test_after_a_note_off_nothing_is_held(instrument):
    lag = instrument.latency_samples
    instrument.reset()
    play(instrument, NOTES, 60 * HOP, HOP)
    after_notes = instrument.process(4 * HOP)
    instrument.reset()
    instrument.process(60 * HOP)
    silence = instrument.process(4 * HOP)
    assert lag < 2 * HOP
    assert_equal(after_notes, silence)


def test_transposing_keeps_no_note_hanging(instrument):
    instrument.process(HOP, [NoteEvent(0, 60, 100)])
    instrument.set(transpose=5)
    instrument.process(HOP, [NoteEvent(3, 60, 0)])
    instrument.process(60 * HOP)
    after_notes = instrument.process(HOP)
    instrument.reset()
    instrument.process(62 * HOP)
    assert_equal(after_notes, instrument.process(HOP))


def test_transposing_is_playing_other_notes(instrument):
    higher = instrument.render([replace(note, pitch=note.pitch + 7) for note in NOTES], DURATION_S)
    instrument.set(transpose=7)
    assert_equal(instrument.render(NOTES, DURATION_S), higher, 1e-5)


def test_steps_may_change_while_it_plays(instrument):
    for num_steps in (1, 5, 3):
        instrument.set(num_steps=num_steps, guidance_structure=float(num_steps))
        assert np.isfinite(instrument.process(3 * HOP, [NoteEvent(100, 60, 100)])).all()


def test_attributes_are_clamped_and_unknown_ones_refused(instrument):
    instrument.set(num_steps=1000, guidance_timbre=-1, temperature=99.0, transpose=2.4)
    assert instrument.attributes == Attributes(num_steps=64, guidance_timbre=0.0, temperature=2.0, transpose=2)
    with pytest.raises(InstrumentError, match="no attribute steps; there are num_steps"):
        instrument.set(steps=3)


def test_timbres_come_by_name_by_vector_and_by_audio(instrument, tiny):
    instrument.set_timbre("dark")
    assert_equal(instrument.timbre, tiny.timbres["dark"].numpy())
    vector = np.linspace(-1, 1, tiny.model.timbre_size).astype(np.float32)
    instrument.set_timbre(vector)
    assert np.array_equal(instrument.timbre, vector)
    audio = np.random.default_rng(0).standard_normal((2, 20 * HOP + 5), dtype=np.float32)
    instrument.set_timbre(audio)
    mono = torch.from_numpy(audio.mean(axis=0)[: 20 * HOP])[None, None]
    assert_equal(instrument.timbre, tiny.model.timbre_encoder(tiny.codec.encode(mono).mT)[0].numpy())


@pytest.mark.parametrize(
    ("timbre", "words"),
    [
        ("brigth", r"no timbre 'brigth'; did you mean bright\?"),
        ("xyz", "There are: bright, dark"),
        (np.zeros(99, np.float32), "99 were given"),
        (np.zeros((1, HOP), np.float32), "too short"),
        (np.full(4, np.nan, np.float32), "not finite"),
        (np.full((1, 20 * HOP), np.nan, np.float32), "not finite"),
    ],
)
def test_an_impossible_timbre_is_refused(instrument, timbre, words):
    with pytest.raises(InstrumentError, match=words):
        instrument.set_timbre(timbre)


def test_decoding_latents_does_not_disturb_the_stream(instrument, tiny):
    latents = torch.randn(6, tiny.codec.num_latents)
    wanted = tiny.codec.decode(latents.T[None])[0].numpy()
    first = play(instrument, NOTES, 8 * HOP, HOP)
    instrument.reset()
    start = play(instrument, NOTES, 4 * HOP, HOP)
    assert_equal(instrument.decode(latents.numpy()), wanted)
    instrument.set_timbre(0.1 * np.ones((1, 20 * HOP), np.float32))
    instrument.set_timbre("bright")
    late = [NoteEvent(at - 4 * HOP, p, v) for at, p, v in events_of(NOTES) if 4 * HOP <= at < 8 * HOP]
    assert_equal(np.concatenate([start, instrument.process(4 * HOP, late)], axis=1), first, 1e-5)


def test_progress_rises_to_one_and_no_notes_give_silence_of_the_right_length(instrument):
    seen = []
    audio = instrument.render([], 4.0, progress=seen.append)
    assert audio.shape == (1, 4 * RATE)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert instrument.process(0).shape == (1, 0)


def test_files_that_are_no_instruments_are_refused(tiny, tmp_path):
    with pytest.raises(InstrumentError, match=r"there is no instrument at .*nowhere\.ts"):
        Instrument.load("nowhere.ts")
    with pytest.raises(CheckpointError, match="holds a codec, not an instrument"):
        Instrument.load(tiny.write_codec(tmp_path / "codec.safetensors"))
    (tmp_path / "garbage.ts").write_bytes(b"not a zip file")
    with pytest.raises(InstrumentError, match=r"garbage\.ts is no exported model or is damaged"):
        Instrument.load("garbage.ts")
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), "other.ts")
    with pytest.raises(InstrumentError, match=r"other\.ts has no manifest"):
        Instrument.load("other.ts")


def test_a_damaged_export_is_refused(tiny_export):
    data = bytearray(tiny_export.read_bytes())
    middle = data.index(b"PK\x03\x04", len(data) // 2)
    data[middle : middle + 4] = b"xxxx"
    Path("damaged.ts").write_bytes(data)
    with pytest.raises(InstrumentError, match=r"damaged\.ts is .*damaged"):
        Instrument.load("damaged.ts")


@pytest.mark.parametrize("name", ["num_steps", "temperature"])
def test_an_attribute_that_is_no_number_is_refused_and_changes_nothing(instrument, name):
    before = instrument.attributes
    with pytest.raises(InstrumentError, match=f"{name} is NaN: give a number from"):
        instrument.set(**{name: float("nan")})
    assert instrument.attributes == before
