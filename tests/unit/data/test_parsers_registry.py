"""Parsers: found through entry points, the specific before the general; and the one in the documentation works."""

import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from after.cli import prepare_dataset
from after.data.parsers.discovery import FileFilter, find_files
from after.data.parsers.registry import detect_parser, load_parser, parser_names
from after.data.store import Store
from after.errors import ConfigError, DataError
from after.midi import Note, write_midi
from tests.unit.data.audio_folder import save, save_set, sine
from tests.unit.data.preparing import run


def install(folder: Path, module: str, code: str, entry_point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a package where an installer would, with its entry point."""
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / f"{module}.py").write_text(code)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_point)
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, module, raising=False)


def test_the_parser_in_the_documentation_works(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (repository / "docs/parsers.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (toml,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    entry_point = toml.replace('[project.entry-points."after.parsers"]', "[after.parsers]").replace('"', "")
    install(tmp_path / "site", "named_notes", code, entry_point, monkeypatch)
    save_set("notes", {"harp-60-100.wav": 2.5, "harp-62-90.wav": 2.5, "koto-40-80.wav": 2.5})
    result = CliRunner().invoke(prepare_dataset.command, ["notes", "--out", "store", "--workers", "0"])
    assert result.exit_code == 0, result.output
    with Store.open("store") as store:
        assert [(record.group, record.license, record.pitch_counts) for record in store.sources()] == [
            ("harp", "CC0-1.0", {60: 1}),
            ("harp", "CC0-1.0", {62: 1}),
            ("koto", "CC0-1.0", {40: 1}),
        ]
    save_set("other", {"harp-60-100.wav": 2.5, "song.wav": 2.5})
    assert detect_parser(Path("notes")) == "named_notes"
    assert detect_parser(Path("other")) == "audio_midi"


def test_a_parser_that_cannot_be_loaded_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "site", "broken_parser", "import nothing_of_that_name", "[after.parsers]\n"
            "broken = broken_parser:Broken\n", monkeypatch)  # fmt: skip
    save_set("set", {"a.wav": 1.0})
    with pytest.raises(ConfigError, match=r"'broken' \(broken_parser:Broken\) cannot be loaded.*--parser"):
        run("set")
    assert run("set", parser="audio").stored == 1


def test_the_general_ones_come_last_and_an_unknown_name_is_answered_with_the_nearest() -> None:
    assert parser_names() == ["maestro", "nsynth", "slakh", "audio_midi", "audio"]
    with pytest.raises(ConfigError, match="no parser 'maestor': did you mean 'maestro'"):
        load_parser("maestor")
    with pytest.raises(ConfigError, match="no parser 'x': known: maestro, nsynth, slakh, audio_midi, audio"):
        load_parser("x")


def test_plain_audio_ignores_midi() -> None:
    save_set("set", {"a.wav": 1.0})
    write_midi("set/a.mid", [Note(0.1, 60, 100, 0.2)])
    for parser, num_notes in [(None, 1), ("audio", None), ("audio_midi", 1)]:
        run("set", parser=parser)
        with Store.open("store") as store:
            assert [record.num_notes for record in store.sources()] == [num_notes]
    assert [file.has_notes for file in find_files([Path("set/a.wav")], FileFilter(), parser="audio").files] == [False]


def test_each_input_has_its_own_parser_unless_one_is_named() -> None:
    save_set("set", {"a.wav": 1.0})
    Path("track/Track00001").mkdir(parents=True)
    Path("track/Track00001/metadata.yaml").write_text("stems: {}\n")
    found = find_files([Path("set"), Path("track"), Path("set/a.wav")], FileFilter())
    assert found.parsers == ("audio_midi", "slakh", "audio_midi")
    with pytest.raises(DataError, match="set is not what the parser 'slakh' reads; leave --parser out"):
        find_files([Path("set")], FileFilter(), parser="slakh")


def test_a_dry_run_says_who_reads_what() -> None:
    save_set("set", {"a.wav": 1.0})
    Path("set/b.wav").symlink_to("nowhere.wav")
    result = CliRunner().invoke(prepare_dataset.command, ["set", "--out", "store", "--dry-run"])
    assert "read as: audio_midi" in result.output
    assert "skipped set/b.wav: missing: the link leads to nowhere.wav" in result.output


def test_licences_user_then_parser_then_dataset_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "from after.data.parsers.contract import Recording\n"
        "class Licensed:\n"
        "    def recognizes(self, root): return root.name == 'set'\n"
        "    def recordings(self, root):\n"
        "        yield Recording(path=root / 'a.wav', license='parser')\n"
        "        yield Recording(path=root / 'b.wav')\n"
    )
    install(tmp_path / "site", "licensed", code, "[after.parsers]\nlicensed = licensed:Licensed\n", monkeypatch)
    save_set("set", {"a.wav": 1.0, "b.wav": 1.0})
    Path("set/dataset.json").write_text(
        '{"instruments": {"set": {"credits": [{"licence": "file", "source": "someone"}]}}}'
    )
    run("set")
    with Store.open("store") as store:
        assert [record.license for record in store.sources()] == ["parser", "file (someone)"]
    run("set", license_text="user")
    with Store.open("store") as store:
        assert {record.license for record in store.sources()} == {"user"}


def test_a_path_outside_the_input_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        "from after.data.parsers.contract import Recording\n"
        "class Astray:\n"
        "    def recognizes(self, root): return root.name == 'set'\n"
        "    def recordings(self, root): yield Recording(path=root.parent / 'a.wav')\n"
    )
    install(tmp_path / "site", "astray", code, "[after.parsers]\nastray = astray:Astray\n", monkeypatch)
    save("set/a.wav", sine(300, 1.0))
    with pytest.raises(DataError, match=r"Astray finds .*a\.wav, which is not under .*set"):
        run("set")
