"""`after inspect_dataset` as a user runs it: text, JSON, the sheet, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from after.cli import group, inspect_dataset
from after.data.store import Store
from tests.unit.data.stores import HOP_LENGTH, add, add_feature, write_manifest


def inspect(*arguments: str) -> Result:
    return CliRunner().invoke(inspect_dataset.command, ["store", *arguments])


def fill(*, with_features: bool = True, **manifest: object) -> None:
    with Store.open("store", "a") as store:
        for name in ("piano/a", "piano/b", "flute/a", "flute/b"):
            record = add(store, f"set/{name}.wav", notes=[(0.0, 1.0, 60, 100)], warnings=("is odd",))
            if with_features:
                counts = {"loudness_db": {-20: 3}}
                settings = {"hop_length": HOP_LENGTH}
                add_feature(store, record, "loudness", np.zeros(100), settings=settings, counts=counts)
        write_manifest(store, **manifest)


def test_json_is_counted_afresh_and_holds_the_histograms() -> None:
    fill(summary={"notes": -1})
    manifest = json.loads(inspect("--json").stdout)
    assert manifest["summary"]["histograms"] == {"loudness_db": {"-20": 12}}
    assert manifest["summary"]["features"][0]["files"]["recording"] == 4
    assert sum(manifest["summary"]["duration_histogram"]["counts"]) == manifest["summary"]["notes"] == 4
    assert len(manifest["warnings"]) == 4


def test_problems_are_counted_and_listed_when_asked_for() -> None:
    fill()
    assert "problems   0 skipped files, 4 warnings" in inspect().output
    assert "list them with --problems" in inspect().output
    listed = inspect("--problems").output
    assert "warning set/piano/a.wav: is odd" in listed
    assert "list them" not in listed


@pytest.mark.parametrize("with_features", [True, False])
def test_the_sheet_is_drawn_beside_the_text(with_features: bool) -> None:
    fill(with_features=with_features)
    result = inspect("--sheet", "sheet.png")
    assert result.exit_code == 0, result.output
    assert "groups     2" in result.stdout
    assert result.stderr == "drawn: sheet.png\n"
    assert Path("sheet.png").read_bytes().startswith(b"\x89PNG")


def test_json_and_sheet_go_together() -> None:
    fill()
    result = inspect("--json", "--sheet", "sheet.PNG")
    assert json.loads(result.stdout)["sample_rate"] == 32_000
    assert Path("sheet.PNG").is_file()


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("sheet.jpg", "does not end in .png"),
        ("nowhere/sheet.png", "nowhere is not a folder"),
        ("file/sheet.png", "file is not a folder"),
        ("folder.png", "cannot be written"),
        ("/proc/sheet.png", "cannot be written"),
    ],
)
def test_a_sheet_that_cannot_be_written_is_refused_before_the_work(path: str, reason: str) -> None:
    Path("folder.png").mkdir()
    Path("file").write_text("")
    # There is no store: the path must be refused first.
    result = CliRunner().invoke(group, ["inspect_dataset", "store", "--sheet", path])
    assert result.exit_code == 2
    assert result.stderr.startswith("error: Invalid value for --sheet: ")
    assert reason in result.stderr
    assert result.stderr.count("\n") == 1
    assert not Path("nowhere").exists()


def test_a_folder_that_is_no_store_is_refused() -> None:
    result = CliRunner().invoke(group, ["inspect_dataset", "nowhere"])
    assert result.exit_code == 2
    assert "is not a data store" in result.stderr
