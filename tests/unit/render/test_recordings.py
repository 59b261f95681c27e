"""Recordings on the timeline, for instruments that are played by audio; places on the map; what does not fit."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from after.audio import read_audio, write_audio
from after.cli import group
from after.instrument import Instrument
from after.midi import Note, write_midi
from render.arrange import timeline_from_audio
from render.effects import Effect
from render.engine import RenderSettings, render_timeline
from render.errors import TimbreError, TimelineError
from render.timbres import parse_place, resolve_timbre
from render.timeline import AudioClip, Clip, Timeline, Track
from tests.additive_instrument import AdditiveInstrument, Follower
from tests.signals import impulse, sine
from tests.tiny_instrument import make_tiny_instrument

RATE = 44100


@pytest.fixture
def follower():
    return Follower()


@pytest.fixture
def render(follower):
    """Run `after render` with an instrument that is played by audio, or with another one."""

    def run(*arguments, instrument=follower):
        return CliRunner().invoke(group, ["render", *map(str, arguments)], obj=lambda path: instrument)

    return run


def assert_one_line(result, *words):
    assert result.exit_code == 2, result.output
    assert len(result.stderr.splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr


def test_clips_stand_on_their_samples_effects_included(follower):
    clips = (AudioClip(impulse(4410, 8820), RATE), AudioClip(impulse(100, 2000), RATE, onset_s=1.234))
    limiter = (Effect("BrickwallLimiter", (("lookahead_ms", 10.0),)),)
    timeline = Timeline((Track("a", "flute", clips, effects=limiter),), effects=limiter)
    audio = render_timeline(timeline, follower, RenderSettings(tail_s=0.5)).audio
    assert np.flatnonzero(np.abs(audio[0]) > 0.2).tolist() == [4410, round(1.234 * RATE) + 100]
    assert timeline.end_s == pytest.approx(1.234 + 2000 / RATE)


def test_the_instrument_may_ring_on_and_gets_its_own_seed(follower):
    tracks = tuple(Track(name, "flute", (AudioClip(sine(300.0, 0.5), RATE),)) for name in ("a", "b"))
    render_timeline(Timeline(tracks), follower, RenderSettings(seed=7, tail_s=2.0))
    assert [seed for _, seed, _, _ in follower.performances] == [7, 8]
    assert {audio.shape for _, _, audio, _ in follower.performances} == {(1, round(2.5 * RATE))}


def test_progress_rises_to_one(follower):
    seen = []
    timeline = timeline_from_audio(sine(300.0, 0.5), RATE, "flute", timbres=follower.timbres)
    render_timeline(timeline, follower, progress=lambda name, fraction: seen.append((name, fraction)))
    assert seen[-1] == ("recording flute", 1.0)


@pytest.mark.parametrize("instrument", [Follower(), AdditiveInstrument()])
def test_a_timeline_for_the_other_kind_is_refused(instrument):
    mixed = (Clip((Note(0.0, 60, 100, 0.1),)), AudioClip(sine(300.0, 0.1), RATE))
    with pytest.raises(TimelineError, match="this instrument is played by"):
        render_timeline(Timeline((Track("a", "flute", mixed),)), instrument)
    with pytest.raises(TimelineError, match="no notes to play"):
        Timeline((Track("a", "flute", ()),))


@pytest.mark.parametrize(("name", "rate", "channels"), [("a.wav", 44100, 1), ("a.flac", 22050, 2), ("a.ogg", 48000, 3)])
def test_a_recording_of_any_format_becomes_a_stereo_file(render, follower, name, rate, channels):
    soundfile.write(name, np.repeat(sine(300.0, 0.7, rate).T, channels, axis=1), rate)
    result = render(name, "--timbre", "cello", "--tail-seconds", 0.1, "-o", "out.wav")
    assert result.exit_code == 0, result.output
    info = soundfile.info("out.wav")
    assert (info.samplerate, info.channels) == (RATE, 2)
    assert info.duration == pytest.approx(0.75, abs=0.06)
    (timbre, _, heard, heard_rate), = follower.performances  # fmt: skip
    assert (timbre, heard.shape[0], heard_rate) == ("cello_solo", 1, rate)
    assert np.abs(heard[:, : round(0.7 * rate)]).max() == pytest.approx(0.5, abs=0.05)


def test_the_default_is_the_first_timbre_and_a_file_beside_the_recording(render, follower):
    write_audio("hum.wav", sine(300.0, 0.5), RATE)
    result = render("hum.wav", "--picture", "hum.png")
    assert result.exit_code == 0, result.output
    assert "played by cello_solo; --timbre chooses another" in result.stderr
    assert Path("hum_rendered.wav").is_file()
    assert Path("hum.png").read_bytes().startswith(b"\x89PNG")


def test_a_recording_is_never_replaced_by_its_render(render):
    write_audio("hum.wav", sine(300.0, 0.5), RATE)
    before = Path("hum.wav").read_bytes()
    assert_one_line(render("hum.wav", "-o", "hum.wav", "--force"), "hum.wav is what is rendered")
    assert Path("hum.wav").read_bytes() == before


def test_a_timbre_may_be_a_place_or_a_file(render, follower):
    write_audio("hum.wav", sine(300.0, 0.5), RATE)
    for number, (asked, timbre) in enumerate([("-0.5,.25", (-0.5, 0.25)), ("0, 1", (0.0, 1.0)), ("hum.wav", "audio")]):
        assert render("hum.wav", "--timbre", asked, "-o", f"{number}.wav").exit_code == 0
        assert follower.performances[-1][0] == timbre


def test_what_does_not_fit_is_one_line(render, song):
    write_audio("hum.wav", sine(300.0, 0.5), RATE)
    assert_one_line(render(song), "is played by audio", "give a recording", "--instrument")
    mute = Follower()
    mute.timbres = ()
    assert_one_line(render(song, instrument=mute), "is played by audio")
    assert_one_line(render("hum.wav", instrument=mute), "names no timbres", "--timbre")
    assert_one_line(render("hum.wav", instrument=AdditiveInstrument()), "played by notes", "give a MIDI file")
    assert_one_line(render("hum.wav", "--timbre-for", "1=flute"), "MIDI channels", "use --timbre")
    assert_one_line(render("hum.wav", "--timbre", "0.5,1.5"), "0.5,1.5 lies outside", "from -1 to 1")
    assert_one_line(render(song, "--timbre", "0.5,0.5", instrument=AdditiveInstrument()), "has no map")
    assert_one_line(render("nowhere.wav"), "nowhere.wav is not a file")
    Path("text.txt").write_text("no sound")
    assert_one_line(render("text.txt"), "neither MIDI nor audio")
    soundfile.write("nan.wav", np.full(100, np.nan), RATE, subtype="FLOAT")
    assert_one_line(render("nan.wav"), "NaN")
    assert not list(Path().glob("*_rendered.wav"))


def test_midi_is_known_by_its_content(render):
    write_midi("song.mid", [Note(0.0, 60, 100, 0.2)])
    Path("song.mid").rename("song.wav")
    assert render("song.wav", "-o", "out.wav", instrument=AdditiveInstrument()).exit_code == 0


@pytest.mark.parametrize(
    ("asked", "place"),
    [
        ("0,0", (0.0, 0.0)),
        (" -1 , +1.0 ", (-1.0, 1.0)),
        ("0.5", None),
        ("a,b", None),
        ("1,2,3", None),
        ("1.1.1,0", None),
    ],
)
def test_places_are_two_numbers(asked, place):
    assert parse_place(asked) == place


def test_names_go_before_places():
    assert resolve_timbre("0,1", ("0,1",)) == "0,1"
    with pytest.raises(TimbreError, match="no map"):
        resolve_timbre("0,1", ("flute",))


def test_a_real_instrument_plays_the_same_through_the_timeline():
    made = make_tiny_instrument(model=("model.structure.kind=learned", "model.structure.code_width=16"))
    path = made.write("tiny.safetensors", attributes={"num_steps": 1})
    write_audio("hum.wav", sine(300.0, 0.4), RATE, subtype="FLOAT")
    arguments = ["render", "hum.wav", "--instrument", path, "--timbre", "dark", "--bit-depth", "32", "-o", "out.wav"]
    result = CliRunner().invoke(group, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    instrument = Instrument.load(path)
    instrument.set_timbre("dark")
    wanted = instrument.revoice(sine(300.0, 0.4), RATE)
    played, _ = read_audio("out.wav")
    np.testing.assert_allclose(played[0, : wanted.shape[1]], wanted[0], atol=1e-5)
