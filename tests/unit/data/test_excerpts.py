"""Training items: latents that say where they come from, under the notes of that place, beside another file's."""

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from after.conditioning.roll import piano_roll
from after.data.loading.excerpts import Batch, Excerpts, ExcerptSettings
from after.data.prepare.run import prepare
from after.data.prepare.settings import PrepareJob
from after.data.store import Split, Store
from after.errors import DataError
from after.midi import Note, write_midi
from tests.unit.data.audio_folder import save, sine

HOP = 1_024
RATE = 44_100 / HOP
CHUNK_FRAMES, CROP_FRAMES, TIMBRE_FRAMES = 16, 6, 4
FILES = {
    "piano/a": 40.5,
    "piano/b": 33.0,
    "piano/c": 18.0,
    "piano/d": 25.0,
    "flute/e": 30.0,
    "flute/f": 50.0,
    "flute/g": 20.0,
    "harp/h": 21.0,
}
"""Names and lengths in frames; the first of a chunk's latents tells the file, the second its frame."""


def notes_of(name: str, length_frames: float) -> list[Note]:
    rng = np.random.default_rng(list(name.encode()))
    onsets_s = np.sort(rng.uniform(0, length_frames / RATE, 12))
    return [Note(float(t), 30 + 5 * k, int(rng.integers(1, 128)), 0.2) for k, t in enumerate(onsets_s)]


def make_store(files: Mapping[str, float], *, midi: bool = True, validation: float = 0.0) -> None:
    for index, (name, length_frames) in enumerate(files.items()):
        save(f"set/{name}.wav", sine(300 + 20 * index, length_frames / RATE))
        if midi:
            write_midi(f"set/{name}.mid", notes_of(name, length_frames))
    prepare(
        PrepareJob(inputs=(Path("set"),), out=Path("store"), workers=0),
        {"chunk_samples": CHUNK_FRAMES * HOP, "validation": validation, "min_seconds": 0.05},
    )
    with Store.open("store", "a") as store:
        for number, record in enumerate(store.sources()):
            for index, key in enumerate(record.chunk_keys()):
                frames = index * CHUNK_FRAMES + np.arange(CHUNK_FRAMES)
                rows = np.stack([np.full(CHUNK_FRAMES, number), frames], axis=1).astype(np.float16)
                store.update(key, {"latents/test": rows})


def read(store: Store, split: Split = "train", **changed: Any) -> Excerpts:
    drawn = ExcerptSettings(
        latents_name="latents/test", frame_rate=RATE, crop_frames=CROP_FRAMES, timbre_frames=TIMBRE_FRAMES
    )
    return Excerpts(store, split, replace(drawn, **changed))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("excerpts")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_store(FILES)
    with Store.open(folder / "store") as opened:
        yield opened


@pytest.fixture
def batch(store: Store) -> Batch:
    return read(store).batch(0, 300)


def test_shapes(store: Store) -> None:
    batch = read(store).batch(0, 5)
    assert batch.latents.shape == (5, CROP_FRAMES, 2)
    assert batch.structure.shape == (5, CROP_FRAMES, 256)
    assert batch.timbre_latents.shape == (5, TIMBRE_FRAMES, 2)
    assert batch.group.shape == (5,)
    assert batch.timbre_pitches.shape == (5, 23)
    floats = (batch.latents, batch.structure, batch.timbre_latents, batch.timbre_pitches)
    assert {part.dtype for part in floats} == {torch.float32}


def test_an_excerpt_is_a_run_of_frames_inside_one_file(store: Store, batch: Batch) -> None:
    lengths = [int(np.ceil(record.num_samples / HOP - 1e-3)) for record in store.sources()]
    for excerpts, num_frames in ((batch.latents, CROP_FRAMES), (batch.timbre_latents, TIMBRE_FRAMES)):
        number, frames = excerpts.numpy()[..., 0], excerpts.numpy()[..., 1]
        assert (number == number[:, :1]).all()
        assert (np.diff(frames, axis=1) == 1).all()
        for item in range(len(number)):
            first, length = int(frames[item, 0]), lengths[int(number[item, 0])]
            left = length - first // CHUNK_FRAMES * CHUNK_FRAMES
            # a remainder shorter than the excerpt is taken from its start, with the silence after it
            assert first + num_frames <= length or (left < num_frames and first % CHUNK_FRAMES == 0)


def test_every_place_is_drawn(store: Store, batch: Batch) -> None:
    drawn = {(int(number), int(frame)) for number, frame in read(store).batch(1, 4000).latents[:, 0].tolist()}
    assert {number for number, _ in drawn} == set(range(len(FILES)))
    first_chunk = {frame for number, frame in drawn if number == 0 and frame < CHUNK_FRAMES}
    assert first_chunk == set(range(CHUNK_FRAMES - CROP_FRAMES + 1))


def test_the_structure_is_the_notes_of_that_place(store: Store, batch: Batch) -> None:
    """The piano roll of the whole file, cut there; only the start of a chunk may differ in nothing either."""
    sources = [record.source for record in store.sources()]
    for latents, structure in zip(batch.latents, batch.structure, strict=True):
        name = sources[int(latents[0, 0])].removeprefix("set/").removesuffix(".wav")
        rows = [(n.onset_s, n.duration_s, n.pitch, n.velocity) for n in notes_of(name, FILES[name])]
        whole = piano_roll(np.array(rows, dtype=np.float32), 80, frame_rate=RATE)
        start = int(latents[0, 1])
        stop = min(start + CROP_FRAMES, (start // CHUNK_FRAMES + 1) * CHUNK_FRAMES)
        np.testing.assert_allclose(structure.numpy()[: stop - start], whole[:, start:stop].T, atol=2e-3)


def groups_of(store: Store, excerpts: torch.Tensor) -> list[tuple[str, str]]:
    records = store.sources()
    return [(records[int(n)].group, records[int(n)].source) for n in excerpts[:, 0, 0].tolist()]


def test_the_timbre_is_of_another_file_of_the_same_group(store: Store, batch: Batch) -> None:
    for (group, source), (other_group, other) in zip(
        groups_of(store, batch.latents), groups_of(store, batch.timbre_latents), strict=True
    ):
        assert other_group == group
        assert (other == source) is (group == "harp")


def test_a_short_file_beside_a_long_one_still_gives_the_timbre() -> None:
    make_store({"piano/long": 400.0, "piano/short": 10.0})
    with Store.open("store") as store:
        batch = read(store).batch(0, 60)
        for (_, source), (_, other) in zip(
            groups_of(store, batch.latents), groups_of(store, batch.timbre_latents), strict=True
        ):
            assert source != other


def test_groups_are_drawn_equally_often(store: Store, batch: Batch) -> None:
    counts = np.unique([group for group, _ in groups_of(store, batch.latents)], return_counts=True)[1]
    assert len(counts) == 3
    assert counts.min() > 65


def assert_equal(first: Batch, second: Batch) -> None:
    for field in fields(Batch):
        assert torch.equal(getattr(first, field.name), getattr(second, field.name))


def test_a_batch_numbers_the_recordings_it_draws_from(store: Store, batch: Batch) -> None:
    for numbers, latents in ((batch.origin, batch.latents), (batch.source, batch.timbre_latents)):
        pairs = {(int(number), int(row[0, 0])) for number, row in zip(numbers, latents, strict=True)}
        assert len(pairs) == len({first for first, _ in pairs}) == len({second for _, second in pairs})


def test_the_only_recording_of_a_group_gives_the_timbre_from_another_chunk(store: Store, batch: Batch) -> None:
    for (group, _), latents, timbre in zip(
        groups_of(store, batch.latents), batch.latents, batch.timbre_latents, strict=True
    ):
        if group == "harp":
            assert int(latents[0, 1]) // CHUNK_FRAMES != int(timbre[0, 1]) // CHUNK_FRAMES


def test_a_batch_names_the_groups_of_its_items(store: Store, batch: Batch) -> None:
    names = read(store).groups
    assert [names[int(group)] for group in batch.group] == [group for group, _ in groups_of(store, batch.latents)]


def test_pitches_are_those_that_sound_where_the_timbre_comes_from(store: Store) -> None:
    batch = read(store, with_pitches=True).batch(0, 40)
    sources = [record.source for record in store.sources()]
    for latents, shares in zip(batch.timbre_latents, batch.timbre_pitches, strict=True):
        name = sources[int(latents[0, 0])].removeprefix("set/").removesuffix(".wav")
        rows = [(n.onset_s, n.duration_s, n.pitch, n.velocity) for n in notes_of(name, FILES[name])]
        start_s = float(latents[0, 1]) / RATE
        roll = piano_roll(np.array(rows, dtype=np.float32), TIMBRE_FRAMES, frame_rate=RATE, start_s=start_s)[:128]
        heard = {pitch % 12 for pitch in np.flatnonzero(roll.any(axis=1))}
        # a note may begin or end between this chunk and the next
        if int(latents[0, 1]) % CHUNK_FRAMES + TIMBRE_FRAMES < CHUNK_FRAMES:
            assert set(np.flatnonzero(shares[:12].numpy() > 1e-6)) == heard
    assert not read(store).batch(0, 40).timbre_pitches.any()


def test_a_batch_depends_on_seed_and_iteration_alone(store: Store) -> None:
    excerpts, again = read(store), read(store)
    excerpts.batch(3, 4)
    assert_equal(excerpts.batch(7, 4, seed=1), again.batch(7, 4, seed=1))
    for other in (again.batch(8, 4, seed=1), again.batch(7, 4, seed=2)):
        assert not torch.equal(other.latents, again.batch(7, 4, seed=1).latents)


def test_processes_draw_their_shares_of_one_batch(store: Store) -> None:
    excerpts = read(store)
    shares = [excerpts.batch(7, 6, seed=1, items=items) for items in (range(0, 2), range(2, 6))]
    joined = (torch.cat([getattr(share, field.name) for share in shares]) for field in fields(Batch))
    assert_equal(Batch(*joined), excerpts.batch(7, 6, seed=1))


def test_splits_do_not_mix() -> None:
    make_store({f"piano/{k}": 20.0 for k in range(6)}, validation=0.4)
    with Store.open("store") as store:
        split_of = {record.source: record.split for record in store.sources()}
        assert set(split_of.values()) == {"train", "validation"}
        for split in ("train", "validation"):
            batch = read(store, split).batch(0, 50)
            for excerpts in (batch.latents, batch.timbre_latents):
                assert {split_of[source] for _, source in groups_of(store, excerpts)} == {split}


def test_timbre_excerpts_come_from_one_group(store: Store) -> None:
    excerpts = read(store).timbre_excerpts("flute", 7, seed=3)
    assert excerpts.shape == (7, TIMBRE_FRAMES, 2)
    assert {group for group, _ in groups_of(store, excerpts)} == {"flute"}
    assert len({source for _, source in groups_of(store, excerpts)}) > 1
    assert torch.equal(excerpts, read(store).timbre_excerpts("flute", 7, seed=3))


def test_what_cannot_be_drawn_is_refused(store: Store) -> None:
    with pytest.raises(DataError, match=r"17 and 4 frames do not fit into chunks of 16.*--chunk-seconds"):
        read(store, crop_frames=CHUNK_FRAMES + 1)
    with pytest.raises(DataError, match=r"6 and 20 frames do not fit"):
        read(store, timbre_frames=20)
    with pytest.raises(DataError, match="no validation recordings with notes"):
        read(store, "validation")
    with pytest.raises(DataError, match="no array 'latents/none'"):
        read(store, latents_name="latents/none")


def test_audio_without_notes_is_refused() -> None:
    make_store({"piano/a": 20.0, "piano/b": 20.0}, midi=False)
    with Store.open("store") as store, pytest.raises(DataError, match="with MIDI beside the audio"):
        read(store)
