"""NSynth: every file one note, told by the table; a changed table is noticed like a changed file."""

from pathlib import Path

import numpy as np
import pytest

from after.data.parsers.discovery import FileFilter, find_files
from after.data.store import Store
from after.errors import DataError
from tests.unit.data.data_sets import make_nsynth, nsynth_entry, write_nsynth_table
from tests.unit.data.preparing import CHUNK_S, run

ENTRIES = [nsynth_entry("guitar_acoustic_010", 60, 100), nsynth_entry("bass_synthetic_068", 49, 25)]


def notes_of(source: str) -> list[np.ndarray]:
    with Store.open("store") as store:
        (record,) = [record for record in store.sources() if record.source == source]
        return [store.read(key)["notes"] for key in record.chunk_keys()]


def test_notes_come_from_the_table() -> None:
    make_nsynth(Path("nsynth-train"), ENTRIES)
    report = run("nsynth-train")
    assert (report.stored, report.manifest["warnings"]) == (2, [])
    with Store.open("store") as store:
        assert [(record.source, record.group, record.license) for record in store.sources()] == [
            ("nsynth-train/audio/bass_synthetic_068-049-025.wav", "bass_synthetic_068", "CC-BY-4.0"),
            ("nsynth-train/audio/guitar_acoustic_010-060-100.wav", "guitar_acoustic_010", "CC-BY-4.0"),
        ]
    chunks = notes_of("nsynth-train/audio/guitar_acoustic_010-060-100.wav")
    np.testing.assert_allclose(chunks[0], [[0.0, 3.0, 60, 100]])
    np.testing.assert_allclose(chunks[1], [[-CHUNK_S, 3.0, 60, 100]], atol=1e-6)
    assert len(chunks[-1]) == 0


def test_a_changed_table_stores_the_changed_notes_only() -> None:
    make_nsynth(Path("nsynth-train"), ENTRIES)
    run("nsynth-train")
    assert (run("nsynth-train").stored, run("nsynth-train").unchanged) == (0, 2)
    write_nsynth_table(Path("nsynth-train"), [{**ENTRIES[0], "velocity": 75}, ENTRIES[1]])
    report = run("nsynth-train")
    assert (report.stored, report.unchanged) == (1, 1)
    assert notes_of("nsynth-train/audio/guitar_acoustic_010-060-100.wav")[0][0, 3] == 75
    Path("nsynth-train/audio/guitar_acoustic_010-060-100.wav").touch()
    assert (run("nsynth-train").stored, run("nsynth-train").unchanged) == (0, 2)


def test_the_parts_of_the_whole_stay_on_their_side() -> None:
    for part, pitch in [("train", 40), ("valid", 41), ("test", 42)]:
        make_nsynth(Path(f"nsynth/nsynth-{part}"), [nsynth_entry("guitar_acoustic_010", pitch, 100)])
    found = find_files([Path("nsynth")], FileFilter())
    assert found.parsers == ("nsynth",)
    assert [(file.source.split("/")[1], file.split) for file in found.files] == [
        ("nsynth-train", "train"),
        ("nsynth-valid", "validation"),
    ]
    assert [file.split for file in find_files([Path("nsynth/nsynth-test")], FileFilter()).files] == [None]


def test_missing_audio_is_skipped() -> None:
    make_nsynth(Path("nsynth-train"), ENTRIES)
    Path("nsynth-train/audio/guitar_acoustic_010-060-100.wav").unlink()
    report = run("nsynth-train")
    assert (report.stored, report.skipped) == (1, 1)
    assert report.manifest["skipped"][0]["reason"] == "missing: examples.json names it"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{"a": {"instrument_str": "x"', "cannot be read"),
        ('["instrument_str"]', "does not map"),
        ('{"a": {"instrument_str": "x", "pitch": 60}}', "lacks pitch, velocity or instrument_str"),
        ('{"a": {"instrument_str": "x", "pitch": 128, "velocity": 100}}', "has pitch 128"),
        ('{"a": {"instrument_str": "x", "pitch": "60", "velocity": 100}}', "has pitch '60'"),
        ('{"a": {"instrument_str": "x", "pitch": 60, "velocity": 0}}', "velocity 0"),
        ('{"a": "instrument_str", "b": {"instrument_str": "x"}, "c": "instrument_str"}', "lacks pitch"),
    ],
)
def test_a_damaged_table_is_named_with_what_to_do(text: str, what: str) -> None:
    folder = make_nsynth(Path("nsynth-train"), ENTRIES)
    (folder / "audio/guitar_acoustic_010-060-100.wav").rename(folder / "audio/a.wav")
    (folder / "examples.json").write_text(text)
    with pytest.raises(DataError, match=rf"examples\.json.*{what}.*copy (it|the table) from the data set again"):
        run("nsynth-train")
