"""Latents as a feature: those of the whole recording, however it is cut, with the codec that is bundled."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from after.audio import write_audio
from after.codec.load import BUNDLED_CODEC, load_codec
from after.data.extract.latents import LatentsSettings, codec_hash, encode_store
from after.data.extract.run import extract_missing
from after.data.pool.choose import Workforce
from after.data.prepare.run import prepare
from after.data.prepare.settings import PrepareJob
from after.data.store import Store
from after.errors import CheckpointError, DataError
from tests.unit.data.extract.recordings import as_stored, chirp, chunks_of, click, stored

HOP = 1024
CHUNK = 8 * HOP
SETTINGS = LatentsSettings(codec_path=str(BUNDLED_CODEC), device="cpu")


def whole(audio: NDArray[np.float64]) -> NDArray[np.float32]:
    codec, _ = load_codec(BUNDLED_CODEC)
    padded = np.zeros(-(-audio.size // CHUNK) * CHUNK, dtype=np.float32)
    padded[: audio.size] = as_stored(audio)
    with torch.inference_mode():
        rows: NDArray[np.float32] = codec.encode(torch.from_numpy(padded)[None, None])[0].T.numpy()
    return rows


def test_chunks_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    audio = chirp(1.3, 110.0, 1.0) + np.random.default_rng(0).normal(0, 0.01, 57_330)
    expected = whole(audio)
    for frames, block in ((8, 8), (1, 3), (8, 24), (56, 1)):
        monkeypatch.setattr("after.data.extract.latents._BLOCK_SAMPLES", block * HOP)
        chunks = chunks_of(SETTINGS, audio, frames * HOP)
        assert all(chunk.shape == (frames, 96) and chunk.dtype == np.float16 for chunk in chunks)
        rows = np.concatenate(chunks).astype(np.float32)
        np.testing.assert_allclose(rows, expected[: len(rows)], rtol=6e-4, atol=6e-4)  # float16 has 11 bits


@pytest.mark.parametrize("at", [CHUNK - 300, CHUNK + 200, 2 * CHUNK + 3 * HOP + 512])
def test_a_click_stands_in_its_frame(at: int) -> None:
    audio = np.zeros(4 * CHUNK)
    click(audio, at)
    rows = np.concatenate(chunks_of(SETTINGS, audio, CHUNK)).astype(np.float32)
    changed = np.flatnonzero(np.abs(rows - rows[0]).max(axis=1) > 0.5)
    assert changed[0] - at // HOP in (0, 1)  # the newest 6 ms of a frame hardly count


def test_training_finds_the_same_values_under_the_same_name() -> None:
    codec, _ = load_codec(BUNDLED_CODEC)
    for name in ("a", "b"):
        write_audio(f"set/{name}.wav", chirp(1.1, 220.0, 0.5)[None], 44_100)
    prepare(PrepareJob(inputs=(Path("set"),), out=Path("store"), workers=0), {"chunk_samples": CHUNK, "validation": 0})
    with Store.open("store", "a") as store:
        extract_missing(store, [SETTINGS], workforce=Workforce(0), spool_folder=Path())
        store.features.forget(store.sources()[1:], SETTINGS.name)
        store.update(store.sources()[1].chunk_key(0), {SETTINGS.name: np.zeros((8, 96), np.float16)})
        assert encode_store(store, codec) == SETTINGS.name == f"latents/{codec_hash(codec)}"
    with Store.open("store") as store:
        first, second = ([store.read(key)[SETTINGS.name] for key in record.chunk_keys()] for record in store.sources())
        np.testing.assert_array_equal(first, second)
        for record in store.sources():
            feature = store.features.get(record, SETTINGS.name)
            assert feature is not None
            assert feature.settings == SETTINGS.to_manifest()


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="hop length 1024: prepare"):
        next(SETTINGS.build().extract(stored(np.zeros(100), 1000)))
    with pytest.raises(DataError, match="48000 Hz, the codec runs at 44100 Hz"):
        next(SETTINGS.build().extract(stored(np.zeros(100), CHUNK, sample_rate=48_000)))
    with pytest.raises(CheckpointError, match="missing"):
        LatentsSettings(codec_path="nowhere.safetensors").build()


def test_the_device_decides_no_values() -> None:
    assert LatentsSettings(codec_path=str(BUNDLED_CODEC)).to_manifest() == SETTINGS.to_manifest()
    assert SETTINGS.build().count({SETTINGS.name: np.zeros((8, 96), np.float16)}, 100) == {}
