"""Kill a run before its writes, one after the other, continue it, and compare with a run that was left alone.

Only the process that runs `prepare` writes the store, and always in transactions, so what a kill can leave is what lies
between two of them. Started as a program of its own, since it forks: `python -m tests.unit.data.killing FOLDER`.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import lmdb
import numpy as np

from after.data.database import Database
from after.data.parsers import registry
from after.data.prepare.run import prepare
from after.data.prepare.settings import PrepareJob
from after.midi import Note, write_midi
from tests.unit.data.audio_folder import save, sine
from tests.unit.data.preparing import CHUNK_S, CHUNK_SAMPLES, dump

Run = Callable[[str], None]
_write = Database.write


def bring_up_to_date(
    out: str, *, window_length: int = 2048, update: tuple[str, ...] = (), copies: int = 1, silent_share: float = 0.1
) -> None:
    features = {"loudness": {"window_length": window_length}}
    job = PrepareJob(inputs=(Path("set"),), out=Path(out), workers=0, features=features, update=update)
    given = {"chunk_samples": CHUNK_SAMPLES, "min_seconds": 0.5, "copies": copies, "silent_share": silent_share}
    prepare(job, given)


def make_set() -> None:
    save("set/a/one.wav", sine(300.0, 1.5 * CHUNK_S))
    write_midi("set/a/one.mid", [Note(0.1, 60, 100, 0.2)])
    save("set/a/two.wav", sine(400.0, CHUNK_S))
    save("set/b/three.flac", sine(500.0, CHUNK_S))
    Path("set/bad.wav").write_bytes(b"RIFF")


def change_set() -> None:
    """Change a file, remove one, add a MIDI file, damage one, mend one."""
    save("set/a/one.wav", sine(350.0, 1.5 * CHUNK_S))
    Path("set/a/two.wav").unlink()
    write_midi("set/b/three.mid", [Note(0.2, 50, 100, 0.2)])
    save("set/bad.wav", sine(600.0, CHUNK_S))
    save("set/b/new.wav", np.full(40_000, np.nan), subtype="FLOAT")


def run_apart(run: Run, out: str, kill_before: int = 0) -> int:
    """Run in another process; gives its number of writes, or minus the signal that ended it."""
    child = os.fork()
    if not child:
        os._exit(min(255, _count_writes(run, out, kill_before)))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _count_writes(run: Run, out: str, kill_before: int) -> int:
    """Run, and die before a write."""
    writes = 0

    def write(database: Database, work: Any) -> Any:
        nonlocal writes
        writes += 1
        if writes == kill_before:
            os.kill(os.getpid(), signal.SIGKILL)
        return _write(database, work)

    Database.write = write  # type: ignore[method-assign]
    run(out)
    return writes


def check(name: str, run: Run, before: Path | None, step: int = 1) -> None:
    """Kill at every point; `before` is the store that is there already."""
    if before is not None:
        shutil.copytree(before, f"whole {name}")
    writes = run_apart(run, f"whole {name}")
    whole = dump(f"whole {name}")
    for point in range(1, writes + 1, step):
        if before is not None:
            shutil.copytree(before, "store")
        assert run_apart(run, "store", point) == -signal.SIGKILL, (name, point)
        run("store")
        assert dump("store") == whole, (name, point)
        assert {path.name for path in Path("store").iterdir()} == {"data.mdb", "lock.mdb", "prepare.lock"}
        shutil.rmtree("store")
    print(f"{name}: {len(range(1, writes + 1, step))} kills")


def main(folder: str) -> None:
    os.chdir(folder)
    lmdb.open = partial(lmdb.open, sync=False)  # what was written outlives the process, if not a loss of power
    registry.entry_points = cache(registry.entry_points)  # type: ignore[attr-defined]
    make_set()
    check("new", bring_up_to_date, None, step=2)
    first = Path("whole new")
    check("copies", lambda out: bring_up_to_date(out, copies=2), first, step=5)
    check("no copies", lambda out: bring_up_to_date(out, copies=0, silent_share=0.0), first, step=3)
    check("update", lambda out: bring_up_to_date(out, window_length=4096, update=("copies", "loudness")), first, step=4)
    change_set()
    check("changed", bring_up_to_date, first, step=3)


if __name__ == "__main__":
    main(sys.argv[1])
