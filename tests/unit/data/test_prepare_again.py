"""prepare: a second run takes what is new or changed, and keeps the rest."""

from pathlib import Path

import numpy as np
import pytest

from after.data.store import Store
from after.errors import DataError
from after.midi import Note, write_midi
from tests.unit.data.audio_folder import fundamental_hz, save, save_set, sine
from tests.unit.data.preparing import CHUNK_SAMPLES, audio_of, dump, run


def test_a_second_run_does_nothing_and_new_or_changed_files_are_taken() -> None:
    save_set("set", {"piano/a.wav": 1.0, "piano/b.wav": 1.0})
    assert run("set").stored == 2
    before = dump("store")
    assert (run("set").stored, run("set").unchanged) == (0, 2)
    assert dump("store") == before
    save("set/piano/b.wav", sine(900, 1.2))
    save("set/flute/c.wav", sine(500, 1.0))
    report = run("set")
    assert (report.stored, report.unchanged) == (2, 1)
    with Store.open("store") as store:
        assert [record.source for record in store.sources()] == [
            "set/flute/c.wav",
            "set/piano/a.wav",
            "set/piano/b.wav",
        ]
        assert fundamental_hz(audio_of(store, "set/piano/b.wav")[:40_000], 44_100) == pytest.approx(900, abs=0.5)
    run("set", out="fresh")
    assert {k for k in dump("store") if b"source/" not in k} == {k for k in dump("fresh") if b"source/" not in k}


def test_a_touched_file_is_not_decoded_again_and_its_features_stay() -> None:
    (path,) = save_set("set", {"piano/a.wav": 1.0}).rglob("*.wav")
    run("set")
    with Store.open("store", "a") as store:
        store.update(store.keys()[0], {"latents/x": np.ones((2, 3), np.float32)})
    path.touch()
    report = run("set")
    assert (report.stored, report.unchanged) == (0, 1)
    with Store.open("store") as store:
        assert store.has(store.keys()[0], "latents/x")
        assert store.sources()[0].audio.mtime_ns == path.stat().st_mtime_ns


def test_midi_added_later_is_taken() -> None:
    save_set("set", {"piano/a.wav": 1.0})
    run("set")
    write_midi("set/piano/a.mid", [Note(0.1, 60, 100, 0.2)])
    assert run("set").stored == 1
    with Store.open("store") as store:
        assert store.names(store.keys()[0]) == ["audio", "notes"]


def test_a_bad_file_that_is_repaired_or_deleted_leaves_the_list() -> None:
    save_set("set", {"piano/a.wav": 1.0})
    Path("set/piano/b.wav").write_bytes(b"?")
    Path("set/piano/c.wav").write_bytes(b"?")
    assert len(run("set").manifest["skipped"]) == 2
    save("set/piano/b.wav", sine(300, 1.0))
    Path("set/piano/c.wav").unlink()
    assert run("set").manifest["skipped"] == []


def test_other_settings_are_refused_and_omitted_ones_are_remembered() -> None:
    save_set("set", {"piano/a.wav": 1.0, "piano/b.wav": 1.0})
    run("set", sample_rate=48_000, validation=0.5)
    with pytest.raises(DataError, match=r"sample_rate = 48000, not 44100.*--out"):
        run("set", sample_rate=44_100)
    with pytest.raises(DataError, match="chunk_samples"):
        run("set", chunk_samples=2 * CHUNK_SAMPLES)
    assert run("set").manifest["sample_rate"] == 48_000
    assert run("set").manifest["settings"]["validation"] == 0.5
