"""All features of a store, from end to end: in this process or in others, and one by one again."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from after.codec.load import BUNDLED_CODEC
from after.data.extract.contract import FeatureSettings
from after.data.extract.registry import build_settings, feature_names
from after.data.extract.run import check_features, extract_missing, missing_features
from after.data.pool.choose import Workforce
from after.data.store import Store
from after.errors import ConfigError, DataError
from tests.unit.data.audio_folder import save
from tests.unit.data.extract.recordings import RATE, chirp
from tests.unit.data.preparing import CHUNK_SAMPLES, dump, run

OPTIONS: dict[str, dict[str, object]] = {
    "latents": {"codec_path": str(BUNDLED_CODEC), "device": "cpu"},
    "loudness": {"window_length": 3000},
    "pitch": {"hop_length": 512},
    "transcription": {"min_note_ms": 60.0},
}


def features() -> list[FeatureSettings]:
    return [build_settings(name, OPTIONS[name]) for name in feature_names()]


def make_store(out: str = "store") -> None:
    if not Path("set").exists():
        save("set/a/short.wav", chirp(0.6, 200.0, 0.5))
        save("set/a/long.flac", chirp(2.5, 100.0, 0.8))
        save("set/b/quiet.wav", 0.01 * chirp(CHUNK_SAMPLES / RATE, 440.0, 0.0))
    run("set", out=out)


def extract(workers: int, path: str = "store") -> int:
    Path("spool").mkdir(exist_ok=True)
    with Store.open(path, "a") as store:
        check_features(store, features())
        report = extract_missing(store, features(), workforce=Workforce(workers), spool_folder=Path("spool"))
    assert report.crashed == ()
    assert not list(Path("spool").iterdir())
    return report.num_recordings


def test_a_worker_process_writes_the_same_bytes() -> None:
    make_store("here")
    make_store("there")
    assert extract(0, "here") == extract(1, "there") == 3
    assert dump("here") == dump("there")
    assert extract(0, "here") == extract(1, "there") == 0


def test_every_chunk_has_every_array_on_its_grid() -> None:
    make_store()
    extract(0)
    latents = features()[0].name
    with Store.open("store") as store:
        keys = store.keys()
        for key in keys:
            arrays = store.read(key)
            assert set(arrays) == {"audio", latents, "loudness", "pitch", "transcribed_notes"}
            assert arrays[latents].shape == (CHUNK_SAMPLES // 1024, 96)
            assert arrays["loudness"].shape == (CHUNK_SAMPLES // 1024,)
            assert arrays["pitch"].shape == (2, CHUNK_SAMPLES // 512)
            assert arrays["transcribed_notes"].shape[1:] == (4,)
        for record in store.sources():
            counts = {name: numbers for part in store.features.of(record) for name, numbers in part.counts.items()}
            assert set(counts) <= {"loudness_db", "pitch", "voicing", "transcribed_pitch"}
            assert sum(counts["loudness_db"].values()) == -(-record.stored_samples // 1024)
            assert sum(counts["voicing"].values()) == -(-record.stored_samples // 512)


def test_one_feature_again_leaves_the_others_alone() -> None:
    make_store()
    extract(0)
    before = dump("store")
    with Store.open("store", "a") as store:
        store.features.forget(store.sources(), "loudness")
        zeros = {"loudness": np.zeros(3, np.float32)}
        store.write_many((key, zeros) for record in store.sources() for key in record.chunk_keys())
        missing = missing_features(store, features())
        assert [[feature.name for feature in some] for _, some in missing] == [["loudness"]] * 3
    changed = dump("store")
    assert {key for key in before if before[key] != changed.get(key)} == {
        key for key in before if b"loudness" in key and key[:1] in b"af"
    }
    assert extract(0) == 3
    assert dump("store") == before


def test_other_settings_are_refused() -> None:
    make_store()
    extract(0)
    with Store.open("store", "a") as store, pytest.raises(DataError, match="hop_length = 512, not 1024"):
        check_features(store, [build_settings("pitch", {"device": "auto"})])


def test_names_and_options_are_checked() -> None:
    with pytest.raises(ConfigError, match="choose from latents, loudness, pitch, transcription"):
        build_settings("chroma", {})
    with pytest.raises(ConfigError, match="hop"):
        build_settings("loudness", {"hop": 3})
    with pytest.raises(ConfigError, match="size"):
        build_settings("pitch", {"size": "huge"})


def test_names_load_no_network() -> None:
    program = (
        "import sys; from after.data.extract.registry import build_settings; build_settings('loudness', {});"
        "print([name for name in ('torch', 'onnxruntime', 'pedalboard') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"
