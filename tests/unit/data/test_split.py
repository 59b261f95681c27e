"""The split: by name, stable, never within a file or group, and neither side empty."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from after.data.parsers.discovery import FileFilter, find_files, group_of
from after.data.prepare.run import prepare
from after.data.prepare.settings import PrepareJob
from after.data.prepare.split import split_of, split_rank
from after.data.store import Store
from tests.unit.data.audio_folder import save, save_set, sine


def splits(root: str, out: str = "store", **given: Any) -> dict[str, str]:
    prepare(PrepareJob(inputs=(Path(root),), out=Path(out), workers=0), {"chunk_samples": 16_384, **given})
    with Store.open(out) as store:
        for record in store.sources():
            assert {store.metadata(key)["split"] for key in record.chunk_keys()} == {record.split}
        return {record.source: record.split for record in store.sources()}


def test_ranks_are_even_and_depend_on_the_seed() -> None:
    names = [f"set/{index}.wav" for index in range(4000)]
    counts = Counter(split_of(split_rank(name, 0), 0.05) for name in names)
    assert counts["validation"] == pytest.approx(200, abs=45)
    assert split_rank(names[0], 0) == split_rank(names[0], 0) != split_rank(names[0], 1)


def test_adding_files_moves_none() -> None:
    save_set("set", {f"piano/{index}.wav": 1.0 for index in range(12)})
    before = splits("set", validation=0.3)
    save_set("set", {f"flute/{index}.wav": 1.0 for index in range(6)})
    after = splits("set", validation=0.3)
    assert {source: after[source] for source in before} == before
    assert set(before.values()) == {"train", "validation"}


def test_moving_the_folder_moves_none() -> None:
    save_set("here/set", {f"piano/{index}.wav": 1.0 for index in range(6)})
    before = splits("here/set", "one", validation=0.3)
    Path("there").mkdir()
    Path("here/set").rename("there/set")
    assert splits("there/set", "two", validation=0.3) == before


@pytest.mark.parametrize("validation", [0.0001, 0.5])
def test_two_files_give_one_of_each(validation: float) -> None:
    save_set("set", {"piano/a.wav": 1.0, "piano/b.wav": 1.0})
    assert sorted(splits("set", validation=validation).values()) == ["train", "validation"]


def test_one_file_trains_and_no_share_means_no_validation() -> None:
    save_set("one", {"a.wav": 1.0})
    assert list(splits("one", "a", validation=0.5).values()) == ["train"]
    save_set("four", {f"{index}.wav": 1.0 for index in range(4)})
    assert set(splits("four", "b", validation=0.0).values()) == {"train"}


def test_groups_stay_whole_when_asked() -> None:
    save_set("set", {f"{group}/{index}.wav": 1.0 for group in "abcde" for index in range(3)})
    sides: dict[str, set[str]] = {}
    for source, side in splits("set", validation=0.3, split_by="group").items():
        sides.setdefault(source.split("/")[1], set()).add(side)
    assert all(len(side) == 1 for side in sides.values())
    assert {side for group in sides.values() for side in group} == {"train", "validation"}


@pytest.mark.parametrize(
    ("pattern", "group"),
    [(None, "take1"), (r"^[^/]+/([^/]+)/", "flute"), (r"take\d", "take1"), (r"nowhere", "take1")],
)
def test_the_group_is_the_folder_or_what_the_expression_finds(pattern: str | None, group: str) -> None:
    import re

    assert group_of("set/flute/take1/a.wav", re.compile(pattern) if pattern else None) == group


def test_discovery_takes_audio_with_its_midi_and_leaves_the_rest() -> None:
    for name in ("a.wav", "sub/B.FLAC", "._a.wav", ".hidden/c.wav", "notes.txt", "sub/d.mp3"):
        Path("set", name).parent.mkdir(parents=True, exist_ok=True)
        Path("set", name).touch()
    Path("set/a.MID").touch()
    found = find_files([Path("set")], FileFilter()).files
    assert [(file.source, file.midi_path is not None) for file in found] == [
        ("set/a.wav", True),
        ("set/sub/B.FLAC", False),
        ("set/sub/d.mp3", False),
    ]
    chosen = find_files([Path("set")], FileFilter(include=("sub/*",), exclude=("*.mp3",))).files
    assert [file.source for file in chosen] == ["set/sub/B.FLAC"]
    assert [file.source for file in find_files([Path("set/a.wav")], FileFilter()).files] == ["set/a.wav"]


def test_the_current_folder_has_a_name_too(tmp_path: Path) -> None:
    save("piano/a.wav", sine(300, 1.0))
    assert [file.source for file in find_files([Path()], FileFilter()).files] == [f"{tmp_path.name}/piano/a.wav"]
