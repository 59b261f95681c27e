"""Trouble while preparing: files that change under way, and a disk that is full."""

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import soundfile
from click.testing import CliRunner

import after.cli
from after.data.store import Store
from after.errors import DataError
from after.midi import Note, write_midi
from tests.unit.data.audio_folder import save, save_set, sine
from tests.unit.data.preparing import dump, run


def append(path: Path) -> None:
    with path.open("ab") as stream:
        stream.write(b"more")


def replace_by_equal_size(path: Path) -> None:
    status = path.stat()
    path.with_suffix(".new").write_bytes(bytes(status.st_size))
    path.with_suffix(".new").rename(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("change", [append, replace_by_equal_size, Path.touch, Path.unlink])
@pytest.mark.parametrize("name", ["b.wav", "b.mid"])
def test_a_file_that_changes_while_it_is_read_is_refused_and_read_by_the_next_run(
    name: str, change: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    save_set("set", {"a.wav": 1.0, "b.wav": 2.0})
    write_midi("set/b.mid", [Note(0.1, 60, 100, 0.2)])
    read = soundfile.SoundFile.read
    done = []

    def read_and_change(file: soundfile.SoundFile, *args: Any, **kwargs: Any) -> Any:
        if os.fsdecode(file.name).endswith("b.wav") and not done:
            done.append(change(Path("set", name)))
        return read(file, *args, **kwargs)

    monkeypatch.setattr(soundfile.SoundFile, "read", read_and_change)
    report = run("set")
    assert done
    assert report.stored == 1
    assert report.manifest["skipped"] == [
        {"source": "set/b.wav", "reason": "changed while it was read: run the same command again"}
    ]
    save("set/b.wav", sine(300, 2.0))
    report = run("set")
    assert (report.stored, report.skipped) == (1, 0)


def test_a_midi_file_that_cannot_be_read_costs_the_notes_only() -> None:
    save_set("set", {"a.wav": 1.0, "b.wav": 1.0})
    Path("set/a.mid").symlink_to("nowhere.mid")
    report = run("set")
    assert (report.stored, report.skipped) == (2, 0)
    (warning,) = report.manifest["warnings"]
    assert "stored without notes: a.mid is unreadable (No such file" in warning["warning"]
    assert run("set").unchanged == 2
    Path("set/a.mid").unlink()
    write_midi("set/a.mid", [Note(0.1, 60, 100, 0.2)])
    assert run("set").stored == 1


@contextmanager
def small_disk(limit_bytes: int) -> Iterator[None]:
    """Refuse longer files, in this process and in those that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("workers", ["0", "1"])
def test_a_full_disk_ends_the_run_and_the_same_command_continues(workers: str) -> None:
    save_set("set", {"a.wav": 1.0, "b.wav": 15.0})
    command = ["prepare_dataset", "set", "--out", "store", "--workers", workers]
    with small_disk(1_000_000):
        result = CliRunner().invoke(after.cli.group, command)
    assert result.exit_code == 2, result.output
    (line,) = result.output.strip().split("\n")
    assert line.startswith("error: store/spool cannot be written (File too large)")
    assert "run the same command again" in line
    with Store.open("store") as store:
        assert store.skipped() == []
        stored = len(store.sources())
    result = CliRunner().invoke(after.cli.group, command)
    assert result.exit_code == 0, result.output
    assert f"2 files: {2 - stored} stored, {stored} there already, 0 skipped" in result.output


@pytest.mark.parametrize("features", [[], ["--feature", "loudness"]])
def test_a_disk_that_fills_at_any_time_costs_one_line_and_what_is_stored_stays(features: list[str]) -> None:
    save_set("set", {"a.wav": 1.0, "b.wav": 1.5})
    command = ["prepare_dataset", "set", "--out", "store", "--workers", "0", "--chunk-seconds", "0.5", "--copies", "1"]
    command += ["--validation", "0", *features]
    num_stored = []
    for limit_bytes in (10_000, 40_000, 100_000, 250_000, 400_000, 500_000):
        with small_disk(limit_bytes):
            result = CliRunner().invoke(after.cli.group, command)
        assert result.exit_code == 2, (limit_bytes, result.output)
        assert result.output.startswith("error: store"), result.output
        assert result.output.count("\n") == 1
        num_stored.append(len(sources_of("store")))
    assert num_stored == sorted(num_stored)
    assert CliRunner().invoke(after.cli.group, command).exit_code == 0
    command[command.index("store")] = "whole"
    assert CliRunner().invoke(after.cli.group, command).exit_code == 0
    assert dump("store") == dump("whole")


def sources_of(path: str) -> list[str]:
    try:
        with Store.open(path) as store:
            return [record.source for record in store.sources()]
    except DataError:
        return []
