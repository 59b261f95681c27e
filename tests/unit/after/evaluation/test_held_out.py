"""What a store holds out must be new to the run: told from the contents of the files that trained it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from after.data.records import FileStamp
from after.data.store import Store
from after.data.trained_on import note_recordings, read_recordings
from after.errors import CheckpointError, DataError
from after.evaluation.held_out import check_held_out
from tests.unit.data.stores import add, add_feature, write_manifest

LATENTS = "latents/x"


def make_store(path: Path, *, latents: bool = True, **splits: str) -> Path:
    """Make a store of files with these contents, each in a split: `a="train"`."""
    with Store.open(path, "a") as store:
        write_manifest(store)
        for content, split in splits.items():
            stamp: Any = FileStamp(size_bytes=1, mtime_ns=1, content_hash=content)
            record = add(store, f"{path.name}/{content}_{split}.wav", split=split, audio=stamp)
            if latents:
                add_feature(store, record, LATENTS, np.zeros((2, 2), dtype=np.float16))
    return path


def note(folder: Path, store: Path) -> None:
    with Store.open(store) as opened:
        note_recordings(folder, opened)


def check(run: Path, store: Path) -> list[str]:
    with Store.open(store) as opened:
        return check_held_out(run, opened, LATENTS)


def run_folder(path: Path, *, has_checkpoint: bool) -> Path:
    (path / "checkpoints").mkdir(parents=True)
    if has_checkpoint:
        (path / "checkpoints" / "00000002.safetensors").touch()
    return path


def test_without_a_note_it_is_said_that_nothing_is_known(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", a="train", b="validation")
    (said,) = check(run_folder(tmp_path / "run", has_checkpoint=True), store)
    assert "does not record what trained it" in said


def test_the_store_it_was_trained_on_is_fine(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", a="train", b="validation")
    run = run_folder(tmp_path / "run", has_checkpoint=False)
    note(run, store)
    assert check(run, store) == []
    assert check(run / "checkpoints" / "00000002.safetensors", store) == []
    other = make_store(tmp_path / "other", c="train", d="validation")
    assert check(run, other) == []


@pytest.mark.parametrize("name", ["run", "run/checkpoints/00000002.safetensors"])
def test_the_same_files_split_otherwise_are_refused(tmp_path: Path, name: str) -> None:
    run = run_folder(tmp_path / "run", has_checkpoint=False)
    note(run, make_store(tmp_path / "store", a="train", b="train", c="validation"))
    other = make_store(tmp_path / "other", a="validation", b="train", c="validation")
    with pytest.raises(DataError, match=r"^1 of 2 recordings .* trained .*\(other/a_validation.wav\): name the store"):
        check(tmp_path / name, other)


def test_a_run_that_went_on_with_another_store_was_trained_on_both(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", has_checkpoint=False)
    note(run, make_store(tmp_path / "first", a="train", b="validation"))
    (run / "checkpoints" / "00000002.safetensors").touch()
    note(run, make_store(tmp_path / "second", c="train", a="validation"))
    assert read_recordings(run).hashes == {"a", "c"}  # type: ignore[union-attr]
    with pytest.raises(DataError, match="second/a_validation"):
        check(run, tmp_path / "second")


def test_a_run_that_begins_again_forgets_what_came_before(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", has_checkpoint=False)
    note(run, make_store(tmp_path / "first", a="train", b="validation"))
    second = make_store(tmp_path / "second", c="train", a="validation")
    note(run, second)
    assert check(run, second) == []


def test_a_note_that_began_late_is_not_relied_on(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", a="train", b="validation")
    run = run_folder(tmp_path / "run", has_checkpoint=True)
    for _ in range(2):  # going on once more does not make it whole
        note(run, store)
        (said,) = check(run, store)
        assert "does not wholly record" in said


def test_a_file_that_lies_on_both_sides_is_named(tmp_path: Path) -> None:
    store = make_store(tmp_path / "store", a="train", b="validation")
    with Store.open(store, "a") as opened:
        stamp = FileStamp(size_bytes=1, mtime_ns=1, content_hash="a")
        record = add(opened, "store/again.wav", split="validation", audio=stamp)
        add_feature(opened, record, LATENTS, np.zeros((2, 2), dtype=np.float16))
    run = run_folder(tmp_path / "run", has_checkpoint=False)
    note(run, store)
    assert check(run, store) == ["1 of 2 held-out recordings are also among those that train (store/again.wav)"]


def test_a_store_without_the_runs_latents_is_refused(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", has_checkpoint=True)
    with pytest.raises(DataError, match="lacks latents/x"):
        check(run, make_store(tmp_path / "store", latents=False, a="train", b="validation"))


def test_a_damaged_note_is_one_clear_error(tmp_path: Path) -> None:
    run = run_folder(tmp_path / "run", has_checkpoint=True)
    (run / "recordings.json").write_text("[]")
    with pytest.raises(CheckpointError, match="restore it, or delete it"):
        read_recordings(run)
