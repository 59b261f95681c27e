"""Files of cases: what they say becomes jobs, and mistakes name file, key and the nearest word."""

from dataclasses import fields
from pathlib import Path

import pytest

from after.errors import ConfigError
from render.engine import RenderSettings
from render.errors import TimbreError
from render.golden.compare import Tolerance
from render.golden.errors import GoldenError
from render.golden.settings import CaseSettings, read_cases
from render.job import Job
from render.options import JOB_OPTIONS
from tests.unit.render.golden.conftest import CASES

EVERYTHING = """
references = "kept"

[tolerance]
residual_db = -40
length_samples = 5

[[case]]
name = "all"
source = "songs/melody.mid"
timbre = "voice.wav"
timbre_for = { 2 = "cello", 16 = "voice.wav" }
instrument = "player.ts"
effects = "fx.toml"
seed = 7
steps = 3
guidance_structure = 1.5
guidance_timbre = 2
temperature = 0.5
transpose = -12
tail_seconds = 1
normalize = true
tolerance = { residual_db = -30, level_db = 1 }

[[case]]
name = "few"
source = "melody.mid"
effects = "room"
transcribe = true
loudness = -16
"""


def read(folder: Path, text: str, **named: object):
    path = folder / "cases.toml"
    path.write_text(text)
    return read_cases(path, **named)


def test_a_case_becomes_a_job_with_files_beside_it(folder: Path) -> None:
    for name in ("voice.wav", "fx.toml"):
        (folder / name).write_bytes(b"")
    case, few = read(folder, EVERYTHING)
    attributes = {
        "num_steps": 3,
        "guidance_structure": 1.5,
        "guidance_timbre": 2.0,
        "temperature": 0.5,
        "transpose": -12,
    }
    assert case.job == Job(
        source=folder / "songs" / "melody.mid",
        timbre=str(folder / "voice.wav"),
        timbre_for=((1, "cello"), (15, str(folder / "voice.wav"))),
        instrument=folder / "player.ts",
        effects=str(folder / "fx.toml"),
        settings=RenderSettings(seed=7, tail_s=1.0, normalize=True, attributes=attributes),
    )
    settings = RenderSettings(loudness_lufs=-16.0)
    assert few.job == Job(source=folder / "melody.mid", effects="room", transcribe=True, settings=settings)
    assert (case.reference, few.reference) == (folder / "kept" / "all.flac", folder / "kept" / "few.flac")


def test_the_tolerance_of_a_case_goes_before_that_of_the_file(folder: Path) -> None:
    case, few = read(folder, EVERYTHING)
    assert case.tolerance == Tolerance(residual_db=-30.0, length_samples=5, level_db=1.0)
    assert few.tolerance == Tolerance(residual_db=-40.0, length_samples=5)


def test_a_session_is_a_plain_job(folder: Path) -> None:
    (case,) = read(folder, '[[case]]\nname = "a"\nsource = "song.toml"\n')
    assert case.job == Job(source=folder / "song.toml")
    assert case.reference == folder / "golden" / "a.flac"


def test_cases_take_every_option_of_a_render() -> None:
    without = {"bit_depth"}  # references have 24 bits
    assert set(JOB_OPTIONS) - without <= {field.name for field in fields(CaseSettings)}


def test_some_cases_are_chosen_by_name(folder: Path) -> None:
    assert [case.name for case in read(folder, EVERYTHING, only=["few"])] == ["few"]
    with pytest.raises(GoldenError, match="no case 'fewer': did you mean few"):
        read(folder, EVERYTHING, only=["fewer"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", r"cases.toml: .*there is no \[\[case\]\]"),
        ("[[case]]\nsource = 'a.mid'", r"case\[0\]|missing case"),
        (CASES + "sead = 3", r"unknown key case\[0\]\.sead: did you mean case\[0\]\.seed"),
        (CASES + "steps = 65", "steps is 65; give 1 to 64"),
        (CASES + "steps = 2.5", r"case\[0\]\.steps is 2.5"),
        (CASES + "loudness = 3", "loudness is 3"),
        (CASES + "tolerance = { levle_db = 1 }", "did you mean .*level_db"),
        (CASES + "tolerance = { level_db = -1 }", "level_db is -1.0; give 0 or more"),
        (CASES + "tolerance = 3", "tolerance is 3"),
        (
            "[tolerance]\nspectrl_db = 3\n" + CASES,
            "unknown key tolerance.spectrl_db: did you mean tolerance.spectral_db",
        ),
        ("tolerance = 3\n" + CASES, "tolerance is 3"),
        ("case = 3", "case is 3"),
        ("case = [3]", "3"),
        (CASES + CASES.replace("flute", "Flute"), "several cases are called flute"),
        (CASES.replace('"flute"\ns', '"a/b"\ns'), "name is 'a/b'"),
        (CASES.replace('"flute"\ns', '".."\ns'), "name is '..'"),
        ("refs = 'a'\n" + CASES, "unknown key refs: did you mean references"),
    ],
)
def test_mistakes_name_file_and_key(folder: Path, text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words) as raised:
        read(folder, text)
    assert "cases.toml" in str(raised.value)


def test_a_channel_that_is_none_and_a_file_that_is_none(folder: Path) -> None:
    with pytest.raises(TimbreError, match="17=cello"):
        read(folder, CASES + "timbre_for = { 17 = 'cello' }")
    with pytest.raises(GoldenError, match=r"cases\.toml cannot be read"):
        read(folder, "[[case")
    with pytest.raises(GoldenError, match=r"missing\.toml cannot be read"):
        read_cases(folder / "missing.toml")
