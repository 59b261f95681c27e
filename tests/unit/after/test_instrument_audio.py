"""The runtime of instruments that are played by audio: whole, in blocks, from both kinds of files."""

import numpy as np
import pytest
import torch

from after.conditioning.listener import Listener
from after.errors import AudioError, InstrumentError
from after.export.card import describe_instrument
from after.export.torchscript import InstrumentJob, export_instrument
from after.instrument import Instrument
from after.instrument.melody import make_melody
from after.manifest import read_manifest
from tests.tiny_instrument import HOP, RATE, make_tiny_instrument

NUM_SAMPLES = 15_000


@pytest.fixture(scope="module")
def tiny_audio():
    """A tiny instrument that is played by pitch and loudness."""
    return make_tiny_instrument(model=("model.structure.kind=pitch_loudness",))


@pytest.fixture(scope="module")
def audio_file(tiny_audio, tmp_path_factory):
    path = tmp_path_factory.mktemp("audio") / "audio.safetensors"
    return tiny_audio.write(path, attributes={"num_steps": 2})


@pytest.fixture(scope="module")
def audio_export(audio_file):
    export_instrument(InstrumentJob(source=audio_file), audio_file.with_suffix(".ts"))
    return audio_file.with_suffix(".ts")


@pytest.fixture(scope="module")
def learned_file(tmp_path_factory):
    made = make_tiny_instrument(model=("model.structure.kind=learned", "model.structure.code_width=16"))
    return made.write(tmp_path_factory.mktemp("learned") / "learned.safetensors")


@pytest.fixture(params=["audio_file", "audio_export", "learned_file"])
def instrument(request):
    return Instrument.load(request.getfixturevalue(request.param))


def melody(num_samples=NUM_SAMPLES, seed=0):
    return make_melody(num_samples, RATE, seed=seed)


def play(instrument, audio, block_size):
    starts = range(0, audio.shape[1], block_size)
    return np.concatenate([instrument.process_audio(audio[:, at : at + block_size]) for at in starts], axis=1)


def assert_equal(a, b, tolerance=1e-4):
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1.0, np.abs(b).max()))


def test_it_knows_what_plays_it(instrument, tiny_file, tiny_export):
    assert instrument.plays_audio
    assert instrument.structure_kind in ("pitch_loudness", "learned")
    assert instrument.latency_samples == HOP + 512
    for path in (tiny_file, tiny_export):
        notes = Instrument.load(path)
        assert (notes.plays_audio, notes.structure_kind) == (False, "midi")


def test_the_manifest_and_the_description_tell_the_kind(audio_export, audio_file, learned_file, tiny_file, tiny_export):
    manifest = read_manifest(audio_export)
    assert (manifest["structure_kind"], manifest["structure_size"]) == ("pitch_loudness", 130)
    assert (manifest["num_voices"], manifest["methods"]["structure"]["out_channels"]) == (0, 130)
    assert manifest["methods"]["forward"]["input_labels"][0] == "audio"
    assert "structure" in manifest["verification"]["max_error"]
    assert read_manifest(tiny_export)["structure_kind"] == "midi"
    for path, words in (
        (audio_export, "audio: its pitch and loudness"),
        (audio_file, "pitch_loudness"),
        (learned_file, "(learned)"),
        (tiny_file, "notes (midi)"),
    ):
        assert [line for line in describe_instrument(path) if "played by" in line and words in line]


def test_a_recording_is_played_as_model_and_codec_compute(audio_file, tiny_audio):
    instrument = Instrument.load(audio_file)
    instrument.set_timbre("dark")
    played = instrument.revoice(melody(), RATE, seed=3)
    heard = torch.from_numpy(np.pad(melody(), ((0, 0), (0, 16 * HOP - NUM_SAMPLES))))[None]
    with torch.inference_mode():
        structure = Listener(RATE, hop=HOP)(heard.mT)
        timbre = tiny_audio.timbres["dark"][None]
        latents = tiny_audio.model.generate(structure, timbre, seeds=torch.tensor([3]), num_steps=2)
        wanted = tiny_audio.codec.decode(latents.mT)[0].numpy()[:, :NUM_SAMPLES]
    assert played.shape == (1, NUM_SAMPLES)
    assert np.abs(wanted).max() > 1e-3
    assert_equal(played, wanted)


@pytest.mark.parametrize("block_size", [64, 1000, 1024, 100_000])
def test_a_stream_of_any_block_size_is_the_whole_later(instrument, block_size):
    whole = instrument.revoice(melody(), RATE)
    lag = instrument.latency_samples
    streamed = play(instrument, np.pad(melody(), ((0, 0), (0, lag))), block_size)
    assert_equal(streamed[:, lag:], whole)
    assert np.abs(streamed[:, : HOP + 1]).max() == 0.0  # nothing sounds before the first frame is complete


def test_an_exported_file_plays_like_its_weights(audio_file, audio_export):
    weights, exported = Instrument.load(audio_file), Instrument.load(audio_export)
    for settings in ({}, {"num_steps": 3, "guidance_timbre": 2.0, "temperature": 0.5}, {"transpose": -7}):
        for instrument in (weights, exported):
            instrument.set(**settings)
        assert_equal(exported.revoice(melody(), RATE), weights.revoice(melody(), RATE))


def test_rates_and_channels_are_brought_to_those_of_the_instrument(instrument):
    stereo = np.concatenate([melody(), np.zeros_like(melody())])
    assert_equal(instrument.revoice(stereo, RATE), instrument.revoice(0.5 * melody(), RATE), 1e-5)
    assert instrument.revoice(melody(11_025), 22_050).shape == (1, 22_050)
    first = play(instrument, stereo, 1500)
    instrument.reset()
    assert_equal(play(instrument, 0.5 * melody(), 1500), first, 1e-5)


def test_a_reset_repeats_and_a_seed_changes(instrument):
    first = play(instrument, melody(), 700)
    instrument.reset()
    assert np.array_equal(play(instrument, melody(), 700), first)
    instrument.reset(5)
    assert not np.allclose(play(instrument, melody(), 700), first, atol=1e-3)
    assert np.array_equal(instrument.revoice(melody(), RATE, seed=9), instrument.revoice(melody(), RATE, seed=9))


def test_progress_rises_to_one_and_nothing_gives_nothing(instrument):
    seen = []
    assert instrument.revoice(melody(100 * HOP), RATE, progress=seen.append).shape == (1, 100 * HOP)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0
    assert instrument.revoice(np.zeros((1, 0), np.float32), RATE).shape == (1, 0)
    assert instrument.process_audio(np.zeros((1, 0), np.float32)).shape == (1, 0)


def test_the_wrong_calls_say_what_to_call(instrument, tiny_file):
    kind = instrument.structure_kind
    for call in (lambda: instrument.process(HOP), lambda: instrument.render([], 0.1)):
        with pytest.raises(
            InstrumentError, match=rf"played by audio \({kind}\): call process_audio or revoice instead"
        ):
            call()
    notes = Instrument.load(tiny_file)
    for call in (lambda: notes.process_audio(melody()), lambda: notes.revoice(melody(), RATE)):
        with pytest.raises(InstrumentError, match="played by notes: call process or render instead of"):
            call()


def test_impossible_audio_is_refused(instrument):
    for wrong in (np.zeros(HOP, np.float32), np.zeros((1, 1, HOP), np.float32), np.zeros((0, HOP), np.float32)):
        for call in (instrument.process_audio, lambda audio: instrument.revoice(audio, RATE)):
            with pytest.raises(InstrumentError, match=r"give \[channels, samples\]"):
                call(wrong)
    with pytest.raises(InstrumentError, match="NaN or infinite"):
        instrument.revoice(np.full((1, HOP), np.nan, np.float32), RATE)
    with pytest.raises(AudioError, match="must both be above 0"):
        instrument.revoice(melody(), 0)


def test_broken_samples_do_not_end_a_stream(instrument):
    assert np.isfinite(instrument.process_audio(np.full((1, 3 * HOP), np.nan, np.float32))).all()
    assert np.isfinite(instrument.process_audio(melody())).all()
