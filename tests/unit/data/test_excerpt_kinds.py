"""Copies give timbres and are drawn from; silence is drawn but gives no timbre; validation takes recordings only."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from after.data.loading.excerpts import Batch, Excerpts, ExcerptSettings
from after.data.prepare.run import prepare
from after.data.prepare.settings import PrepareJob
from after.data.records import SourceRecord
from after.data.store import Store
from after.midi import Note, write_midi
from tests.unit.data.audio_folder import save, sine

HOP, CHUNK_FRAMES = 1024, 16
RATE = 44_100 / HOP
DRAWN = ExcerptSettings(latents_name="latents/test", crop_frames=6, timbre_frames=4, frame_rate=RATE)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("kinds")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for index, name in enumerate(("piano/a", "piano/b", "flute/c")):
            save(f"set/{name}.wav", sine(300.0 + 50 * index, 40 / RATE))
            write_midi(f"set/{name}.mid", [Note(0.0, 60 + index, 100, 40 / RATE)])
        prepare(
            PrepareJob(inputs=(Path("set"),), out=Path("store"), workers=0),
            {
                "chunk_samples": CHUNK_FRAMES * HOP,
                "validation": 0.0,
                "min_seconds": 0.1,
                "copies": 2,
                "silent_share": 0.5,
            },
        )
        with Store.open("store", "a") as opened:
            for number, record in enumerate(opened.sources()):
                for index, key in enumerate(record.chunk_keys()):
                    rows = np.stack([np.full(CHUNK_FRAMES, number), np.full(CHUNK_FRAMES, index)], axis=1)
                    opened.update(key, {"latents/test": rows.astype(np.float16)})
    with Store.open(folder / "store") as opened:
        yield opened


def pairs(store: Store, batch: Batch) -> list[tuple[SourceRecord, SourceRecord]]:
    """Where each item and its timbre excerpt come from."""
    records = store.sources()
    numbers = zip(batch.latents[:, 0, 0].tolist(), batch.timbre_latents[:, 0, 0].tolist(), strict=True)
    return [(records[int(item)], records[int(timbre)]) for item, timbre in numbers]


def test_every_kind_is_drawn_and_silence_never_gives_a_timbre(store: Store) -> None:
    found = pairs(store, Excerpts(store, "train", DRAWN).batch(0, 400))
    assert {item.kind for item, _ in found} == {"recording", "copy", "silence"}
    assert {timbre.kind for _, timbre in found} == {"recording", "copy"}
    assert all(item.group == timbre.group for item, timbre in found)


def test_the_timbre_is_of_another_recording_or_its_copy(store: Store) -> None:
    for item, timbre in pairs(store, Excerpts(store, "train", DRAWN).batch(0, 300)):
        if item.group == "piano" and item.kind != "silence":
            assert (timbre.original or timbre.source) != (item.original or item.source)


def test_silence_has_an_empty_structure(store: Store) -> None:
    batch = Excerpts(store, "train", DRAWN).batch(0, 300)
    for (item, _), structure in zip(pairs(store, batch), batch.structure, strict=True):
        assert bool(structure.any()) is (item.kind != "silence")


def test_a_timbre_of_the_same_file_comes_from_another_chunk_or_a_copy_of_it(store: Store) -> None:
    settings = ExcerptSettings(
        latents_name="latents/test", crop_frames=6, timbre_frames=4, frame_rate=RATE, timbre_from="file"
    )
    batch = Excerpts(store, "train", settings).batch(0, 300)
    for row, (item, timbre) in enumerate(pairs(store, batch)):
        if item.kind != "silence":
            assert (timbre.original or timbre.source) == (item.original or item.source)
            places = [(record.source, int(rows[row, 0, 1])) for record, rows in
                      ((item, batch.latents), (timbre, batch.timbre_latents))]  # fmt: skip
            assert places[0] != places[1]


def test_only_recordings_where_only_they_are_wanted(store: Store) -> None:
    settings = ExcerptSettings(
        latents_name="latents/test", crop_frames=6, timbre_frames=4, frame_rate=RATE, kinds=("recording",)
    )
    excerpts = Excerpts(store, "train", settings)
    assert {item.kind for item, _ in pairs(store, excerpts.batch(0, 200))} == {"recording"}
    records = store.sources()
    drawn = excerpts.timbre_excerpts("piano", 30)
    assert {records[int(number)].kind for number in drawn[:, 0, 0].tolist()} == {"recording"}


def test_a_group_of_which_only_silence_can_be_drawn_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("piano/a", "piano/b", "harp/c"):
        save(f"set/{name}.wav", sine(300.0, 20 / RATE))
    for name in ("a", "b"):
        write_midi(f"set/piano/{name}.mid", [Note(0.0, 60, 100, 20 / RATE)])
    prepare(
        PrepareJob(inputs=(Path("set"),), out=Path("store"), workers=0),
        {"chunk_samples": CHUNK_FRAMES * HOP, "validation": 0.0, "min_seconds": 0.1, "silent_share": 0.5},
    )
    with Store.open("store", "a") as opened:
        for key in opened.keys("train"):
            opened.update(key, {"latents/test": np.zeros((CHUNK_FRAMES, 2), np.float16)})
        excerpts = Excerpts(opened, "train", DRAWN)
        assert list(excerpts.groups) == ["piano"]
        assert excerpts.batch(0, 20).latents.shape == (20, 6, 2)


def test_a_transcription_stands_in_where_there_is_no_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a", "b"):
        save(f"set/piano/{name}.wav", sine(300.0, 20 / RATE))
    prepare(
        PrepareJob(inputs=(Path("set"),), out=Path("store"), workers=0),
        {"chunk_samples": CHUNK_FRAMES * HOP, "validation": 0.0, "min_seconds": 0.1},
    )
    with Store.open("store", "a") as opened:
        for key in opened.keys("train"):
            heard = np.array([[0.0, 16 / RATE, 62.0, 127.0]], np.float32)
            latents = np.zeros((CHUNK_FRAMES, 2), np.float16)
            opened.update(key, {"latents/test": latents, "transcribed_notes": heard})
        structure = Excerpts(opened, "train", DRAWN).batch(0, 4).structure
    assert (structure[:, :, 62] == 1.0).all()
    assert structure[:, :, :128].sum() == 4 * 6
