"""One run brings files, silence, copies and features up to date, and touches nothing that is good already."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from after.data.prepare.report import PrepareReport
from after.data.prepare.run import prepare
from after.data.prepare.settings import PrepareJob
from after.data.records import SourceRecord
from after.data.store import Store
from after.errors import ConfigError, DataError
from after.midi import Note, write_midi
from tests.unit.data.audio_folder import save, sine
from tests.unit.data.preparing import CHUNK_S, CHUNK_SAMPLES, dump

SILENT = -100.0
LOUDNESS = {"loudness": {}}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for index, name in enumerate(("piano/a", "piano/b", "flute/c")):
        save(f"set/{name}.wav", sine(220.0 * (index + 1), 2.6 * CHUNK_S))
        write_midi(f"set/{name}.mid", [Note(0.2, 57 + 12 * index, 90, 1.0), Note(1.3, 59 + 12 * index, 60, 0.4)])


def run(features: dict[str, dict[str, Any]] | None = None, update: tuple[str, ...] = (), **given: Any) -> PrepareReport:
    job = PrepareJob(inputs=(Path("set"),), out=Path("store"), workers=0, features=features or {}, update=update)
    return prepare(job, {"chunk_samples": CHUNK_SAMPLES, "min_seconds": 0.5, "validation": 0.0, **given})


def records(kind: str) -> list[SourceRecord]:
    with Store.open("store") as store:
        return [record for record in store.sources() if record.kind == kind]


def read(record: SourceRecord, name: str) -> np.ndarray:
    with Store.open("store") as store:
        return np.concatenate([store.read(key, (name,))[name] for key in record.chunk_keys()], axis=-1)


def test_new_files_get_the_features_that_the_store_has() -> None:
    run(LOUDNESS)
    before = dump("store")
    save("set/flute/d.wav", sine(500.0, 2 * CHUNK_S))
    assert run().stored == 1
    after = dump("store")
    assert before.items() <= after.items()
    added = {key.split(b"/")[0] for key in after.keys() - before.keys()}
    assert added == {b"source", b"chunk", b"array", b"feature"}
    (new,) = [record for record in records("recording") if record.source.endswith("d.wav")]
    assert read(new, "loudness").shape == (64,)


def test_an_update_computes_one_feature_again_and_leaves_the_others_alone() -> None:
    both = {"loudness": {}, "pitch": {}}
    run(both)
    before = dump("store")
    with Store.open("store", "a") as store:
        for record in store.sources():
            for key in record.chunk_keys():
                store.update(key, {"loudness": np.zeros(3, np.float32), "pitch": np.zeros(4, np.float32)})
    run(update=("loudness",))
    after = dump("store")
    for key, value in before.items():
        assert (after[key] == value) is not key.endswith(b"/pitch"), key
    assert "updating" not in Store.open("store").manifest


def test_other_settings_are_refused_unless_all_is_computed_again() -> None:
    run(LOUDNESS)
    before = dump("store")
    with pytest.raises(DataError, match=r"window_length = 2048, not 4096.*--update loudness"):
        run({"loudness": {"window_length": 4096}})
    assert dump("store") == before
    run({"loudness": {"window_length": 4096}}, update=("loudness",))
    assert run().manifest["features"]["loudness"]["window_length"] == 4096
    with Store.open("store") as store:
        known = [store.features.get(record, "loudness") for record in store.sources()]
    assert {feature.settings["window_length"] for feature in known if feature} == {4096}
    with pytest.raises(ConfigError, match="no such feature; it has loudness, copies"):
        run(update=("pitch",))


def test_an_interrupted_update_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    run(LOUDNESS)
    measured: list[str] = []

    def stop_after_two(stage: str, done: int, total: int) -> None:
        if stage == "features":
            measured.append(stage)
            if len(measured) == 2:
                raise KeyboardInterrupt

    job = PrepareJob(inputs=(Path("set"),), out=Path("store"), workers=0, update=("loudness",))
    assert prepare(job, {}, stop_after_two).is_interrupted
    with Store.open("store") as store:
        assert sum(store.features.get(record, "loudness") is not None for record in store.sources()) == 2
    assert not prepare(job, {}, stop_after_two).is_interrupted
    assert len(measured) == 3  # two of the interrupted run, and the one that it left
    prepare(job, {}, stop_after_two)
    assert len(measured) == 6  # a finished update begins anew


def test_silence_is_a_share_of_each_group_that_trains() -> None:
    run(LOUDNESS, silent_share=0.3)
    found = {record.group: record for record in records("silence")}
    assert {group: record.num_chunks for group, record in found.items()} == {"piano": 2, "flute": 1}
    for record in found.values():
        assert record.split == "train"
        assert not read(record, "audio").any()
        assert (read(record, "loudness") == SILENT).all()
        with Store.open("store") as store:
            assert all(store.read(key, ("notes",))["notes"].shape == (0, 4) for key in record.chunk_keys())
    before = dump("store")
    run()
    assert dump("store") == before
    run(silent_share=0.0)
    assert not records("silence")


def test_copies_are_recordings_at_another_pitch_and_tempo_with_their_notes() -> None:
    run(LOUDNESS, copies=2, copy_semitones=5, copy_tempo=1.3)
    originals = {record.source: record for record in records("recording")}
    copies = records("copy")
    assert sorted(copy.source for copy in copies) == sorted(f"{name}#{n}" for name in originals for n in (1, 2))
    assert len({(copy.semitones, copy.tempo) for copy in copies}) > 3
    for copy in copies:
        original = originals[copy.original]
        assert (copy.group, copy.split, copy.license) == (original.group, "train", original.license)
        assert copy.num_samples == pytest.approx(original.num_samples / copy.tempo, abs=1)
        assert read(copy, "loudness").size == copy.num_chunks * 32
        with Store.open("store") as store:
            first, again = (store.read(record.chunk_key(0), ("notes",))["notes"] for record in (original, copy))
        assert again[0, 2] == first[0, 2] + copy.semitones
        assert again[0, 0] == pytest.approx(first[0, 0] / copy.tempo, abs=1e-4)


def test_copies_follow_their_originals() -> None:
    run(copies=1)
    before = {copy.original: copy for copy in records("copy")}
    save("set/piano/a.wav", sine(300.0, 2 * CHUNK_S))
    run()
    after = {copy.original: copy for copy in records("copy")}
    changed = {source for source, copy in after.items() if copy != before[source]}
    assert changed == {"set/piano/a.wav"}
    run(copies=0)
    assert not records("copy")


def test_copies_move_with_their_original_to_another_group() -> None:
    run(copies=1, group_by=r"(.)\.wav")
    before = {copy.source: copy.chunk_prefix for copy in records("copy")}
    with Store.open("store", "a") as store:
        store.put_records(replace(record, group="old") for record in store.sources())
    run()
    assert {copy.group for copy in records("copy")} == {"a", "b", "c"}
    assert {copy.source: copy.chunk_prefix for copy in records("copy")} == before


def test_copies_and_silence_never_validate() -> None:
    run(copies=1, silent_share=0.5, validation=0.5, seed=3)
    held_out = {record.source for record in records("recording") if record.split == "validation"}
    assert held_out
    assert {copy.original for copy in records("copy")}.isdisjoint(held_out)
    assert {record.split for kind in ("copy", "silence") for record in records(kind)} == {"train"}
