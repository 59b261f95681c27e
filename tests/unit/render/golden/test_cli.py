"""`after golden` from the outside: what it prints, what it leaves behind and with which exit code."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from after.audio import read_audio, write_audio
from after.cli import group
from after.midi import write_midi
from tests.additive_instrument import AdditiveInstrument
from tests.unit.render.golden.conftest import CASES, NOTES

Golden = Callable[..., Result]

SECOND = CASES.replace('"flute"\ns', '"second"\ns')


def assert_one_line(result: Result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    lines = result.stderr.splitlines()
    assert len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[0]


def test_record_then_check(golden: Golden, folder: Path) -> None:
    recorded = golden("record", "cases.toml")
    assert recorded.exit_code == 0, recorded.output
    assert recorded.stdout.startswith("flute: new (golden/flute.flac, ")
    assert sorted(path.name for path in (folder / "golden").iterdir()) == ["flute.flac", "flute.json"]
    checked = golden("check", "cases.toml")
    assert checked.exit_code == 0, checked.output
    header, row = checked.stdout.splitlines()
    assert header.split("  ")[0] == "case"
    assert row.split()[:3] == ["flute", "ok", "ok"]
    assert checked.stderr == ""


def test_the_note_says_what_was_rendered(golden: Golden, folder: Path) -> None:
    golden("record", "cases.toml")
    note = json.loads((folder / "golden" / "flute.json").read_text())
    assert (note["seed"], note["sample_rate"]) == (0, 44100)
    assert {"settings_hash", "instrument_hash", "package", "recorded"} <= set(note)


def test_a_changed_render_fails_with_its_figures_and_is_recorded_anew_on_purpose(golden: Golden, folder: Path) -> None:
    golden("record", "cases.toml")
    before = (folder / "golden" / "flute.flac").read_bytes()
    (folder / "cases.toml").write_text(CASES + "seed = 1\n")
    checked = golden("check", "cases.toml")
    assert checked.exit_code == 1
    assert "flute differs from golden/flute.flac:" in checked.stdout
    assert "FAILED" in checked.stdout
    assert (folder / "golden" / "flute.flac").read_bytes() == before
    recorded = golden("record", "cases.toml")
    assert recorded.exit_code == 0
    assert recorded.stdout.startswith("flute: changed: ")
    assert "residual" in recorded.stdout
    assert golden("check", "cases.toml").exit_code == 0
    assert golden("record", "cases.toml").stdout.startswith("flute: unchanged ")


def test_a_session_is_a_case_that_says_all_itself(golden: Golden, folder: Path) -> None:
    clip = '[[track]]\nname = "a"\ntimbre = "flute"\n[[track.clip]]\nfile = "melody.mid"\n'
    (folder / "song.toml").write_text(f"seed = 3\ntail_seconds = 0.5\n{clip}")
    (folder / "cases.toml").write_text('[[case]]\nname = "song"\nsource = "song.toml"\n')
    assert golden("record", "cases.toml").stdout.startswith("song: new")
    assert json.loads((folder / "golden" / "song.json").read_text())["seed"] == 3
    assert golden("check", "cases.toml").exit_code == 0
    (folder / "song.toml").write_text(f"seed = 4\ntail_seconds = 0.5\n{clip}")
    assert golden("check", "cases.toml").exit_code == 1
    assert "changed" in golden("show", "cases.toml").stdout
    (folder / "cases.toml").write_text('[[case]]\nname = "song"\nsource = "song.toml"\nseed = 1\n')
    assert_one_line(golden("check", "cases.toml"), "case song", "is a session")


def test_a_missing_reference_fails_and_says_what_to_do(golden: Golden) -> None:
    result = golden("check", "cases.toml")
    assert result.exit_code == 1
    assert "flute  MISSING" in result.stdout
    assert "after golden record cases.toml --only flute" in result.stdout


def test_only_some(golden: Golden, folder: Path) -> None:
    (folder / "cases.toml").write_text(CASES + SECOND)
    assert golden("record", "cases.toml", "--only", "second").stdout.startswith("second: new")
    assert [path.name for path in (folder / "golden").glob("*.flac")] == ["second.flac"]
    assert golden("check", "cases.toml", "--only", "second").exit_code == 0
    assert golden("check", "cases.toml").exit_code == 1
    assert_one_line(golden("check", "cases.toml", "--only", "flutes"), "did you mean flute?")


def test_what_one_case_sets_does_not_reach_the_next(folder: Path) -> None:
    (folder / "cases.toml").write_text(CASES + "transpose = 5\n" + SECOND)
    loaded: list[AdditiveInstrument] = []

    def load(_: Path | None) -> AdditiveInstrument:
        loaded.append(AdditiveInstrument())
        return loaded[-1]

    assert CliRunner().invoke(group, ["golden", "record", "cases.toml"], obj=load).exit_code == 0
    assert [instrument.attributes for instrument in loaded] == [{"transpose": 5}, {}]


def test_show_tells_what_is_known_without_rendering(golden: Golden, folder: Path) -> None:
    def states() -> list[str]:
        result = golden("show", "cases.toml")
        assert result.exit_code == 0, result.output
        return [part.strip() for part in result.stdout.splitlines()[1].split("  ") if part.strip()]

    assert states() == ["flute", "melody.mid", "missing", "-", "-", "-"]
    golden("record", "cases.toml")
    assert states()[:5] == ["flute", "melody.mid", "recorded within the hour", "same", "same"]
    path = folder / "golden" / "flute.json"
    note = json.loads(path.read_text())
    path.write_text(json.dumps(note | {"recorded": "2020-01-01T00:00:00+00:00", "instrument_hash": "other"}))
    assert states()[2].endswith(" days ago")
    assert states()[3:5] == ["same", "changed"]
    write_midi(folder / "melody.mid", list(NOTES[:-1]))
    assert states()[3] == "changed"
    (folder / "melody.mid").unlink()
    assert "No such file" in states()[3]
    path.write_text("{}")
    assert states()[2] == "no note beside it"


def test_recording_what_stays_the_same_renews_a_note_of_other_settings(golden: Golden, folder: Path) -> None:
    golden("record", "cases.toml")
    path = folder / "golden" / "flute.json"
    before = path.read_text()
    note = json.loads(before)
    path.write_text(json.dumps(note | {"recorded": "2020-01-01T00:00:00+00:00"}))
    assert golden("record", "cases.toml").stdout.startswith("flute: unchanged")
    assert "2020" in path.read_text()
    path.write_text(json.dumps(note | {"settings_hash": "other"}))
    assert golden("record", "cases.toml").stdout.startswith("flute: unchanged")
    assert json.loads(path.read_text())["settings_hash"] == note["settings_hash"]


def test_a_report_is_one_page_with_sound(golden: Golden, folder: Path) -> None:
    (folder / "cases.toml").write_text(CASES + SECOND)
    golden("record", "cases.toml", "--only", "flute")
    audio, rate = read_audio(folder / "golden" / "flute.flac")
    write_audio(folder / "golden" / "flute.flac", np.roll(audio, 1, axis=1) * 0.9, rate, subtype="PCM_24")
    result = golden("check", "cases.toml", "--report", "report.html")
    assert result.exit_code == 1
    assert "report.html: " in result.stdout
    page = (folder / "report.html").read_text()
    assert page.count("data:audio/ogg;base64,") == 3
    assert page.count("data:image/png;base64,") == 1
    assert "There is no reference." in page
    assert "-1 samples" in page
    assert 'src="http' not in page


def test_mistakes_are_one_line_and_exit_code_2(golden: Golden, folder: Path) -> None:
    assert_one_line(golden("check", "missing.toml"), "missing.toml cannot be read")
    assert_one_line(golden("check"), "CASES.toml")
    assert_one_line(golden("verify", "cases.toml"), "verify")
    (folder / "golden").mkdir()
    (folder / "golden" / "flute.flac").write_bytes(b"fLaC")
    assert_one_line(golden("check", "cases.toml"), "flute.flac", "record it again")
    (folder / "cases.toml").write_text(CASES.replace('timbre = "flute"', 'timbre = "flugel"'))
    assert_one_line(golden("record", "cases.toml"), "case flute", "unknown timbre 'flugel'")
    (folder / "cases.toml").write_text(CASES + "sede = 1\n")
    assert_one_line(golden("show", "cases.toml"), "cases.toml", "did you mean case[0].seed?")


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that even root cannot write to (/proc)")
def test_no_write_access_is_said_before_rendering(golden: Golden, folder: Path) -> None:
    (folder / "cases.toml").write_text('references = "/proc/golden"\n' + CASES)
    assert_one_line(golden("record", "cases.toml"), "/proc/golden")
    (folder / "cases.toml").write_text(CASES)
    golden("record", "cases.toml")
    assert_one_line(golden("check", "cases.toml", "--report", "/proc/a.html"), "/proc/a.html")


def test_ctrl_c_keeps_what_was_recorded_and_leaves_no_half_file(golden: Golden, folder: Path) -> None:
    golden("record", "cases.toml")
    before = (folder / "golden" / "flute.flac").read_bytes()
    (folder / "cases.toml").write_text(SECOND + CASES + "seed = 1\n")
    loaded: list[AdditiveInstrument] = []

    class Interrupted(AdditiveInstrument):
        def render(self, *arguments: object, **named: object) -> None:
            raise KeyboardInterrupt

    def load(_: Path | None) -> AdditiveInstrument:
        loaded.append(Interrupted() if loaded else AdditiveInstrument())
        return loaded[-1]

    result = CliRunner().invoke(group, ["golden", "record", "cases.toml"], obj=load)
    assert result.exit_code == 130
    assert result.stdout.startswith("second: new")
    assert (folder / "golden" / "flute.flac").read_bytes() == before
    names = sorted(path.name for path in (folder / "golden").iterdir())
    assert names == ["flute.flac", "flute.json", "second.flac", "second.json"]


def test_help_is_shown_and_loads_nothing_heavy(golden: Golden) -> None:
    assert "record" in golden().stdout
    code = (
        "import sys; from click.testing import CliRunner; from render.golden.cli import command\n"
        "for words in ([], ['check', '--help']): assert CliRunner().invoke(command, words).exit_code == 0\n"
        "heavy = {'torch', 'dawdreamer', 'pedalboard', 'numpy', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[4])
