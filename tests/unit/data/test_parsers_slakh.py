"""Slakh2100: stems by patch, on the data set's own sides; no mixes, no drums, nothing that was not rendered."""

from pathlib import Path

import pytest

from after.data.parsers.registry import detect_parser
from after.data.store import Store
from after.errors import DataError
from tests.unit.data.data_sets import make_slakh_track, slakh_stem
from tests.unit.data.preparing import run

STEMS = {
    "S00": slakh_stem("elektrik_guitar.nkm"),
    "S01": slakh_stem(None, midi_program_name="Slap Bass 1"),
    "S02": slakh_stem("", midi_program_name=None, inst_class="Strings (continued)", midi_saved=False),
    "S03": slakh_stem("stylus_rmx.nkm", is_drum=True),
    "S04": slakh_stem("None", audio_rendered=False),
}


def make_slakh(root: Path) -> Path:
    for side, name in [("train", "00001"), ("validation", "01501"), ("test", "01876"), ("omitted", "00049")]:
        make_slakh_track(root / side / f"Track{name}", STEMS)
    return root


def test_stems_are_grouped_by_patch_and_stay_on_their_side() -> None:
    root = make_slakh(Path("slakh2100_flac_redux"))
    report = run(str(root))
    with Store.open("store") as store:
        records = {record.source.removeprefix(f"{root.name}/"): record for record in store.sources()}
        (key,) = records["train/Track00001/stems/S01.flac"].chunk_keys()[:1]
        assert store.read(key)["notes"][:, 2].tolist() == [41]
    assert {source: (record.group, record.split) for source, record in records.items()} == {
        f"{side}/{track}/stems/{stem}.flac": (group, side)
        for side, track in [("train", "Track00001"), ("validation", "Track01501")]
        for stem, group in [("S00", "elektrik_guitar"), ("S01", "Slap Bass 1"), ("S02", "Strings (continued)")]
    }
    assert {record.license for record in records.values()} == {"CC-BY-4.0"}
    assert {source.rpartition("/")[2]: record.num_notes for source, record in records.items()} == {
        "S00.flac": 1,
        "S01.flac": 1,
        "S02.flac": None,
    }
    assert report.skipped == 0
    assert run(str(root)).unchanged == len(records)


@pytest.mark.parametrize(
    ("given", "sides"),
    [
        ("slakh", {"train", "validation"}),
        ("slakh/train", {"train"}),
        ("slakh/train/Track00001", {"train"}),
        ("slakh/validation", {"validation"}),
        ("slakh/test", {None}),
        ("slakh/test/Track01876", {None}),
    ],
)
def test_every_level_may_be_the_input(given: str, sides: set[str | None]) -> None:
    from after.data.parsers.discovery import FileFilter, find_files

    make_slakh(Path("slakh"))
    found = find_files([Path(given)], FileFilter())
    assert found.parsers == ("slakh",)
    assert {file.split for file in found.files} == sides


def test_tracks_without_sides_are_left_to_the_share() -> None:
    for index in range(1, 5):
        make_slakh_track(Path(f"babyslakh/Track{index:05d}"), {"S00": STEMS["S00"]}, suffix="wav")
    assert detect_parser(Path("babyslakh")) == "slakh"
    run("babyslakh", validation=0.5)
    with Store.open("store") as store:
        assert {record.split for record in store.sources()} == {"train", "validation"}
        assert {record.group for record in store.sources()} == {"elektrik_guitar"}


def test_a_stem_whose_audio_is_missing_is_skipped() -> None:
    root = make_slakh(Path("slakh"))
    (root / "train/Track00001/stems/S00.flac").unlink()
    report = run(str(root))
    assert report.skipped == 1
    assert report.manifest["skipped"] == [
        {
            "source": "slakh/train/Track00001/stems/S00.flac",
            "reason": "missing: Track00001/metadata.yaml says that this stem was rendered",
        }
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("stems: {S00: [", "cannot be read"),
        ("UUID: 1\n", "names no stems"),
        ("- a\n", "names no stems"),
        ("", "names no stems"),
        ("stems: [S00]\n", "does not describe its stems"),
        ("stems: {S00: 3}\n", "does not describe its stems"),
        ("\xff", "cannot be read"),
    ],
)
def test_damaged_metadata_is_named_with_what_to_do(text: str, what: str) -> None:
    root = make_slakh(Path("slakh"))
    path = root / "train/Track00001/metadata.yaml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=rf"(?s)Track00001/metadata\.yaml.*{what}.*copy it from the data set again"):
        run(str(root))


def test_the_users_groups_and_licence_come_first() -> None:
    root = make_slakh(Path("slakh"))
    run(str(root), group_by=r"(S\d\d)\.flac", license_text="mine")
    with Store.open("store") as store:
        assert {record.group for record in store.sources()} == {"S00", "S01", "S02"}
        assert {record.license for record in store.sources()} == {"mine"}


def test_a_store_made_without_the_tables_takes_over_what_they_say() -> None:
    root = make_slakh(Path("slakh"))
    run(str(root), parser="audio")
    with Store.open("store") as store:
        assert "stems" in {record.group for record in store.sources()}
    run(str(root))
    run(str(root), out="fresh")
    with Store.open("store") as store, Store.open("fresh") as fresh:
        wanted = {record.source: record for record in fresh.sources()}
        assert {record.source: record for record in store.sources() if record.source in wanted} == wanted
