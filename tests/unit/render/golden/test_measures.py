"""Measurements against brute force and closed forms."""

import numpy as np
import pytest

from render.golden.measures import (
    band_powers,
    find_lag,
    level_difference_db,
    octaves,
    overlap,
    residual_cells_db,
    residual_db,
    window_levels_db,
)

RATE = 8000


@pytest.fixture
def noise() -> np.ndarray:
    return np.random.default_rng(1).normal(0.0, 0.1, (2, 4001))


@pytest.mark.parametrize("lag", [-300, -1, 0, 1, 2, 77])
@pytest.mark.parametrize("length", [4001, 3800])
def test_the_lag_is_that_of_brute_force(noise: np.ndarray, lag: int, length: int) -> None:
    moved = np.zeros_like(noise)
    if lag >= 0:
        moved[:, lag:] = noise[:, : noise.shape[1] - lag]
    else:
        moved[:, :lag] = noise[:, -lag:]
    moved = moved[:, :length]
    lags = range(-400, 401)
    products = []
    for candidate in lags:
        left, right = overlap(noise, moved, candidate)
        products.append(float((left * right).sum()))
    assert lags[int(np.argmax(products))] == lag
    assert find_lag(noise, moved, RATE) == lag
    assert find_lag(noise, 0.5 * moved, RATE) == lag
    assert np.array_equal(*overlap(noise, moved, lag)) or length < noise.shape[1]


def test_a_lag_is_found_across_blocks() -> None:
    long = np.random.default_rng(2).normal(0.0, 0.1, (1, 600_001))
    assert find_lag(long, np.roll(long, 5, axis=1), RATE) == 5
    assert find_lag(long, long[:, 3:], RATE) == -3


def test_a_low_tone_shifted_by_one_sample_is_told_from_noise() -> None:
    tone = 0.1 * np.sin(2 * np.pi * 40.0 * np.arange(44100) / 44100)[None]
    rounding = np.random.default_rng(3).uniform(-1e-4, 1e-4, tone.shape)
    assert find_lag(tone, np.roll(tone, 1, axis=1) + rounding, 44100) == 1
    assert find_lag(tone, tone + rounding, 44100) == 0


def test_what_differs_otherwise_has_no_lag(noise: np.ndarray) -> None:
    other = np.random.default_rng(4).normal(0.0, 0.1, noise.shape)
    assert find_lag(noise, other, RATE) == 0
    assert find_lag(np.zeros((1, 100)), np.zeros((1, 90)), RATE) == 0


def test_bands_of_all_frames_add_up_to_the_mean_square() -> None:
    stationary = np.random.default_rng(5).normal(0.0, 0.1, (2, 400_000))
    powers = band_powers(stationary, 44100)
    assert powers.shape == (2, 9, 392)
    assert powers[:, :, 2:-2].sum(axis=1).mean() == pytest.approx(0.01, rel=0.01)


@pytest.mark.parametrize(("sample_rate", "highest_hz"), [(8000, 4000), (44100, 16000), (96000, 16000)])
def test_every_band_has_a_centre_and_a_bin(sample_rate: int, highest_hz: int) -> None:
    edges, centres = octaves(sample_rate)
    assert (centres[0], centres[-1]) == (63, highest_hz)
    assert len(edges) == len(centres)
    assert edges == sorted(set(edges))
    for band, centre in enumerate(centres):
        tone = np.sin(2 * np.pi * 0.9 * centre * np.arange(8192) / sample_rate)[None]
        assert int(np.argmax(band_powers(tone, sample_rate)[0, :, 4])) == band


def test_levels_and_residuals_have_their_closed_forms() -> None:
    tone = 0.2 * np.sin(2 * np.pi * 1000.0 * np.arange(44100) / 44100)[None].repeat(2, axis=0)
    louder = tone * 10 ** (0.2 / 20)
    expected = 20 * np.log10(10 ** (0.2 / 20) - 1)
    assert level_difference_db(tone, louder) == pytest.approx(0.2)
    assert window_levels_db(tone, louder, 44100) == pytest.approx(0.2)
    assert residual_db(tone, louder) == pytest.approx(expected)
    assert residual_cells_db(tone, louder, 44100).max() == pytest.approx(expected, abs=1e-6)
    assert residual_db(tone, tone) < -200


def test_windows_cover_the_last_sample() -> None:
    loud = np.full((1, 44100 + 999), 0.1)
    changed = loud.copy()
    changed[0, -1] = 0.0
    assert window_levels_db(loud, changed, 44100).min() < -0.001
    assert window_levels_db(loud[:, :3], loud[:, :3], 44100).shape == (1, 1)


def test_silence_is_compared_with_a_floor() -> None:
    silence, hiss = np.zeros((1, 5000)), np.full((1, 5000), 1e-6)
    assert level_difference_db(silence, hiss) == 0.0
    assert window_levels_db(silence, hiss, RATE).max() == 0.0
    assert residual_db(silence, hiss) == pytest.approx(-120 + 26)
