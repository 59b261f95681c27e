"""kill -9 at any point: the same command continues to the store that an undisturbed run makes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from after.data.store import Store
from after.errors import DataError
from tests.unit.data.audio_folder import save_set
from tests.unit.data.preparing import dump, run


def test_a_run_killed_between_any_writes_continues_to_the_same_store(repository: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.unit.data.killing", str(tmp_path)]
    finished = subprocess.run(command, cwd=repository, env={**os.environ}, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    kills = {line.partition(":")[0]: int(line.split()[-2]) for line in finished.stdout.splitlines()}
    assert kills.keys() == {"new", "copies", "no copies", "update", "changed"}
    assert kills["new"] > 10
    assert sum(kills.values()) > 20


@pytest.mark.parametrize("size_bytes", [0, 4096])
def test_a_store_whose_making_failed_at_once_is_made_anew(size_bytes: int) -> None:
    save_set("set", {"a.wav": 1.0, "b.wav": 1.0})
    run("set", out="whole")
    Path("store").mkdir()
    Path("store/data.mdb").write_bytes(Path("whole/data.mdb").read_bytes()[:size_bytes])  # killed, or the disk full
    Path("store/lock.mdb").touch()
    with pytest.raises(DataError, match="store is not a data store"):
        Store.open("store")
    assert run("set").stored == 2


def test_what_a_dying_worker_leaves_behind_does_not_stop_the_next_run(monkeypatch: pytest.MonkeyPatch) -> None:
    save_set("set", {"a.wav": 1.0, "b.wav": 1.0})
    run("set", out="whole")
    Path("store/spool").mkdir(parents=True)
    Path("store/spool/left").write_bytes(b"?")
    Path("store/data.mdb").touch()
    with pytest.raises(DataError, match="exists and is not a data store"):
        run("set")
    Path("store/spool/left").unlink()
    Path("store/spool").rmdir()
    run("set")
    Path("store/spool").mkdir()
    monkeypatch.setattr("shutil.rmtree", lambda *_, **__: None)  # a file came into the folder meanwhile
    assert run("set").unchanged == 2
    assert dump("store") == dump("whole")
