"""Crops: a function of seed and iteration, from the right split, balanced, loud enough, within their file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from after.data.loading.crops import AudioCrops, CropSettings, item_seeds
from after.data.prepare.run import prepare
from after.data.prepare.settings import PrepareJob
from after.data.store import Store
from after.errors import DataError
from after.settings import AugmentSettings
from tests.unit.data.audio_folder import save, sine

CHUNK_SAMPLES = 16_384
CROP_SAMPLES = 4_096
UNCHANGED = AugmentSettings(
    gain_range_db=(0.0, 0.0),
    quiet_probability=0.0,
    polarity_probability=0.0,
    phase_probability=0.0,
    pitch_probability=0.0,
    mix_probability=0.0,
    silence_probability=0.0,
)


@pytest.fixture
def store() -> Store:
    """Two groups of unequal size, told apart by their level."""
    for index in range(8):
        save(f"set/many/{index}.wav", sine(300 + index, 2.0, level=0.5))
    save("set/few/a.wav", sine(500, 1.0, level=0.1))
    save("set/few/b.wav", sine(510, 1.0, level=0.1))
    prepare(
        PrepareJob(inputs=(Path("set"),), out=Path("store"), workers=0),
        {"chunk_samples": CHUNK_SAMPLES, "validation": 0.3},
    )
    with Store.open("store") as opened:
        yield opened


def test_a_batch_depends_on_seed_and_iteration_only(store: Store) -> None:
    crops, again = AudioCrops(store, "train", CROP_SAMPLES), AudioCrops(store, "train", CROP_SAMPLES)
    crops.batch(3, 4)
    batch = crops.batch(7, 4, seed=1)
    assert batch.shape == (4, 1, CROP_SAMPLES)
    assert batch.dtype == torch.float32
    torch.testing.assert_close(batch, again.batch(7, 4, seed=1), rtol=0, atol=0)
    for other in (
        again.batch(8, 4, seed=1),
        again.batch(7, 4, seed=2),
        AudioCrops(store, "validation", CROP_SAMPLES).batch(7, 4, seed=1),
    ):
        assert not torch.equal(batch, other)


def test_processes_draw_their_shares_of_one_batch(store: Store) -> None:
    crops = AudioCrops(store, "train", CROP_SAMPLES)
    shares = [crops.batch(7, 6, seed=1, items=items) for items in (range(0, 2), range(2, 6))]
    assert torch.equal(torch.cat(shares), crops.batch(7, 6, seed=1))
    assert torch.equal(crops.batch(7, 9, seed=1)[:6], torch.cat(shares))


def test_seeds_belong_to_items() -> None:
    seeds = item_seeds(1, 7, range(6))
    assert seeds.dtype == torch.int64
    assert torch.equal(torch.cat([item_seeds(1, 7, range(0, 2)), item_seeds(1, 7, range(2, 6))]), seeds)
    others = torch.cat([seeds, item_seeds(1, 8, range(6)), item_seeds(2, 7, range(6))])
    assert len(others.unique()) == 18
    assert 0 <= others.min() < others.max() < 2**32


def peaks(batch: torch.Tensor) -> torch.Tensor:
    return batch.abs().amax(dim=(1, 2))


def test_groups_are_drawn_equally_or_by_their_length(store: Store) -> None:
    is_few = peaks(AudioCrops(store, "train", CROP_SAMPLES).batch(0, 400)) < 0.2
    assert is_few.float().mean() == pytest.approx(0.5, abs=0.1)
    unbalanced = CropSettings(balance_groups=False)
    is_few = peaks(AudioCrops(store, "train", CROP_SAMPLES, unbalanced).batch(0, 400)) < 0.2
    assert is_few.float().mean() < 0.25


def test_gain_stays_in_its_range(store: Store) -> None:
    crops = AudioCrops(store, "train", CROP_SAMPLES, augment=replace(UNCHANGED, gain_range_db=(-12.0, -6.0)))
    gains_db = 20 * torch.log10(peaks(crops.batch(0, 200)))
    levels_db = torch.tensor([20 * np.log10(0.5), -20.0])
    offsets_db = torch.stack([gains_db - level_db for level_db in levels_db])
    fits = (offsets_db > -12.1) & (offsets_db < -5.9)
    assert fits.any(dim=0).all()
    assert offsets_db[0].max() - offsets_db[0].min() > 5


def test_silence_is_avoided_but_does_not_hang() -> None:
    tone = np.concatenate([np.zeros(44_100 * 3), sine(300, 1.0)])
    save("set/a/a.wav", tone)
    save("set/a/b.wav", tone)
    prepare(PrepareJob(inputs=(Path("set"),), out=Path("store"), workers=0), {"chunk_samples": CHUNK_SAMPLES})
    with Store.open("store") as store:
        patient = CropSettings(num_attempts=30)
        assert (peaks(AudioCrops(store, "train", CROP_SAMPLES, patient).batch(0, 50)) > 0.1).float().mean() > 0.95
        deaf = CropSettings(silence_db=0.0, num_attempts=2)
        assert AudioCrops(store, "train", CROP_SAMPLES, deaf).batch(0, 5).shape == (5, 1, CROP_SAMPLES)


def test_padding_is_not_drawn_where_there_is_enough_audio() -> None:
    for name in "ab":
        save(f"set/a/{name}.wav", np.full(CHUNK_SAMPLES + CHUNK_SAMPLES // 2, 0.5))
    prepare(
        PrepareJob(inputs=(Path("set"),), out=Path("store"), workers=0),
        {"chunk_samples": CHUNK_SAMPLES, "min_seconds": 0.1},
    )
    with Store.open("store") as store:
        assert (AudioCrops(store, "train", CROP_SAMPLES).batch(0, 100) == 0.5).all()


def test_fixed_crops_are_the_same_every_time_and_cover_the_groups(store: Store) -> None:
    crops = AudioCrops(store, "train", CROP_SAMPLES)
    first, again = list(crops.fixed(4, limit=6)), list(crops.fixed(4, limit=6))
    assert [batch.shape[0] for batch in first] == [4, 2]
    assert all(torch.equal(left, right) for left, right in zip(first, again, strict=True))
    assert len({round(float(peak), 1) for peak in peaks(first[0][:2])}) == 2
    assert sum(batch.shape[0] for batch in crops.fixed(4)) == len(store.keys("train"))


def test_what_cannot_be_drawn_is_refused(store: Store) -> None:
    with pytest.raises(DataError, match="--chunk-seconds"):
        AudioCrops(store, "train", CHUNK_SAMPLES + 1)
    save("one/a/a.wav", sine(300, 1.0))
    prepare(
        PrepareJob(inputs=(Path("one"),), out=Path("lonely"), workers=0),
        {"chunk_samples": CHUNK_SAMPLES, "min_seconds": 0.1},
    )
    with Store.open("lonely") as lonely, pytest.raises(DataError, match="no validation files"):
        AudioCrops(lonely, "validation", CROP_SAMPLES)


def test_augmentation_that_changes_nothing_gives_the_recording(store: Store) -> None:
    plain, augmented = (AudioCrops(store, "train", CROP_SAMPLES, augment=augment) for augment in (None, UNCHANGED))
    for crops in (plain, augmented):
        batch = crops.batch(0, 20)
        assert all(min(abs(peak - 0.5), abs(peak - 0.1)) < 1e-3 for peak in peaks(batch).tolist())
        spectrum = torch.fft.rfft(batch[:, 0] * torch.hann_window(CROP_SAMPLES)).abs()
        peak_hz = spectrum.argmax(dim=1) * 44_100 / CROP_SAMPLES
        assert ((peak_hz > 290) & (peak_hz < 520)).all()


def test_augmented_items_depend_on_seed_iteration_and_item_only(store: Store) -> None:
    crops, again = (AudioCrops(store, "train", CROP_SAMPLES, augment=AugmentSettings()) for _ in range(2))
    again.batch(3, 4)
    batch = crops.batch(7, 12, seed=1)
    torch.testing.assert_close(again.batch(7, 12, seed=1, items=range(4, 9)), batch[4:9], rtol=0, atol=0)
    assert all(not torch.equal(batch[index], batch[index + 1]) for index in range(11))
    assert not torch.equal(again.batch(8, 12, seed=1), batch)
    assert batch.isfinite().all()


def test_some_items_are_silent_and_some_have_two_voices(store: Store) -> None:
    silent = AudioCrops(store, "train", CROP_SAMPLES, augment=replace(AugmentSettings(), silence_probability=1.0))
    assert (silent.batch(0, 3) == 0).all()
    mixing = replace(UNCHANGED, mix_probability=1.0, mix_range_db=(0.0, 0.0))
    batch = AudioCrops(store, "train", CROP_SAMPLES, augment=mixing).batch(0, 100)
    assert (peaks(batch) > 0.8).float().mean() == pytest.approx(0.25, abs=0.15)


def test_crops_shift_as_far_as_the_chunks_are_long(store: Store) -> None:
    high = replace(UNCHANGED, pitch_probability=1.0, pitch_semitones=12.0)
    batch = AudioCrops(store, "train", CHUNK_SAMPLES, augment=high).batch(0, 10)
    assert batch.shape == (10, 1, CHUNK_SAMPLES)
    assert (batch.square().mean(dim=2) > 1e-3).all()
