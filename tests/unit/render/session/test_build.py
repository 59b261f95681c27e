"""Session files become timelines: positions, clips, automation and buses, against what their numbers say."""

from pathlib import Path

import numpy as np
import pytest

from after.audio import write_audio
from after.errors import ConfigError
from after.midi import Note, read_midi, write_midi
from render.errors import TimbreError, TimelineError
from render.session.build import Session, build_session, session_files
from tests.additive_instrument import AdditiveInstrument, Follower

HEAD = """
[[track]]
name = "a"
timbre = "flute"
[[track.clip]]
file = "tune.mid"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A tune of four quarter notes at 120 beats per minute, the last one on channel 2."""
    notes = [Note(0.5 * k, 60 + k, 90, 0.5, midi_channel=k // 3) for k in range(4)]
    write_midi(tmp_path / "tune.mid", notes)
    return tmp_path


def build(folder: Path, text: str, instrument: object = None) -> Session:
    path = folder / "song.toml"
    path.write_text(text)
    return build_session(path, lambda _: instrument or AdditiveInstrument())  # type: ignore[arg-type, return-value]


def onsets(session: Session, index: int = 0) -> list[float]:
    return [round(note.onset_s, 6) for note in session.timeline.tracks[index].notes()]


@pytest.mark.parametrize(
    ("clip", "expected"),
    [
        ("", [0.0, 1.0, 2.0, 3.0]),
        ("at_beats = 2", [2.0, 3.0, 3.5, 4.0]),  # the tempo doubles at beat 3
        ("at_bars = 1", [3.0, 3.5, 4.0, 4.5]),
        ("at_seconds = 10.0", [10.0, 10.5, 11.0, 11.5]),
        ("at_bars = 1\npickup_beats = 1", [2.0, 3.0, 3.5, 4.0]),
        ("from_beats = 1\nto_beats = 3", [0.0, 1.0]),
        ("from_beats = 2\nrepeat = 2", [0.0, 1.0, 2.0, 3.0]),
        ("channels = [2]", [3.0]),
        ('follow = "seconds"', [0.0, 0.5, 1.0, 1.5]),
        ('follow = "seconds"\nrepeat = 2\nto_beats = 1\nat_beats = 1', [1.0, 1.5]),
    ],
)
def test_notes_stand_where_the_session_puts_them(folder: Path, clip: str, expected: list[float]) -> None:
    """In bars of 3/4, at 60 beats per minute, and 120 from beat 3 on."""
    tempo = """
tempo = [{at_beats = 0, beats_per_minute = 60}, {at_beats = 3, beats_per_minute = 120}]
meter = [{signature = "3/4"}]
"""
    assert onsets(build(folder, tempo + HEAD + clip)) == pytest.approx(expected)


def test_notes_that_cross_a_change_of_tempo_or_the_end_of_a_clip_end_there_in_beats(folder: Path) -> None:
    write_midi(folder / "long.mid", [Note(0.0, 60, 90, 2.0)])  # four beats
    tempo = "tempo = [{beats_per_minute = 60}, {at_beats = 2, beats_per_minute = 120}]\n"
    text = tempo + HEAD.replace("tune", "long")
    (note,) = build(folder, text).timeline.tracks[0].notes()
    assert note.duration_s == pytest.approx(3.0, abs=1e-3)
    (note,) = build(folder, text + "to_beats = 1").timeline.tracks[0].notes()
    assert note.duration_s == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("bpm", [61, 67, 97, 133, 174])
@pytest.mark.parametrize("cut", [1, 3, 8])
def test_notes_on_a_cut_belong_to_what_begins_there(folder: Path, bpm: int, cut: int) -> None:
    """MIDI ticks become seconds and beats again, and hardly ever the same number."""
    write_midi(folder / "even.mid", [Note(60 / 120 * k, 60, 90, 0.2) for k in range(16)])
    data = (folder / "even.mid").read_bytes()
    tempo = round(60e6 / bpm).to_bytes(3, "big")
    (folder / "even.mid").write_bytes(
        data.replace(b"\xff\x51\x03" + (500_000).to_bytes(3, "big"), b"\xff\x51\x03" + tempo)
    )
    clip = f"from_beats = {cut}\nto_beats = {cut + 4}\n"
    text = "tempo = [{beats_per_minute = 60}]\n" + HEAD.replace("tune", "even") + clip
    assert onsets(build(folder, text)) == pytest.approx([0, 1, 2, 3], abs=1e-3)


def test_parts_of_one_file_repeat_together(folder: Path) -> None:
    """The second channel rests where the first ends: both have the file's length."""
    tempo = "tempo = [{beats_per_minute = 60}]\n"
    second = HEAD.replace('"a"', '"b"') + "channels = [2]\nrepeat = 2\n"
    session = build(folder, tempo + HEAD + "channels = [1]\nrepeat = 2\n" + second)
    assert onsets(session, 0) == pytest.approx([0, 1, 2, 4, 5, 6])
    assert onsets(session, 1) == pytest.approx([3, 7])


def test_a_recording_that_ends_early_repeats_after_the_length_that_is_asked_for(folder: Path) -> None:
    write_audio(folder / "hum.wav", np.full((1, 15200), 0.1, dtype=np.float32), 8000)  # 1.9 s
    text = "tempo = [{beats_per_minute = 120}]\n[[track]]\nname = 'v'\n[[track.clip]]\nfile = 'hum.wav'\n"
    (track,) = build(folder, text + "to_beats = 4\nrepeat = 3\n", Follower()).timeline.tracks
    assert [clip.onset_s for clip in track.recordings()] == pytest.approx([0.0, 2.0, 4.0])
    with pytest.raises(TimelineError, match="upbeat of 1 beats"):
        build(folder, text + "pickup_beats = 1\n", Follower())


def test_the_downbeat_after_an_upbeat_in_seconds_is_on_its_bar(folder: Path) -> None:
    """The file has 120 beats per minute, the session 60: an upbeat of one beat lasts half a second."""
    text = "tempo = [{beats_per_minute = 60}]\n" + HEAD + "at_beats = 4\npickup_beats = 1\nfollow = 'seconds'\n"
    assert onsets(build(folder, text))[:2] == pytest.approx([3.5, 4.0])


def test_without_a_tempo_a_session_has_that_of_its_first_midi_file(folder: Path) -> None:
    session = build(folder, HEAD)
    score = read_midi(folder / "tune.mid")
    assert session.timeline.tempo_map.changes == score.tempos
    assert [(n.onset_s, n.pitch) for n in session.timeline.tracks[0].notes()] == [
        (pytest.approx(n.onset_s), n.pitch) for n in score.notes
    ]


def test_channels_get_performers_that_a_bus_sums_up(folder: Path) -> None:
    head = HEAD.replace('timbre = "flute"', 'timbre = "flute"\ntimbre_for = {2 = "cello"}\ngain_db = -6.0\npan = 0.5')
    timeline = build(folder, head).timeline
    assert [(track.timbre, track.mix.output, track.gain_db) for track in timeline.tracks] == [
        ("flute", "a", 0.0), ("cello_solo", "a", 0.0)
    ]  # fmt: skip
    (bus,) = timeline.buses
    assert (bus.name, bus.gain_db, bus.mix.pan) == ("a", -6.0, 0.5)


def test_one_timbre_is_one_performer_whatever_the_channels(folder: Path) -> None:
    timeline = build(folder, HEAD).timeline
    assert [track.name for track in timeline.tracks] == ["a"]
    assert len(timeline.tracks[0].notes()) == 4


def test_automation_becomes_curves_and_paths(folder: Path) -> None:
    text = (
        HEAD
        + """
[[track.automation]]
parameter = "gain_db"
points = [{at_beats = 0, value = 0}, {at_beats = 4, value = -12}]
[[track.automation]]
parameter = "timbre"
points = [{at_beats = 0, value = "flute"}, {at_seconds = 1.5, value = "cello"}]
[[track.automation]]
parameter = "num_steps"
points = [{value = 4}, {at_bars = 1, value = 2}]
"""
    )
    (track,) = build(folder, text).timeline.tracks
    assert track.mix.gain_curve is not None
    assert track.timbre_path is not None
    assert track.mix.gain_curve.at(np.array([0.0, 1.0, 9.0])) == pytest.approx([0.0, -6.0, -12.0])
    assert (track.timbre_path.times_s, track.timbre_path.timbres) == ((0.0, 1.5), ("flute", "cello"))
    ((name, curve),) = track.attributes
    assert name == "num_steps"
    assert list(curve.at(np.array([1.9, 2.0]))) == [4.0, 2.0]


def test_recordings_play_instruments_that_listen(folder: Path) -> None:
    write_audio(folder / "hum.wav", np.linspace(-0.5, 0.5, 8000, dtype=np.float32)[None], 8000)
    text = """
tempo = [{beats_per_minute = 120}]
[[track]]
name = "voice"
[[track.clip]]
file = "hum.wav"
at_beats = 3
from_beats = 0.5
to_beats = 1.5
gain_db = -6.0206
repeat = 2
"""
    (track,) = build(folder, text, Follower()).timeline.tracks
    first, second = track.recordings()
    assert (first.onset_s, second.onset_s) == (1.5, 2.0)
    assert first.audio.shape == (1, 4000)
    assert first.audio[0, 0] == pytest.approx(-0.125, abs=1e-3)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", ConfigError, "no .*track.* to play"),
        ("[[track]]\nname = 'a'", ConfigError, "has no .*clip"),
        (HEAD + "at_beat = 2", ConfigError, r"unknown key .*at_beat.*did you mean .*at_beats"),
        (HEAD + "at_beats = 2\nat_bars = 1", ConfigError, "one of at_beats, at_bars"),
        (HEAD + "pickup_beats = 1", TimelineError, "upbeat of 1 beats"),
        (HEAD + "from_beats = 40", TimelineError, "holds no notes"),
        (HEAD + "transpose = 99", TimelineError, "that MIDI does not have"),
        (HEAD + "to_beats = 0", ConfigError, "the end comes after"),
        (HEAD.replace("flute", "kazoo"), None, ""),
        (HEAD.replace("tune.mid", "gone.mid"), Exception, "gone.mid"),
        ("meter = [{signature = '3'}]" + HEAD, ConfigError, "write it like 3/4"),
        ("tempo = [{at_beats = 1}]" + HEAD, TimelineError, "put it at beat 0"),
        (HEAD + "[[track.automation]]\nparameter = 'volume'\npoints = [{value = 1}]", ConfigError, "there are timbre"),
        (HEAD + "[[track.automation]]\nparameter = 'pan'\npoints = [{value = 'left'}]", ConfigError, "give numbers"),
        (HEAD.replace("name = ", "output = 'hall'\nname = "), TimelineError, "goes to the bus 'hall', but no bus"),
        (HEAD.replace("name = ", "effects = 'rom'\nname = "), Exception, "did you mean room"),
        ("seed = -1" + HEAD, ConfigError, "seed is -1"),
        (HEAD.replace("name = ", "gain_db = nan\nname = "), TimelineError, "nan is no number"),
        (HEAD.replace("name = ", "gain_db = 500\nname = "), ConfigError, "decibels from -200"),
        (HEAD + "at_beats = inf", TimelineError, "inf is no number"),
        ("tempo = [{beats_per_minute = 0}, {at_beats = 1}]" + HEAD, ConfigError, "give 1 to 1000"),
        (HEAD.replace("name = ", "sends = {'' = -6}\nname = "), ConfigError, "names no bus"),
        ("[[[", TimelineError, "cannot be read as a session"),
    ],
)
def test_what_does_not_fit_is_named(folder: Path, text: str, error: type[Exception] | None, message: str) -> None:
    if error is None:
        from render.engine import render_timeline

        session = build(folder, text)
        with pytest.raises(TimbreError, match="kazoo"):
            render_timeline(session.timeline, session.instrument, session.settings)
        return
    with pytest.raises(error, match=message):
        build(folder, text)


def test_all_files_that_a_session_depends_on_are_told(folder: Path) -> None:
    write_audio(folder / "voice.wav", np.zeros((1, 100), dtype=np.float32), 44100)
    (folder / "fx.toml").write_text("")
    (folder / "song.toml").write_text(HEAD.replace("flute", "voice.wav").replace("name", "effects = 'fx.toml'\nname"))
    assert {path.name for path in session_files(folder / "song.toml")} == {
        "song.toml", "tune.mid", "voice.wav", "fx.toml"
    }  # fmt: skip
