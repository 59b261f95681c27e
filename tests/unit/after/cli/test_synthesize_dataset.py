import wave

import numpy as np
import pytest
from click.testing import CliRunner

from after.cli import group
from after.midi import Note, write_midi


@pytest.fixture
def library(tmp_path):
    (tmp_path / "samples").mkdir()
    for pitch in (60, 64):
        times = np.arange(20_000) / 44_100
        tone = np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * times) * np.exp(-times * 5)
        with wave.open(str(tmp_path / "samples" / f"pluck_{pitch}_80.wav"), "wb") as stream:
            stream.setparams((1, 2, 44_100, 0, "NONE", ""))
            stream.writeframes((tone * 20_000).astype("<i2").tobytes())
    write_midi(tmp_path / "midi" / "a.mid", [Note(0.25 * i, 60 + i % 5, 80, 0.2) for i in range(20)])
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(group, ["synthesize_dataset", *map(str, arguments)])


def test_makes_pairs_and_says_how_fast(library):
    result = run(
        "--instruments", "samples", "--midi", "midi", "--out", "out", "--seconds-per-instrument", 4,
        "--phrase-seconds", 2, "--workers", 1, "--format", "wav",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "out: 2 phrases" in result.output
    assert "x real time" in result.output
    names = sorted(path.name for path in (library / "out" / "pluck").iterdir())
    assert names == ["pluck_00000.mid", "pluck_00000.wav", "pluck_00001.mid", "pluck_00001.wav"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--instruments", "samples", "--midi", "nowhere"), "nowhere does not exist"),
        (("--instruments", "nowhere", "--midi", "midi"), "nowhere is not a folder"),
        (("--instruments", "samples", "--midi", "samples"), "no MIDI piece could be read"),
        (("--instruments", "samples", "--midi", "midi", "--only", "tuba"), "no instrument tuba"),
        (("--instruments", "samples", "--midi", "midi", "--recipe", "x"), "x is no recipe"),
    ],
)
def test_mistakes_are_one_line(library, arguments, message):
    result = run(*arguments, "--out", "out")
    assert result.exit_code == 2
    assert message in result.output
    assert "Traceback" not in result.output
