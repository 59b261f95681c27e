from pathlib import Path

import numpy as np
import pytest

from after.audio import write_audio
from after.errors import ConfigError, DataError
from after.evaluation.phrases import Phrase, build_phrase, move_into_range, read_phrase
from after.evaluation.plan import choose_timbres, plan_given, plan_phrases, plan_recorded, with_references
from after.evaluation.real_recordings import RealRecordings, count_described, describe_recordings
from after.midi import Note, write_midi
from tests.toy_orchestra import write_recordings

NOTES = tuple(Note(0.2 + 0.5 * i, 60 + step, 60 + 10 * i, 0.4) for i, step in enumerate((0, 4, 7, 5)))
TUNE = Phrase("tune", NOTES)


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    folder = write_recordings(tmp_path_factory.mktemp("real"), num=5, names=("bright", "dark"))
    write_audio(folder / "silent" / "nothing.wav", np.zeros((1, 44100), dtype=np.float32), 44100)
    return RealRecordings.find(folder, names={"dark": "tuba"})


def test_phrase_is_cut_and_has_no_drums(tmp_path):
    write_midi(tmp_path / "song.mid", [*NOTES, Note(0.1, 36, 100, 0.1, midi_channel=9)])
    phrase = read_phrase(tmp_path / "song.mid", max_s=1.0)
    assert (phrase.name, [note.pitch for note in phrase.notes]) == ("song", [60, 64])
    assert phrase.duration_s == phrase.length_s == pytest.approx(1.0)  # no tail: a recording would go on
    assert read_phrase(tmp_path / "song.mid").length_s == pytest.approx(2.1 + 1.5)
    assert len(build_phrase().notes) == 16


@pytest.mark.parametrize(("lowest", "highest", "expected"), [(55, 70, 60), (24, 36, 24), (84, 96, 84), (0, 127, 60)])
def test_melodies_move_by_octaves(lowest, highest, expected):
    moved = move_into_range(NOTES, lowest, highest)
    assert moved[0].pitch == expected
    assert [note.pitch - moved[0].pitch for note in moved] == [0, 4, 7, 5]
    assert move_into_range([Note(0.0, 120, 64, 1.0)], 60, 60)[0].pitch == 60
    assert move_into_range([Note(0.0, 120, 64, 1.0)], 130, 140)[0].pitch == 120


def test_timbres_are_those_known_and_recorded(real):
    assert choose_timbres(("tuba", "flute", "bright"), (), real) == ["tuba", "bright"]
    assert choose_timbres(("tuba", "flute"), ("flute", "flute")) == ["flute"]
    with pytest.raises(ConfigError, match="no recordings of 'flute'"):
        choose_timbres(("tuba", "flute"), ("flute",), real)
    with pytest.raises(ConfigError, match="did you mean tuba"):
        choose_timbres(("tuba", "flute"), ("tubba",))
    with pytest.raises(ConfigError, match="--rename"):
        choose_timbres(("oboe",), (), real)


def test_each_timbre_plays_its_own_recordings(real):
    tasks = plan_recorded(real, ["tuba"], per_timbre=2, max_s=8.0)
    assert [task.phrase.name for task in tasks] == ["dark_0", "dark_2"]
    assert all(task.timbre == "tuba" and task.reference_path.name == f"{task.phrase.name}.flac" for task in tasks)
    assert len(plan_recorded(real, ["tuba"], per_timbre=99, max_s=8.0)) == 5
    with pytest.raises(DataError, match="no MIDI beside"):
        plan_recorded(real, ["silent"], per_timbre=1, max_s=8.0)


def test_a_timbre_plays_what_its_reference_plays(real):
    own, written = plan_phrases([Phrase("dark_1", NOTES)], ["tuba", "bright"], real=real)
    assert own.phrase.notes != NOTES
    assert own.reference_path.name == "dark_1.flac"
    assert (written.phrase.notes, written.reference_path) == (NOTES, None)


def test_given_recordings_find_their_counterparts(real):
    first, second = plan_given([Path("a"), Path("b")], [Phrase("dark_1", NOTES)], ["tuba", "bright"], real=real)
    assert first.reference_path.name == "dark_1.flac"
    assert (second.reference_path, second.audio_path) == (None, Path("b"))
    with pytest.raises(ConfigError, match="2 recordings and 3 timbres"):
        plan_given([Path("a"), Path("b")], [TUNE], ["a", "b", "c"])
    assert [task.reference_path for task in with_references([first, second], [Path("x"), Path("y")])] == [
        Path("x"),
        Path("y"),
    ]
    assert with_references([first], []) == [first]
    with pytest.raises(ConfigError, match="1 references for 2 recordings"):
        with_references([first, second], [Path("c")])


def test_played_and_silent_recordings_teach_no_timbre(real):
    played = {real.by_instrument["tuba"][0].audio}
    described = describe_recordings(real, leave_out=played, per_instrument=3, max_s=1.0)
    assert {name: len(given) for name, given in described.statistics.items()} == {"bright": 3, "tuba": 3}
    assert count_described(real, leave_out=played, per_instrument=24) == 5 + 4 + 1
    assert real.pitch_range("silent") == (0, 127)
    lowest, highest = real.pitch_range("tuba")
    assert 60 <= lowest < highest < 72
