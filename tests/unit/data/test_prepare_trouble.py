"""Trouble while preparing: files that change under way, and a disk that is full."""

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile

from after.data.store import Store
from after.midi import Note, write_midi
from tests.unit.data.audio_folder import save, save_set, sine
from tests.unit.data.preparing import run

AFTER = [sys.executable, "-c", "from after.cli import main; main()"]


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


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_full_disk_ends_the_run_and_the_same_command_continues(workers: str) -> None:
    save_set("set", {"a.wav": 1.0, "b.wav": 30.0})
    command = [*AFTER, "prepare_dataset", "set", "--out", "store", "--workers", workers]
    limit_bytes = 1_000_000

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))

    finished = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit)
    assert finished.returncode == 2, finished.stderr
    (line,) = finished.stderr.strip().split("\n")
    assert line.startswith("error: store/spool cannot be written (File too large)")
    assert "run the same command again" in line
    with Store.open("store") as store:
        assert store.skipped() == []
        stored = len(store.sources())
    finished = subprocess.run(command, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    assert f"2 files: {2 - stored} stored, {stored} there already, 0 skipped" in finished.stdout
