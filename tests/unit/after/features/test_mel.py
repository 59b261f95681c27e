import numpy as np
import pytest

from after.errors import AudioError
from after.features.mel import log_mel, log_mel_distance, mel_filters


def test_neighbouring_filters_share_every_frequency():
    filters = mel_filters(44100, 2048, 80)
    hz = np.arange(1025) * 44100 / 2048
    edges_mel = np.linspace(0, 2595 * np.log10(1 + 22050 / 700), 82)
    inner = (2595 * np.log10(1 + hz / 700) >= edges_mel[1]) & (2595 * np.log10(1 + hz / 700) <= edges_mel[-2])
    np.testing.assert_allclose(filters.sum(axis=0)[inner], 1.0, atol=1e-5)
    assert filters.max() <= 1.0
    assert filters.min() == 0.0


def test_sine_peaks_in_its_band_at_a_quarter_of_the_window():
    bin_hz = 100 * 44100 / 2048
    mels = log_mel(np.sin(2 * np.pi * bin_hz * np.arange(44100) / 44100), 44100)
    assert mels.shape == (80, 44)
    band = int(mel_filters(44100, 2048, 80)[:, 100].argmax())
    assert (mels[:, 2:-2].argmax(axis=0) == band).all()
    assert 500 < np.exp(mels[band, 5]) < 1024  # the Hann window spreads half as much again to each neighbour


def test_silence_is_the_floor():
    np.testing.assert_allclose(log_mel(np.zeros(100), 44100), np.log(1e-3), rtol=1e-6)


def test_gain_moves_the_distance_by_its_logarithm():
    noise = np.random.default_rng(0).normal(0, 0.1, 44100)
    assert log_mel_distance(noise, noise, 44100) == 0.0
    assert log_mel_distance(2 * noise, noise, 44100) == pytest.approx(np.log(2), abs=1e-3)


def test_only_frames_in_which_the_reference_sounds_count():
    noise = np.random.default_rng(0).normal(0, 0.1, 8 * 1024)
    reference = np.concatenate([noise, np.zeros(8 * 1024)])
    audio = np.concatenate([noise[: 7 * 1024], np.zeros(1024), noise])
    whole = log_mel_distance(np.concatenate([noise, noise]), reference, 44100)
    assert 0 < whole < 0.5  # only the last sounding frame sees the wrong half, through its window
    assert log_mel_distance(audio, reference, 44100) > whole
    assert np.isnan(log_mel_distance(noise, np.zeros(8 * 1024), 44100))


def test_different_lengths_compare_the_common_part():
    noise = np.random.default_rng(0).normal(0, 0.1, 8193)
    assert log_mel_distance(noise[:4096], noise[:4096], 44100) == 0.0
    assert log_mel_distance(noise, noise[:4096], 44100) == 0.0
    with pytest.raises(AudioError, match="at least one sample"):
        log_mel_distance(noise, [], 44100)
