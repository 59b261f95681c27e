"""MAESTRO: the table says which files there are, on which side, and where their MIDI is."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from after.cli import prepare_dataset
from after.data.parsers.discovery import FileFilter, find_files
from after.data.store import Store
from after.errors import DataError
from tests.unit.data.audio_folder import save, sine
from tests.unit.data.data_sets import make_maestro, write_maestro_table
from tests.unit.data.preparing import run

ROW = ["Alban Berg", "Sonata", "train", "2018", "2018/a.midi", "2018/a.wav", "1.0"]


def test_rows_are_grouped_by_year_and_stay_on_their_side() -> None:
    root = make_maestro(Path("maestro-v3.0.0"), ["train", "validation", "test", "train"])
    save(root / "2004/not in the table.wav", sine(300, 1.0))
    run(str(root))
    with Store.open("store") as store:
        assert [(record.source, record.group, record.split, record.pitch_counts) for record in store.sources()] == [
            ("maestro-v3.0.0/2004/MIDI-Unprocessed_0.wav", "piano_2004", "train", {60: 1}),
            ("maestro-v3.0.0/2005/MIDI-Unprocessed_1.wav", "piano_2005", "validation", {61: 1}),
            ("maestro-v3.0.0/2007/MIDI-Unprocessed_3.wav", "piano_2007", "train", {63: 1}),
        ]
        assert {record.license for record in store.sources()} == {"CC-BY-NC-SA-4.0"}
    assert run(str(root)).unchanged == 3


def test_a_table_of_ones_own_is_read_alike_and_may_be_the_input() -> None:
    root = make_maestro(Path("mine"), ["train", "validation"], table="pieces.CSV")
    for given in (root, root / "pieces.CSV"):
        found = find_files([given], FileFilter())
        assert found.parsers == ("maestro",)
        assert [file.source for file in found.files] == [
            "mine/2004/MIDI-Unprocessed_0.wav",
            "mine/2005/MIDI-Unprocessed_1.wav",
        ]
        assert {file.license for file in found.files} == {""}


def test_files_that_rows_name_but_are_missing_cost_no_other() -> None:
    root = make_maestro(Path("maestro"), ["train", "validation", "train"])
    (root / "2004/MIDI-Unprocessed_0.wav").unlink()
    (root / "2006/MIDI-Unprocessed_2.midi").unlink()
    report = run(str(root))
    assert (report.found, report.stored, report.skipped) == (3, 2, 1)
    (skipped,) = report.manifest["skipped"]
    assert skipped == {
        "source": "maestro/2004/MIDI-Unprocessed_0.wav",
        "reason": "missing: line 2 of maestro-v3.0.0.csv names it",
    }
    (warning,) = report.manifest["warnings"]
    assert warning["source"] == "maestro/2006/MIDI-Unprocessed_2.wav"
    assert "stored without notes: MIDI-Unprocessed_2.midi is unreadable" in warning["warning"]
    assert run(str(root)).unchanged == 2


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ([*ROW[:2], "dev", *ROW[3:]], "split 'dev' is none of train, validation and test"),
        (ROW[:-1], "not as many fields"),
        ([*ROW, "more"], "not as many fields"),
        ([*ROW[:5], "", "1.0"], "'' is not a path inside the data set"),
        ([*ROW[:5], "../a.wav", "1.0"], r"'\.\./a\.wav' is not a path inside the data set"),
        ([*ROW[:5], "/a.wav", "1.0"], "is not a path inside the data set"),
    ],
)
def test_a_damaged_row_is_named_with_its_line_and_what_to_do(row: list[str], what: str) -> None:
    root = make_maestro(Path("maestro"), ["train"])
    write_maestro_table(root / "maestro-v3.0.0.csv", [[*ROW[:2], "test", *ROW[3:]], row])
    with pytest.raises(DataError, match=rf"maestro-v3\.0\.0\.csv, line 3: .*{what}.*mend the line"):
        run(str(root))


def test_a_table_that_is_not_text_is_named() -> None:
    root = make_maestro(Path("maestro"), ["train"])
    table = root / "maestro-v3.0.0.csv"
    table.write_bytes(table.read_bytes() + b"\xff\xfe,\x00\n")
    with pytest.raises(DataError, match=r"maestro-v3\.0\.0\.csv cannot be read"):
        run(str(root))


def test_two_tables_are_refused_until_one_is_named() -> None:
    root = make_maestro(Path("maestro"), ["train", "validation"])
    make_maestro(root, ["train"], table="maestro-v2.0.0.csv")
    with pytest.raises(DataError, match=r"several tables .*v2.*v3.*give one of them as the input"):
        run(str(root))
    assert run(str(root / "maestro-v3.0.0.csv")).stored == 2


def test_a_table_of_something_else_is_not_taken_for_one() -> None:
    save("set/a.wav", sine(300, 1.0))
    Path("set/maestro.csv").write_text("a,b\n1,2\n")
    Path("set/empty.csv").touch()
    assert find_files([Path("set")], FileFilter()).parsers == ("audio_midi",)


def test_a_side_that_the_table_changes_is_taken_over() -> None:
    root = make_maestro(Path("maestro"), ["train", "validation", "train"])
    run(str(root))
    make_maestro(root, ["validation", "validation", "train"])
    assert run(str(root)).stored == 0
    with Store.open("store") as store:
        assert [record.split for record in store.sources()] == ["validation", "validation", "train"]


def test_a_dry_run_counts_the_tables_sides() -> None:
    root = make_maestro(Path("maestro"), ["train", "validation", "validation", "test"])
    arguments = [str(root), "--out", "store", "--dry-run", "--validation", "0"]
    output = CliRunner().invoke(prepare_dataset.command, arguments).output
    assert "read as: maestro" in output
    assert "3 audio files, 3 with MIDI" in output
    assert "split: 1 train, 2 validation" in output


def test_an_empty_side_is_filled_by_one_file_that_stays_there() -> None:
    root = make_maestro(Path("maestro"), ["train", "train", "train"])
    run(str(root))
    with Store.open("store") as store:
        first = {record.source: record.split for record in store.sources()}
    assert sorted(first.values()) == ["train", "train", "validation"]
    make_maestro(root, ["train"] * 12)
    run(str(root))
    with Store.open("store") as store:
        second = {record.source: record.split for record in store.sources()}
    assert {source: second[source] for source in first} == first
    assert list(second.values()).count("validation") == 1


@pytest.mark.parametrize("given", [{"validation": 0.0}, {"split_by": "group"}, {"validation": 0.5, "seed": 3}])
def test_no_setting_moves_a_file_from_its_own_side(given: dict[str, object]) -> None:
    root = make_maestro(Path("maestro"), ["train", "validation", "train", "train"])
    run(str(root), **given)
    with Store.open("store") as store:
        assert [record.split for record in store.sources()] == ["train", "validation", "train", "train"]
