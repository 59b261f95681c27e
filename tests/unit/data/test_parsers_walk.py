"""Folders as they are: links, loops, names of bytes, what may not be read; each costs one line at most."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from after.data.parsers.discovery import FileFilter, find_files
from after.data.store import Store
from after.errors import DataError
from tests.unit.data.audio_folder import save_set
from tests.unit.data.preparing import run


def sources(root: str, **given: Any) -> list[str]:
    return [file.source for file in find_files([Path(root)], FileFilter(**given)).files]


def test_links_to_folders_are_followed_and_loops_end() -> None:
    save_set("elsewhere", {"b.wav": 1.0, "deep/c.wav": 1.0})
    save_set("set", {"piano/a.wav": 1.0})
    Path("set/linked").symlink_to(Path("elsewhere").resolve())
    Path("set/piano/up").symlink_to("..")
    Path("set/piano/itself").symlink_to(".")
    Path("set/x").symlink_to("x")
    Path("elsewhere/deep/back").symlink_to(Path("set").resolve())
    assert sources("set") == ["set/linked/b.wav", "set/linked/deep/c.wav", "set/piano/a.wav"]
    assert find_files([Path("set")], FileFilter()).problems == ()


def test_a_link_beside_a_folder_does_not_rename_what_is_in_it() -> None:
    save_set("set", {"piano/a.wav": 1.0})
    Path("set/also").symlink_to("piano")
    assert sources("set") == ["set/piano/a.wav"]
    Path("given").symlink_to("set/piano")
    assert sources("given") == ["piano/a.wav"]


def test_an_input_that_leads_to_itself_is_refused() -> None:
    Path("loop").symlink_to("loop")
    with pytest.raises(DataError, match="loop cannot be read"):
        sources("loop")


@pytest.mark.parametrize("suffix", [".mid", ".MID", ".Midi"])
def test_midi_is_found_beside_a_file_and_in_a_folder_alike(suffix: str) -> None:
    save_set("set", {"a b.c.wav": 1.0})
    midi = Path("set", f"a b.c{suffix}")
    midi.touch()
    for given in ("set", "set/a b.c.wav"):
        (file,) = find_files([Path(given)], FileFilter()).files
        assert file.midi_path == midi.resolve()


def test_links_to_files_are_taken_and_dangling_ones_listed() -> None:
    save_set("set", {"a.wav": 1.0, "c.wav": 1.0})
    Path("set/b.wav").symlink_to("a.wav")
    Path("set/gone.wav").symlink_to("nowhere.wav")
    Path("set/round.flac").symlink_to("round.flac")
    Path("set/gone.txt").symlink_to("nowhere.txt")
    os.mkfifo("set/pipe.wav")
    report = run("set")
    assert (report.found, report.stored, report.skipped) == (6, 3, 3)
    assert {entry["source"]: entry["reason"] for entry in report.manifest["skipped"]} == {
        "set/gone.wav": "missing: the link leads to nowhere.wav, which does not exist",
        "set/pipe.wav": "not a file",
        "set/round.flac": "unreadable (Too many levels of symbolic links)",
    }
    assert run("set").skipped == 3
    for name in ("gone.wav", "pipe.wav", "round.flac"):
        Path("set", name).unlink()
    assert run("set").manifest["skipped"] == []


def test_names_that_are_not_utf8_are_kept_apart() -> None:
    save_set("set", {"a.wav": 1.0, "b.wav": 1.0, "sub/c.wav": 1.0})
    for name, raw in [("a.wav", b"z\xe9.wav"), ("b.wav", b"z\xe8.wav"), ("sub", b"\xff")]:
        Path("set", name).rename(Path("set", os.fsdecode(raw)))
    Path("set", os.fsdecode(b"gone\xfe.wav")).symlink_to(os.fsdecode(b"nowhere\xfe"))
    report = run("set", workers=1)
    assert (report.stored, report.skipped) == (3, 1)
    with Store.open("store") as store:
        assert [os.fsencode(record.source) for record in store.sources()] == [
            b"set/z\xe8.wav",
            b"set/z\xe9.wav",
            b"set/\xff/c.wav",
        ]
    assert run("set").unchanged == 3


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that may not be listed; root may list every folder, so there the system call is made to refuse."""
    path = Path("set/locked")
    path.mkdir(parents=True)
    path.chmod(0)
    if os.geteuid() == 0:
        scandir = os.scandir

        def refuse(folder: Any = ".") -> Any:
            if str(folder).endswith("locked"):
                raise PermissionError(13, "Permission denied", str(folder))
            return scandir(folder)

        monkeypatch.setattr(os, "scandir", refuse)
    yield path
    path.chmod(0o700)


def test_a_folder_that_may_not_be_read_is_listed_and_the_rest_prepared(locked: Path) -> None:
    save_set("set", {"piano/a.wav": 1.0, "zither/b.wav": 1.0})
    report = run("set")
    assert (report.found, report.stored, report.skipped) == (3, 2, 1)
    assert report.manifest["skipped"] == [{"source": "set/locked", "reason": "unreadable folder (Permission denied)"}]
    assert run("set").unchanged == 2
    assert find_files([Path("set")], FileFilter(exclude=("locked",))).problems == ()
    assert len(find_files([Path("set")], FileFilter(include=("*.wav",))).problems) == 1


def test_nothing_but_trouble_is_an_error_that_names_it(locked: Path) -> None:
    with pytest.raises(DataError, match=r"set/locked: unreadable folder \(Permission denied\)"):
        run("set")
    with pytest.raises(DataError, match="nothing to prepare: locked: unreadable folder"):
        run("set/locked")
