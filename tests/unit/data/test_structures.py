"""Structure for training: frames of what the store has, where they belong."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from after.conditioning.pitch_loudness import pitch_loudness
from after.data.loading.excerpts import Excerpts, ExcerptSettings
from after.data.loading.structures import structure_reader
from after.data.prepare.run import prepare
from after.data.prepare.settings import PrepareJob
from after.data.store import Store
from after.errors import DataError
from tests.unit.data.audio_folder import save, sine

HOP, FRAMES = 1024, 16
RATE = 44_100 / HOP
DRAWN = ExcerptSettings(
    latents_name="latents/test", crop_frames=5, timbre_frames=4, frame_rate=RATE, structure="pitch_loudness"
)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        save(f"set/piano/{name}.wav", sine(300.0, 2 * FRAMES / RATE))
    prepare(
        PrepareJob(inputs=(Path("set"),), out=Path("store"), workers=0),
        {"chunk_samples": FRAMES * HOP, "validation": 0.0, "min_seconds": 0.1},
    )
    with Store.open("store", "a") as opened:
        for number, key in enumerate(opened.keys("train")):
            frame = np.arange(FRAMES) + FRAMES * number
            arrays = {
                "latents/test": np.stack([frame, frame], axis=1).astype(np.float16),
                "pitch": np.stack([440.0 * 2 ** (frame / 120), np.full(FRAMES, 0.9)]).astype(np.float32),
                "loudness": (-60.0 + frame).astype(np.float32),
            }
            opened.update(key, arrays)
        yield opened


def test_pitch_and_loudness_are_those_of_the_same_frames_as_the_latents(store: Store) -> None:
    batch = Excerpts(store, "train", DRAWN).batch(0, 30)
    for latents, structure in zip(batch.latents, batch.structure, strict=True):
        frame = latents[:, 0].numpy()
        expected = pitch_loudness(
            (440.0 * 2 ** (frame / 120)).astype(np.float32), np.full(5, 0.9, np.float32), -60.0 + frame
        )
        np.testing.assert_allclose(structure.numpy(), expected.T, atol=1e-5)


def test_frames_beyond_a_chunk_are_silent(store: Store) -> None:
    reader = structure_reader("pitch_loudness", latents_name="latents/test", frame_rate=RATE)
    frames = reader.read(store, store.keys("train")[0], FRAMES - 2, 5)
    assert frames.shape == (5, 130)
    assert frames[:2].any(axis=1).all()
    assert not frames[2:].any()


def test_learned_structure_is_made_of_the_latents(store: Store) -> None:
    settings = ExcerptSettings(
        latents_name="latents/test", crop_frames=5, timbre_frames=4, frame_rate=RATE, structure="learned"
    )
    batch = Excerpts(store, "train", settings).batch(0, 8)
    assert (batch.structure == batch.latents).all()


def test_pitches_come_from_the_pitch_track_where_there_are_no_notes(store: Store) -> None:
    settings = ExcerptSettings(
        latents_name="latents/test",
        crop_frames=5,
        timbre_frames=4,
        frame_rate=RATE,
        structure="learned",
        with_pitches=True,
    )
    batch = Excerpts(store, "train", settings).batch(0, 20)
    for latents, shares in zip(batch.timbre_latents, batch.timbre_pitches, strict=True):
        pitch = 69 + latents[:, 0].numpy() / 10
        near = {int(p) % 12 for p in np.concatenate([np.floor(pitch), np.ceil(pitch)])}
        assert set(np.flatnonzero(shares[:12].numpy() > 1e-3)) <= near
        assert shares[:12].sum() == pytest.approx(1.0, abs=1e-4)


def test_a_store_without_what_it_takes_is_refused(store: Store) -> None:
    settings = ExcerptSettings(latents_name="latents/test", crop_frames=5, timbre_frames=4, frame_rate=RATE)
    with pytest.raises(DataError, match=r"no train recordings with notes.*--feature transcription"):
        Excerpts(store, "train", settings)
    with pytest.raises(DataError, match=r"no validation pitch_loudness recordings: .*--feature pitch,loudness"):
        Excerpts(store, "validation", DRAWN)
