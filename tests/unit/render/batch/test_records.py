"""Records tell an output of theirs from a file of the user's, whatever was interrupted, whoever else was writing."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from render.batch.records import Records, hash_file
from render.errors import OutputError


def put(records: Records, output: str, content: str, *, force: bool = False) -> None:
    with records.spool() as folder:
        spool_path = folder / "0"
        spool_path.write_text(content)
        place = records.folder / output
        records.put(spool_path, place, f"from {content}", hash_file(spool_path), force=force)


def fingerprint(records: Records, output: str) -> str | None:
    made = records.find(records.folder / output)
    return made and made.fingerprint


@pytest.fixture
def records(tmp_path: Path) -> Records:
    return Records(tmp_path / "out")


def test_an_output_is_known_and_its_changes_are_noticed(records: Records) -> None:
    output = records.folder / "low/a.wav"
    assert not records.has(output)
    put(records, "low/a.wav", "one")
    assert output.read_text() == "one"
    assert records.has(output)
    assert fingerprint(records, "low/a.wav") == "from one"
    output.write_text("two")  # as long, another time
    assert fingerprint(records, "low/a.wav") is None
    output.write_text("longer")
    assert fingerprint(records, "low/a.wav") is None
    assert records.has(output)
    output.unlink()
    with pytest.raises(FileNotFoundError):
        records.find(output)


def test_a_copy_with_another_time_is_still_known(records: Records, tmp_path: Path) -> None:
    put(records, "a.wav", "one")
    os.utime(records.folder / "a.wav", (1, 1))
    assert fingerprint(records, "a.wav") == "from one"
    records.folder.rename(tmp_path / "moved")
    assert fingerprint(Records(tmp_path / "moved"), "a.wav") == "from one"


def test_a_kill_between_record_and_output_leaves_the_old_one_known(records: Records) -> None:
    put(records, "a.wav", "old")
    before = (records.folder / "a.wav").read_bytes()
    put(records, "a.wav", "new")
    assert fingerprint(records, "a.wav") == "from new"
    (records.folder / "a.wav").write_bytes(before)  # as if the new one had not been moved into place
    assert fingerprint(records, "a.wav") == "from old"
    put(records, "a.wav", "newer")
    assert fingerprint(records, "a.wav") == "from newer"


def test_what_the_user_put_there_is_replaced_by_force_only(records: Records) -> None:
    output = records.folder / "a.wav"
    output.parent.mkdir()
    output.write_text("the user's")
    with pytest.raises(OutputError, match="left alone"):
        put(records, "a.wav", "mine")
    assert output.read_text() == "the user's"
    put(records, "a.wav", "mine", force=True)
    assert fingerprint(records, "a.wav") == "from mine"
    output.write_text("edited")
    with pytest.raises(OutputError, match="left alone"):
        put(records, "a.wav", "mine")


def test_nothing_is_left_in_the_spool(records: Records) -> None:
    put(records, "a.wav", "one")
    with pytest.raises(ZeroDivisionError), records.spool():
        raise ZeroDivisionError
    assert sorted(path.name for path in (records.folder / ".after-batch").iterdir()) == ["lock", "records"]


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"renders": [{}]}', b'{"renders": 3}', b"\xff"])
def test_a_damaged_record_is_none(records: Records, damage: bytes) -> None:
    put(records, "a.wav", "one")
    (record,) = (records.folder / ".after-batch/records").iterdir()
    record.write_bytes(damage)
    assert fingerprint(records, "a.wav") is None
    put(records, "a.wav", "two", force=True)
    assert fingerprint(records, "a.wav") == "from two"


def test_what_lies_elsewhere_is_no_output(records: Records, tmp_path: Path) -> None:
    assert not records.has(tmp_path / "a.wav")


def put_many(folder: Path, name: str) -> None:
    records = Records(folder)
    for number in range(40):
        put(records, "shared.wav", f"{name} {number}")
        put(records, f"{name}/{number}.wav", f"{name} {number}")


def test_batches_that_write_at_once_lose_nothing(records: Records) -> None:
    with ProcessPoolExecutor(3, mp_context=multiprocessing.get_context("fork")) as pool:
        list(pool.map(put_many, [records.folder] * 3, "abc"))
    assert fingerprint(records, "shared.wav") == f"from {(records.folder / 'shared.wav').read_text()}"
    for name in "abc":
        for number in range(40):
            assert fingerprint(records, f"{name}/{number}.wav") == f"from {name} {number}"
