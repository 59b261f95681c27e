"""`after render SESSION.toml`: the mix, its stems, its level, and errors of one line."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from after.audio import write_audio
from after.cli import group
from after.midi import Note, write_midi
from render.loudness import integrated_loudness
from tests.additive_instrument import AdditiveInstrument

SESSION = """
seed = 4
[[track]]
name = "tune"
timbre = "flute"
pan = -0.4
[[track.clip]]
file = "tune.mid"
[[track]]
name = "bass"
timbre = "cello"
[[track.clip]]
file = "tune.mid"
transpose = -12
"""


@pytest.fixture
def session(tmp_path: Path) -> Path:
    write_midi(tmp_path / "tune.mid", [Note(0.25 * k, 60 + k, 90, 0.25) for k in range(8)])
    path = tmp_path / "song.toml"
    path.write_text(SESSION)
    return path


def render(*arguments: object) -> Result:
    return CliRunner().invoke(group, ["render", *map(str, arguments)], obj=lambda path: AdditiveInstrument())


def test_a_session_is_rendered_with_its_stems(session: Path, tmp_path: Path) -> None:
    result = render(session, "--stems", tmp_path / "stems", "--bit-depth", 32)
    assert result.exit_code == 0, result.output
    mix, _ = soundfile.read("song.wav", dtype="float32")
    stems = [soundfile.read(tmp_path / "stems" / f"{name}.wav", dtype="float32")[0] for name in ("tune", "bass")]
    np.testing.assert_allclose(sum(stems), mix, atol=1e-6)
    with soundfile.SoundFile("song.wav") as file:
        assert json.loads(file.copy_metadata()["comment"])["seed"] == 4
    again = render(session, "--stems", tmp_path / "stems", "-o", "again.wav")
    assert again.exit_code == 2
    assert "tune.wav exists" in again.stderr


def test_loudness_is_brought_to_its_target(session: Path) -> None:
    result = render(session, "--loudness", -23, "-o", "song.flac")
    assert result.exit_code == 0, result.output
    audio, rate = soundfile.read("song.flac", dtype="float32")
    assert integrated_loudness(audio.T, rate) == pytest.approx(-23.0, abs=0.05)
    assert "LUFS" in result.stderr


@pytest.mark.parametrize(
    ("options", "word"),
    [(["--timbre", "flute"], "itself"), (["--effects", "room"], "itself"), (["--seed", 3], "itself")],
)
def test_what_the_session_says_cannot_be_said_otherwise(session: Path, options: list[object], word: str) -> None:
    result = render(session, *options)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert word in result.stderr


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--stems", "st", "-o", "st/bass.wav"], "written twice"),
        (["-o", "voice.wav", "--force"], "part of what is rendered"),
        (["--picture", "a.png", "--stems", ".", "-o", "song.wav"], ""),
    ],
)
def test_no_file_is_written_twice_or_over_what_is_read(session: Path, options: list[object], word: str) -> None:
    write_audio("voice.wav", np.full((1, 44100), 0.1, dtype=np.float32), 44100)
    (session.parent / "voice.wav").write_bytes(Path("voice.wav").read_bytes())
    session.write_text(SESSION.replace('"flute"', '"voice.wav"'))
    before = (session.parent / "voice.wav").read_bytes()
    Path("st").mkdir()
    result = render(session, *(session.parent / o if o == "voice.wav" else o for o in options))
    assert result.exit_code == (2 if word else 0), result.output
    assert word in result.stderr
    assert (session.parent / "voice.wav").read_bytes() == before


def test_errors_name_file_and_key(session: Path) -> None:
    session.write_text(SESSION.replace("pan = -0.4", "pann = -0.4"))
    result = render(session)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1)
    assert "song.toml" in result.stderr
    assert "did you mean" in result.stderr
    assert not Path("song.wav").exists()
