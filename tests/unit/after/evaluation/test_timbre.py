import json

import numpy as np
import pytest

from after.audio import write_audio
from after.errors import DataError
from after.evaluation.centroids import (
    compute_centroids,
    describe_recording,
    list_instruments,
    load_centroids,
    references_for_phrase,
    save_centroids,
)
from after.evaluation.timbre import TimbreReferences, build_references

RATE = 44100


def tone(falloff, hz=220.0, level=0.1):
    seconds = np.arange(RATE // 2) / RATE
    return level * sum(np.sin(2 * np.pi * hz * k * seconds) * k**-falloff for k in range(1, 20))[None]


@pytest.fixture
def folder(tmp_path):
    for name, falloff in (("bright", 0.5), ("dark", 3.0)):
        for stem, hz in (("low", 200.0), ("high", 300.0)):
            write_audio(tmp_path / "real" / name / f"{stem}.wav", tone(falloff, hz), RATE)
    return tmp_path / "real"


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_nearest_of_two_points(metric):
    references = TimbreReferences(
        ("left", "right"), np.array([[-1.0, 0.0], [1.0, 0.0]], dtype=np.float32), np.array([1.0, 2.0], dtype=np.float32)
    )
    assert references.rank(np.array([0.5, 0.1], dtype=np.float32), metric=metric) == ["right", "left"]
    assert references.rank(np.array([np.nan, 0.0], dtype=np.float32), metric=metric) == []


def test_scale_is_the_spread_within_instruments():
    a, b = ([np.array(v, dtype=np.float32) for v in values] for values in ([[0, 0], [2, 0]], [[10, 5], [12, 5]]))
    references = build_references({"a": a, "b": b})
    np.testing.assert_allclose(references.statistics, [[1, 0], [11, 5]])
    assert references.scale[0] == pytest.approx(np.sqrt(2))  # pooled, two degrees of freedom
    assert references.scale[1] > 0


def test_silent_recordings_are_no_reference():
    with pytest.raises(DataError, match="no audible recording of b"):
        build_references({"a": [np.ones(2, dtype=np.float32)], "b": [np.full(2, np.nan, dtype=np.float32)]})
    with pytest.raises(DataError):
        build_references({})


def test_centroids_find_the_instrument_and_survive_the_file(folder, tmp_path):
    references = compute_centroids(folder)
    save_centroids(tmp_path / "c.json", references)
    loaded = load_centroids(tmp_path / "c.json")
    assert loaded.names == ("bright", "dark")
    np.testing.assert_allclose(loaded.statistics, references.statistics, atol=1e-3)
    write_audio(tmp_path / "new.wav", tone(2.5, 260.0, level=0.01), RATE)
    assert loaded.rank(describe_recording(tmp_path / "new.wav"))[0] == "dark"


def test_references_for_one_phrase(folder):
    recordings = list_instruments(folder)
    assert references_for_phrase(recordings, "high").names == ("bright", "dark")
    assert references_for_phrase(recordings, "unknown") is None


@pytest.mark.parametrize("text", ["", "{}", "[]", json.dumps({"format": "after timbre centroids", "version": 9})])
def test_other_files_are_refused(tmp_path, text):
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(DataError, match="not a file of timbre centroids"):
        load_centroids(tmp_path / "c.json")


def test_missing_places_are_named(tmp_path):
    with pytest.raises(DataError, match="--make-centroids"):
        load_centroids(tmp_path / "none.json")
    with pytest.raises(DataError, match="not a folder"):
        compute_centroids(tmp_path / "none")
    with pytest.raises(DataError, match="no sub-folder"):
        compute_centroids(tmp_path)
