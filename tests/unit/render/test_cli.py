import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from after.cli import group
from after.midi import Note, write_midi
from render.errors import TimbreError
from render.options import parse_timbre_for


@pytest.fixture
def render(instrument):
    """Run `after render` with the additive instrument."""

    def run(*arguments):
        return CliRunner().invoke(group, ["render", *map(str, arguments)], obj=lambda path: instrument)

    return run


def assert_one_line(result, *words):
    assert result.exit_code == 2, result.output
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[0]


def test_a_song_becomes_a_stereo_file(render, song, tmp_path):
    result = render(song, "--timbre", "cello", "-o", tmp_path / "out.wav", "--seed", 3)
    assert "" not in result.stderr.splitlines()
    assert result.exit_code == 0, result.output
    info = soundfile.info(tmp_path / "out.wav")
    assert (info.samplerate, info.channels, info.subtype) == (44100, 2, "PCM_24")
    assert 0.9 < info.duration < 3.0
    assert "out.wav: " in result.stdout
    assert "channel 10 (drums, 1 notes) is left out" in result.stderr


def test_defaults_are_auto_timbres_and_a_wav_here(render, song, instrument):
    result = render(song)
    assert result.exit_code == 0, result.output
    assert Path("song.wav").is_file()
    assert [timbre for timbre, _, _, _ in instrument.performances] == ["flute", "cello_solo"]
    assert "channel 4 (cello) is played by cello_solo" in result.stderr


def test_timbres_by_channel(render, song, instrument):
    assert render(song, "--timbre", "flute", "--timbre-for", "4=trumpet").exit_code == 0
    assert [timbre for timbre, _, _, _ in instrument.performances] == ["flute", "trumpet"]


def test_attributes_reach_the_instrument(render, song, instrument):
    arguments = ["--steps", 3, "--guidance-timbre", 1.5, "--temperature", 0.7, "--transpose", -12]
    assert render(song, *arguments).exit_code == 0
    assert instrument.attributes == {"num_steps": 3, "guidance_timbre": 1.5, "temperature": 0.7, "transpose": -12}


def test_the_same_command_writes_the_same_bytes(render, song, tmp_path):
    for name in ("a.wav", "b.wav"):
        assert render(song, "-o", tmp_path / name, "--effects", "room", "--bit-depth", 16).exit_code == 0
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()


def test_normalize_brings_the_peak_to_minus_one(render, song):
    result = render(song, "-o", "out.flac", "--normalize")
    assert result.exit_code == 0
    frames, _ = soundfile.read("out.flac")
    assert abs(frames).max() == pytest.approx(10 ** (-1 / 20), abs=1e-4)
    assert "normalised by" in result.stderr


def test_a_picture_is_drawn_beside_the_audio(render, song):
    result = render(song, "--picture", "song.png", "--tail-seconds", 0.1)
    assert result.exit_code == 0, result.output
    assert Path("song.png").read_bytes().startswith(b"\x89PNG")


def test_timbres_are_listed(render):
    result = render("--list-timbres")
    assert result.exit_code == 0
    assert result.stdout.split() == ["cello_solo", "flute", "trumpet", "click"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--timbre", "celo"], ["unknown timbre 'celo'", "did you mean cello_solo?", "trumpet"]),
        (["--timbre", "voice.wav"], ["voice.wav is no audio file"]),
        (["--timbre-for", "17=flute"], ["--timbre-for 17=flute", "1-16"]),
        (["--timbre-for", "5=flute"], ["channel 5", "channels with notes: 1, 4, 10"]),
        (["--effects", "rom"], ["did you mean room?"]),
        (["-o", "missing/out.wav"], ["missing is not a folder"]),
        (["-o", "out.mp4"], ["no audio suffix"]),
        (["-o", "."], ["no audio suffix"]),
        (["-o", "out.flac", "--bit-depth", "32"], ["flac holds 16 or 24"]),
        (["--picture", "missing/a.png"], ["missing is not a folder"]),
        (["--picture", "song.wav", "--force"], ["song.wav is no name for a picture"]),
        (["--steps", "65"], ["65 is not in the range 1<=x<=64"]),
        (["--temperature", "2.5"], ["2.5 is not in the range 0"]),
    ],
)
def test_mistakes_are_one_line_and_exit_code_2(render, song, instrument, arguments, words):
    assert_one_line(render(song, *arguments), *words)
    assert instrument.performances == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["bad.mid", "truncated or not a MIDI file"]),
        (b"RIFF\x10\x00\x00\x00WAVEfmt ", ["bad.mid", "MIDI"]),
        (b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\x00\x60MTrk\x00\x00\x00\x04\x00\xff\x2f\x00", ["holds no notes"]),
    ],
)
def test_files_that_are_no_midi_are_one_line(render, content, words):
    Path("bad.mid").write_bytes(content)
    assert_one_line(render("bad.mid"), *words)


def test_a_missing_file_and_no_file_are_one_line(render):
    assert_one_line(render("missing.mid"), "missing.mid is not a file")
    assert_one_line(render(), "no MIDI file was given")


def test_drums_alone_are_one_line(render):
    write_midi("drums.mid", [Note(0.0, 36, 100, 0.1, midi_channel=9)])
    assert_one_line(render("drums.mid"), "drums only")


def test_an_existing_file_is_replaced_only_with_force(render, song, instrument):
    Path("song.wav").write_bytes(b"old")
    assert_one_line(render(song), "song.wav exists", "--force")
    assert instrument.performances == []
    assert render(song, "--force").exit_code == 0
    assert soundfile.info("song.wav").channels == 2


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that even root cannot write to (/proc)")
def test_no_write_access_is_said_before_rendering(render, song, instrument):
    assert_one_line(render(song, "-o", "/proc/out.wav"), "/proc/out.wav cannot be written")
    assert instrument.performances == []


def test_ctrl_c_leaves_nothing_behind(render, song, instrument, tmp_path):
    def interrupt(*arguments, **named):
        raise KeyboardInterrupt

    instrument.render = interrupt
    folder = tmp_path / "out"
    folder.mkdir()
    result = render(song, "-o", folder / "out.wav")
    assert result.exit_code == 130
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("samples", "words"),
    [(np.full(2000, 0.1), "0.05 s long"), (np.zeros(44100), "is silent"), (np.full(44100, np.nan), "NaN")],
)
def test_recordings_that_hold_no_timbre_are_one_line_with_their_name(render, instrument, samples, words):
    soundfile.write("voice.wav", samples, 44100, subtype="FLOAT")
    write_midi("flute.mid", [Note(0.0, 60, 100, 0.4)])
    assert_one_line(render("flute.mid", "--timbre", "voice.wav"), "voice.wav", words)
    assert instrument.performances == []


@pytest.mark.parametrize("text", ["", "3", "x=flute", "0=flute", "17=flute", "3=", "=flute", "-1=flute", "1.5=a"])
def test_assignments_that_are_none(text):
    with pytest.raises(TimbreError, match="write CHANNEL=NAME"):
        parse_timbre_for([text])


def test_assignments_count_channels_from_one():
    assert parse_timbre_for(["1=flute", " 16 = My=Voice.wav "]) == {0: "flute", 15: "My=Voice.wav"}
    with pytest.raises(TimbreError, match="twice"):
        parse_timbre_for(["2=a", "2=b"])


def test_help_loads_nothing_heavy():
    code = (
        "import sys; from click.testing import CliRunner; from render.cli import command\n"
        "assert '--timbre' in CliRunner().invoke(command, ['--help']).output\n"
        "heavy = {'torch', 'dawdreamer', 'pedalboard', 'numpy', 'mido', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])
