"""How sessions sound: to the sample where they put things, at any block size, with gains as the formulas say."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from after.audio import write_audio
from after.instrument import Instrument
from after.midi import Note, write_midi
from render.engine import RenderResult
from render.errors import RenderError
from render.job import Job, job_hash, prepare_job, render_job
from tests.additive_instrument import AdditiveInstrument
from tests.tiny_instrument import make_tiny_instrument

RATE = 44100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_midi(tmp_path / "clicks.mid", [Note(0.5 * k, 60, 127, 0.25) for k in range(4)])
    return tmp_path


def play(folder: Path, text: str, instrument: object = None, **settings: object) -> RenderResult:
    path = folder / "song.toml"
    path.write_text(text)
    job = Job(source=path)
    job = replace(job, settings=replace(job.settings, **settings))  # type: ignore[arg-type]
    return render_job(prepare_job(job, lambda _: instrument or AdditiveInstrument()))  # type: ignore[arg-type, return-value]


CLICKS = """
seed = 3
tempo = [{beats_per_minute = 100}, {at_beats = 1, beats_per_minute = 70}, {at_beats = 2.5, beats_per_minute = 133}]
[[track]]
name = "clicks"
timbre = "click"
[[track.clip]]
file = "clicks.mid"
at_beats = 0.5
repeat = 2
"""


def test_every_click_stands_on_its_sample(folder: Path) -> None:
    audio = play(folder, CLICKS).audio
    starts = {0.0: 0.0, 1.0: 0.6, 2.5: 0.6 + 1.5 * 60 / 70}
    bpm = {0.0: 100, 1.0: 70, 2.5: 133}

    def seconds(beat: float) -> float:
        begin = max(b for b in starts if b <= beat)
        return starts[begin] + (beat - begin) * 60 / bpm[begin]

    expected = [round(seconds(0.5 + k) * RATE) for k in range(8)]
    assert np.abs(np.flatnonzero(np.abs(audio[0]) > 0.1) - expected).max() <= 1
    np.testing.assert_array_equal(audio[0], audio[1])


MIXED = (
    CLICKS.replace('name = "clicks"', 'name = "clicks"\npan = -0.3\nsends = {hall = -6.0}')
    + """
[[track.automation]]
parameter = "gain_db"
points = [{value = 0}, {at_beats = 8, value = -20}]
[[track]]
name = "tune"
timbre = "flute"
output = "group"
effects = "plate"
[[track.clip]]
file = "clicks.mid"
at_beats = 1
[[bus]]
name = "group"
gain_db = -3.0
[[bus]]
name = "hall"
[[bus.effect]]
plugin = "Reverb"
wet_level = 0.4
dry_level = 0.0
[master]
effects = "clean"
"""
)


@pytest.mark.parametrize("block_size", [64, 2048])
def test_the_block_size_of_the_graph_does_not_matter(folder: Path, block_size: int) -> None:
    reference, other = play(folder, MIXED), play(folder, MIXED, block_size=block_size)
    np.testing.assert_array_equal(reference.audio, other.audio)


def test_what_lies_on_disk_sounds_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = play(folder, MIXED, keep_stems=True, loudness_lufs=-20.0)
    monkeypatch.setattr("render.large.PIECE_SAMPLES", 8192)
    monkeypatch.setattr("render.large.LARGE_BYTES", 1)
    pieces = play(folder, MIXED, keep_stems=True, loudness_lufs=-20.0)
    assert isinstance(pieces.audio, np.memmap)
    np.testing.assert_allclose(pieces.audio, whole.audio, rtol=1e-6, atol=1e-7)
    for name, stem in whole.stems.items():
        np.testing.assert_allclose(pieces.stems[name], stem, rtol=1e-6, atol=1e-7)


def test_stems_add_up_to_the_mix(folder: Path) -> None:
    result = play(folder, MIXED.replace('effects = "clean"', ""), keep_stems=True)
    assert set(result.stems) == {"clicks", "group", "hall"}
    np.testing.assert_allclose(sum(result.stems.values()), result.audio, atol=2e-6)


def test_pan_gain_and_automation_follow_their_formulas(folder: Path) -> None:
    plain = play(folder, CLICKS).audio
    text = CLICKS.replace('name = "clicks"', 'name = "clicks"\npan = 0.5\ngain_db = -6.0')
    text += '[[track.automation]]\nparameter = "gain_db"\npoints = [{value = 0}, {at_seconds = 2.0, value = -24}]\n'
    audio = play(folder, text).audio
    at = np.flatnonzero(np.abs(plain[0]) > 0.1)
    gains_db = -6.0 - 12.0 * np.minimum(at / RATE, 2.0)
    angle = 1.5 * np.pi / 4
    for channel, share in ((0, np.cos(angle)), (1, np.sin(angle))):
        expected = plain[0, at] * 10 ** (gains_db / 20) * np.sqrt(2) * share
        np.testing.assert_allclose(audio[channel, at], expected, rtol=1e-3)


def test_a_region_is_a_part_of_the_whole(folder: Path) -> None:
    text = MIXED.replace('effects = "clean"', "")
    whole = play(folder, text).audio
    part = play(folder, text + "[region]\nfrom_beats = 1\nto_beats = 4\n").audio
    start, stop = (round(s * RATE) for s in (0.6, 0.6 + 1.5 * 60 / 70 + 1.5 * 60 / 133))
    np.testing.assert_array_equal(part, whole[:, start:stop])


def test_a_session_of_one_file_is_what_render_makes_of_it(folder: Path) -> None:
    text = 'seed = 5\n[[track]]\nname = "a"\ntimbre = "flute"\n[[track.clip]]\nfile = "clicks.mid"\n'
    session = play(folder, text)
    job = Job(source=folder / "clicks.mid", timbre="flute")
    job = replace(job, settings=replace(job.settings, seed=5))
    plain = render_job(prepare_job(job, lambda _: AdditiveInstrument()))  # type: ignore[arg-type, return-value]
    np.testing.assert_array_equal(session.audio, plain.audio)


@pytest.fixture(scope="module")
def tiny_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("instrument") / "tiny.safetensors"
    return make_tiny_instrument().write(path, attributes={"num_steps": 2}, description={})


def test_a_morph_is_heard_and_depends_on_no_block_size(folder: Path, tiny_file: Path) -> None:
    text = """
[[track]]
name = "morph"
[[track.clip]]
file = "clicks.mid"
[[track.automation]]
parameter = "timbre"
points = [{value = "bright"}, {at_seconds = 1.0, value = "dark"}]
"""
    instrument = Instrument.load(tiny_file)
    morph = play(folder, text, instrument).audio
    np.testing.assert_array_equal(play(folder, text, instrument, block_size=64).audio, morph)
    for name, part in (("bright", slice(0, 2000)), ("dark", slice(60000, 66000))):
        steady = text[: text.index("[[track.auto")].replace('"morph"', f'"morph"\ntimbre = "{name}"')
        played = play(folder, steady, instrument).audio
        same, other = np.abs(morph - played)[:, part].max(), np.abs(morph - played).max()
        assert same < 0.1 * other


def test_options_that_a_session_has_itself_are_refused(folder: Path) -> None:
    (folder / "song.toml").write_text(CLICKS)
    with pytest.raises(RenderError, match="itself names timbres"):
        prepare_job(Job(source=folder / "song.toml", timbre="flute"), lambda _: AdditiveInstrument())  # type: ignore[arg-type, return-value]


def test_the_hash_of_a_session_is_that_of_all_its_files(folder: Path) -> None:
    (folder / "song.toml").write_text(CLICKS)
    job = Job(source=folder / "song.toml")
    before = job_hash(job)
    assert job_hash(job) == before
    write_midi(folder / "clicks.mid", [Note(0.0, 61, 127, 0.25)])
    assert job_hash(job) != before


def test_the_hash_hears_impulse_responses_and_files_elsewhere_do_not_count(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    write_audio(folder / "ir.wav", np.eye(1, 50, dtype=np.float32), RATE)
    write_audio("voice.wav", np.full((1, RATE), 0.1, dtype=np.float32), RATE)  # in the folder where we stand
    (folder / "fx.toml").write_text('[[effect]]\nplugin = "Convolution"\nimpulse_response_filename = "ir.wav"\n')
    path = folder / "song.toml"
    path.write_text(CLICKS.replace('name = "clicks"', 'name = "clicks"\neffects = "fx.toml"'))
    before = job_hash(Job(source=path)), job_hash(Job(source=folder / "clicks.mid", effects=str(folder / "fx.toml")))
    write_audio(folder / "ir.wav", 0.5 * np.eye(1, 50, dtype=np.float32), RATE)
    after = job_hash(Job(source=path)), job_hash(Job(source=folder / "clicks.mid", effects=str(folder / "fx.toml")))
    assert before[0] != after[0]
    assert before[1] != after[1]
    with pytest.raises(RenderError, match=r"voice.wav is no audio file"):
        play(folder, CLICKS.replace('"click"', '"voice.wav"'))


def test_a_region_after_the_end_is_refused(folder: Path) -> None:
    with pytest.raises(RenderError, match="when all is over"):
        play(folder, CLICKS + "[region]\nfrom_beats = 900\n")
