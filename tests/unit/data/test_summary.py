"""The manifest's summary against stores whose contents are known, and the sentences made of it."""

import json
import time

import numpy as np
import pytest

from after.data.inspection.description import describe_store
from after.data.inspection.histograms import DURATION_EDGES_S, count_durations, note_name, percentile
from after.data.inspection.summary import summarize
from after.data.store import Store
from tests.unit.data.stores import CHUNK_SAMPLES, SAMPLE_RATE, add, add_feature, write_manifest

CHUNK_HOURS = round(CHUNK_SAMPLES / SAMPLE_RATE / 3600, 6)
C_MAJOR = [(0.0, 0.5, 60, 100), (0.5, 0.5, 64, 100), (1.0, 0.5, 67, 100)]
VALUES = np.zeros((2, 100), dtype=np.float32)


def summary_of(store: Store) -> dict:
    summary = summarize(store, store.sources(), SAMPLE_RATE)
    assert json.loads(json.dumps(summary)) == summary
    return summary


def test_hours_count_recordings_and_the_rest_is_counted_apart() -> None:
    with Store.open("store", "a") as store:
        add(store, "set/piano/a.wav")
        add(store, "set/piano/b.wav", split="validation", dropped_samples=1000, clipped_samples=3)
        add(store, "set/flute/a.wav", num_samples=3 * CHUNK_SAMPLES)
        add(store, "set/piano/a.wav+2", kind="copy", original="set/piano/a.wav", semitones=2.0, notes=C_MAJOR)
        add(store, "silence", kind="silence", group="silence", notes=[], clipped_samples=5)
        summary = summary_of(store)
    assert summary["kinds"] == {
        "recording": {"hours": round((5 * CHUNK_SAMPLES - 1000) / SAMPLE_RATE / 3600, 6), "files": 3, "chunks": 5},
        "copy": {"hours": CHUNK_HOURS, "files": 1, "chunks": 1},
        "silence": {"hours": CHUNK_HOURS, "files": 1, "chunks": 1},
    }
    assert summary["splits"]["train"] == {"hours": pytest.approx(4 * CHUNK_HOURS, abs=2e-6), "files": 2, "chunks": 4}
    assert summary["splits"]["validation"]["files"] == 1
    assert list(summary["groups"]) == ["flute", "piano"]
    assert summary["groups"]["piano"]["train"]["files"] == summary["groups"]["piano"]["validation"]["files"] == 1
    assert (summary["notes"], summary["files_with_notes"], sum(summary["pitch_histogram"])) == (0, 0, 0)
    assert (summary["clipped_samples"], summary["dropped_s"]) == (3, round(1000 / SAMPLE_RATE, 3))


def test_histograms_are_the_sums_over_recordings() -> None:
    with Store.open("store", "a") as store:
        first = add(store, "set/piano/a.wav", notes=C_MAJOR)
        second = add(store, "set/piano/b.wav", num_samples=2 * CHUNK_SAMPLES, notes=C_MAJOR[:1])
        copy = add(store, "set/piano/a.wav+2", kind="copy", notes=C_MAJOR)
        for record, counts in ((first, {57: 3, -1: 1}), (second, {57: 4, 120: 2}), (copy, {57: 1000})):
            add_feature(store, record, "pitch", VALUES, counts={"pitch": counts, "voicing": {0: 30, 1: 10}})
        add_feature(store, first, "loudness", VALUES, counts={"loudness_db": {-20: 7, -100: 1, -9: 2}})
        summary = summary_of(store)
    assert summary["histograms"] == {
        "loudness_db": {"-100": 1, "-20": 7, "-9": 2},
        "pitch": {"-1": 1, "57": 7, "120": 2},
        "voicing": {"0": 60, "1": 20},
    }
    assert list(summary["histograms"]["loudness_db"]) == ["-100", "-20", "-9"]
    assert {pitch: number for pitch, number in enumerate(summary["pitch_histogram"]) if number} == {60: 3, 64: 1, 67: 1}
    assert (summary["notes"], summary["files_with_notes"]) == (5, 2)


def test_features_come_with_their_settings_and_how_many_files_have_them() -> None:
    with Store.open("store", "a") as store:
        records = [add(store, f"set/piano/{name}.wav") for name in "abc"]
        copy = add(store, "set/piano/a.wav+2", kind="copy")
        for record in (records[0], records[1], copy):
            add_feature(store, record, "pitch", VALUES, settings={"hop_length": 640, "voicing": 0.5})
        add_feature(store, records[2], "pitch", VALUES, settings={"hop_length": 320, "voicing": 0.5})
        add_feature(store, records[0], "loudness", VALUES, settings={"hop_length": 640})
        write_manifest(store, summary=summary_of(store))
        lines = describe_store(store.manifest)
        features = store.manifest["summary"]["features"]
    assert [(feature["name"], feature["settings"]["hop_length"], feature["files"]) for feature in features] == [
        ("loudness", 640, {"recording": 1, "copy": 0, "silence": 0}),
        ("pitch", 640, {"recording": 2, "copy": 1, "silence": 0}),
        ("pitch", 320, {"recording": 1, "copy": 0, "silence": 0}),
    ]
    assert "feature    pitch: 2 of 3 recordings, 1 of 1 copies; hop_length 640, voicing 0.5" in lines
    assert "advice     pitch was computed with different settings: compute all of it again with --update pitch" in lines


def test_durations_fall_into_bins_that_grow() -> None:
    given = [0.01, 0.1, 1.0, 1.3, 4.0, 4.0, 3600.0, 1e9]
    counted = count_durations(given)
    assert counted["edges_s"] == list(DURATION_EDGES_S)
    inside = np.clip(given, DURATION_EDGES_S[0], DURATION_EDGES_S[-1])
    assert counted["counts"] == np.histogram(inside, DURATION_EDGES_S)[0].tolist()
    with Store.open("store", "a") as store:
        add(store, "set/piano/a.wav", num_samples=SAMPLE_RATE // 2)
        add(store, "set/piano/b.wav", kind="copy")
        counts = summary_of(store)["duration_histogram"]["counts"]
    (index,) = np.flatnonzero(counts)
    assert DURATION_EDGES_S[index] <= 0.5 < DURATION_EDGES_S[index + 1]


@pytest.mark.parametrize("percent", [0, 5, 50, 95, 100])
def test_percentiles_are_those_of_the_values_counted(percent: float) -> None:
    values = np.random.default_rng(3).integers(-60, 0, 1001)
    bins, numbers = np.unique(values, return_counts=True)
    counts = dict(zip(bins.tolist(), numbers.tolist(), strict=True))
    assert percentile(counts, percent) == np.percentile(values, percent, method="inverted_cdf")


def test_percentiles_of_nothing_are_refused() -> None:
    with pytest.raises(ValueError, match="nothing is counted"):
        percentile({1: 0}, 50)


def test_names_of_pitches() -> None:
    assert [note_name(pitch) for pitch in (0, 21, 60, 69, 127)] == ["C-1", "A0", "C4", "A4", "G9"]


def describe(store: Store, **manifest: object) -> str:
    write_manifest(store, summary=summary_of(store), **manifest)
    return "\n".join(describe_store(store.manifest))


def test_it_is_said_in_sentences() -> None:
    with Store.open("store", "a") as store:
        record = add(store, "set/piano/a.wav", notes=C_MAJOR)
        add(store, "set/piano/a.wav+2", kind="copy")
        counts = {"pitch": {45: 1, 57: 8, 69: 1}, "voicing": {0: 30, 1: 10}}
        add_feature(store, record, "pitch", VALUES, counts=counts)
        add_feature(store, record, "loudness", VALUES, counts={"loudness_db": {-90: 1, -20: 8, -10: 1}})
        add_feature(store, record, "transcribed_notes", VALUES, counts={"transcribed_pitch": {62: 4}})
        text = describe(store, skipped=[{"source": "x", "reason": "y"}])
    assert "copies         0.001 h       1 files        1 chunks, train" in text
    assert "silence  " not in text
    assert "notes      3 in 1 files, C4 (60) to G4 (67); 5 / 50 / 95 %: C4, E4, G4" in text
    assert "heard      4 transcribed notes; 5 / 50 / 95 %: D4, D4, D4" in text
    assert "pitch      25% of the frames voiced; 5 / 50 / 95 %: A2, A3, A4" in text
    assert "loudness   5 / 50 / 95 %: -90, -20, -10 dB" in text
    assert "problems   1 skipped files, 0 warnings" in text


def test_old_manifests_and_empty_stores_are_described_too() -> None:
    count = {"hours": 1.0, "files": 2, "chunks": 3}
    summary = {
        "splits": {"train": count, "validation": count},
        "groups": {"piano": {"train": count, "validation": count}},
        "files_with_notes": 1,
        "notes": 1,
        "pitch_histogram": [0] * 60 + [1] + [0] * 67,
        "clipped_samples": 0,
        "dropped_s": 0.0,
    }
    lines = describe_store({"sample_rate": 44_100, "chunk_samples": 1024, "summary": summary})
    assert "problems   none" in lines
    assert not any(line.startswith(("advice", "feature", "loudness")) for line in lines)
    with Store.open("store", "a") as store:
        assert "groups     0" in describe(store)


def test_odd_splits_are_named() -> None:
    with Store.open("store", "a") as store:
        for name in ("piano/a", "piano/b", "flute/a"):
            add(store, f"set/{name}.wav")
        add(store, "set/drum/a.wav", split="validation")
        text = describe(store, settings={"split_by": "file"})
        assert "advice     1 group (drum) only in validation" in text
        assert "advice     1 group (flute) with a single file to train on" in text
        assert "only in validation" not in describe(store, settings={"split_by": "group"})
        for name in "vwxyz":
            add(store, f"set/{name}/a.wav")
        assert "6 groups (flute, v, w, ...) with a single file" in describe(store)


def test_a_name_that_is_not_utf_8_is_described() -> None:
    with Store.open("store", "a") as store:
        add(store, "set/pi\udce4no/a.wav")
        assert "pi\\udce4no" in describe(store)


@pytest.mark.bench
def test_many_sources_are_counted_in_seconds() -> None:
    with Store.open("store", "a") as store:
        loudness = {"loudness_db": {-db: 10 for db in range(60)}}
        pitch = {"pitch": {pitch: 5 for pitch in range(40, 80)}, "voicing": {0: 1, 1: 9}}
        for index in range(2_000):
            record = add(store, f"set/{index % 50}/{index}.wav", num_samples=100, notes=C_MAJOR)
            add_feature(store, record, "loudness", VALUES[:, :1], counts=loudness)
            add_feature(store, record, "pitch", VALUES[:, :1], counts=pitch)
        records = store.sources()
        started_s = time.perf_counter()
        summarize(store, records, SAMPLE_RATE)
        assert (time.perf_counter() - started_s) / len(records) < 0.0003
