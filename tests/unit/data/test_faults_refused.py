"""A file that was good and is refused now: what is stored of it stays, the trouble is listed, and it can come back."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from after.data.prepare.report import PrepareReport
from after.data.prepare.run import prepare
from after.data.prepare.settings import PrepareJob
from after.data.store import Store
from after.midi import Note, write_midi
from tests.unit.data.audio_folder import save, save_set, sine
from tests.unit.data.preparing import CHUNK_SAMPLES, dump

KEPT = "; kept as it was stored before"


def run(**given: Any) -> PrepareReport:
    job = PrepareJob(inputs=(Path("set"),), out=Path("store"), workers=0, features={"loudness": {}})
    settings = {"chunk_samples": CHUNK_SAMPLES, "min_seconds": 0.5, "validation": 0.0, "copies": 1}
    return prepare(job, {**settings, **given})


def without_notes(records: dict[bytes, bytes]) -> dict[bytes, bytes]:
    return {key: value for key, value in records.items() if not key.startswith(b"skipped/")}


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def link_to_nothing(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere.wav")


def replace_by_a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


TROUBLE: dict[str, Callable[[Path], object]] = {
    "unreadable (Error": truncate,
    "unreadable (Format not": lambda path: path.write_bytes(b""),
    "NaN or infinite": lambda path: save(path, np.full(60_000, np.nan)),
    "silent": lambda path: save(path, np.zeros(60_000)),
    "too short": lambda path: save(path, np.ones(1)),
    "missing: the link": link_to_nothing,
    "not a file": replace_by_a_pipe,
}


@pytest.mark.parametrize("reason", TROUBLE)
def test_it_stays_with_its_copy_and_its_features(reason: str) -> None:
    save_set("set", {"a.wav": 1.0})
    suffix, subtype = ("flac", None) if reason == "unreadable (Error" else ("wav", "FLOAT")
    path = save(f"set/b.{suffix}", 0.3 * np.random.default_rng(0).standard_normal(90_000), subtype=subtype)
    run()
    before = dump("store")
    shutil.copy2(path, "aside")
    trouble = TROUBLE[reason]
    trouble(path) if reason != "NaN or infinite" else save(path, np.full(60_000, np.nan), subtype="FLOAT")
    for _ in range(2):
        report = run()
        (entry,) = report.manifest["skipped"]
        assert entry["source"] == f"set/b.{suffix}"
        assert entry["reason"].startswith(reason)
        assert entry["reason"].endswith(KEPT)
        assert (report.skipped, report.stored, report.absent, report.is_complete) == (1, 0, 0, False)
        assert without_notes(dump("store")) == before
    path.unlink(missing_ok=True)
    shutil.copy2("aside", path)
    report = run()
    assert (report.skipped, report.unchanged, report.manifest["skipped"]) == (0, 2, [])
    assert dump("store") == before


def test_a_copy_of_it_with_another_time_comes_back_too() -> None:
    save_set("set", {"a.wav": 1.0, "b.wav": 1.0})
    run()
    shutil.copy2("set/b.wav", "aside")
    Path("set/b.wav").write_bytes(b"RIFF")
    assert run().skipped == 1
    shutil.copy("aside", "set/b.wav")
    os.utime("set/b.wav", ns=(1, 1))
    report = run()
    assert (report.unchanged, report.manifest["skipped"]) == (2, [])


def test_a_file_that_may_not_be_read_any_more_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    save_set("set", {"a.wav": 1.0, "b.wav": 1.0})
    run()
    before = dump("store")
    os.utime("set/b.wav", ns=(1, 1))
    open_path = Path.open

    def refuse(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path.name == "b.wav":
            raise PermissionError(13, "Permission denied", str(path))
        return open_path(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        assert run().manifest["skipped"] == [{"source": "set/b.wav", "reason": f"unreadable (Permission denied){KEPT}"}]
    assert without_notes(dump("store")) == before
    assert run().manifest["skipped"] == []


def test_a_good_new_version_takes_the_place_of_the_kept_one() -> None:
    save_set("set", {"a.wav": 1.0, "b.wav": 1.0})
    run()
    Path("set/b.wav").write_bytes(b"RIFF")
    run()
    save("set/b.wav", sine(700.0, 1.2))
    report = run()
    assert (report.stored, report.manifest["skipped"]) == (1, [])
    shutil.rmtree("store")
    fresh = run()
    assert fresh.manifest["summary"] == report.manifest["summary"]


@pytest.mark.parametrize("damage", [truncate, lambda path: path.write_bytes(b""), link_to_nothing])
def test_notes_stay_where_the_midi_file_is_damaged_and_the_audio_is_the_same(damage: Callable[[Path], object]) -> None:
    save_set("set", {"a.wav": 1.0, "b.wav": 1.0})
    write_midi("set/b.mid", [Note(0.1, 60, 100, 0.2)])
    run()
    before = dump("store")
    damage(Path("set/b.mid"))
    (entry,) = run().manifest["skipped"]
    assert entry["source"] == "set/b.wav"
    assert entry["reason"].startswith("its notes cannot be read: ")
    assert entry["reason"].endswith(KEPT)
    assert without_notes(dump("store")) == before
    save("set/b.wav", sine(700.0, 1.2))  # other audio: the old notes are not its notes
    report = run()
    assert (report.stored, report.skipped) == (1, 0)
    assert "stored without notes" in report.manifest["warnings"][0]["warning"]


def test_a_midi_file_that_is_taken_away_takes_its_notes_along() -> None:
    save_set("set", {"a.wav": 1.0, "b.wav": 1.0})
    write_midi("set/b.mid", [Note(0.1, 60, 100, 0.2)])
    run()
    Path("set/b.mid").unlink()
    report = run()
    assert (report.stored, report.skipped) == (1, 0)
    with Store.open("store") as store:
        assert {record.num_notes for record in store.sources()} == {None}
