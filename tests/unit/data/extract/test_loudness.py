"""Loudness of stored audio: where it stands, how loud it is, and that chunks leave no trace."""

import numpy as np
import pytest
import scipy.signal
from numpy.typing import NDArray

from after.data.extract.loudness import LoudnessSettings
from after.errors import ConfigError, DataError
from after.features.loudness import FLOOR_DB, measure_loudness
from tests.unit.data.extract.recordings import RATE, as_stored, chunks_of, click, stored

HOP = 1024
CHUNK = 8 * HOP


def noise(num_samples: int, level: float = 0.1) -> NDArray[np.float64]:
    return np.random.default_rng(3).normal(0, level, num_samples)


@pytest.mark.parametrize("at", [3 * HOP + 512, CHUNK - 10, CHUNK + 100, 2 * CHUNK - 512, 2 * CHUNK + 1000])
def test_a_click_stands_in_its_frame(at: int) -> None:
    audio = np.zeros(3 * CHUNK)
    click(audio, at)
    loudness = np.concatenate(chunks_of(LoudnessSettings(), audio, CHUNK))
    assert loudness.shape == (24,)
    assert loudness.argmax() == at // HOP
    heard = np.flatnonzero(loudness > FLOOR_DB + 1)
    assert abs(heard - at // HOP).max() <= 1  # the window of 2048 reaches half a frame beyond


@pytest.mark.parametrize(("hop", "window"), [(1024, 2048), (512, 2048), (1024, 512), (2048, 4097), (100, 333)])
def test_chunks_leave_no_trace(hop: int, window: int) -> None:
    settings = LoudnessSettings(hop_length=hop, window_length=window)
    audio = noise(37 * hop + 17) * np.linspace(0, 1, 37 * hop + 17)
    whole = measure_loudness(as_stored(audio), RATE, hop_length=hop, window_length=window)
    for frames in (8, 1, 38):
        chunks = chunks_of(settings, audio, frames * hop)
        assert all(chunk.shape == (frames,) and chunk.dtype == np.float32 for chunk in chunks)
        np.testing.assert_allclose(np.concatenate(chunks)[:38], whole, atol=1e-5)


def analog_a_weighting(rate: int) -> NDArray[np.float64]:
    """Give the A weighting as a digital filter: the poles of the standard by the bilinear transform."""
    poles = -2 * np.pi * np.array([20.598997, 20.598997, 107.65265, 737.86223, 12194.217, 12194.217])
    zeros, poles, gain = scipy.signal.bilinear_zpk(np.zeros(4), poles, 1.0, rate)
    _, response = scipy.signal.freqz_zpk(zeros, poles, gain, worN=[1000.0], fs=rate)
    return np.asarray(scipy.signal.zpk2sos(zeros, poles, gain / abs(response[0])))


@pytest.mark.parametrize("colour", ["white", "pink", "low"])
def test_it_agrees_with_a_filter_in_the_time_domain(colour: str) -> None:
    """Eight times the rate keeps the bilinear transform's error small up to 20 kHz."""
    audio = noise(4 * RATE)
    if colour != "white":
        audio = scipy.signal.lfilter([1.0], [1.0, -0.9 if colour == "pink" else -0.99], audio)
        audio *= 0.1 / audio.std()
    loudness = np.concatenate(chunks_of(LoudnessSettings(), audio, CHUNK))[8:-8]
    fine = scipy.signal.resample_poly(as_stored(audio), 8, 1)
    weighted = scipy.signal.sosfilt(analog_a_weighting(8 * RATE), fine)
    window = np.repeat(np.hanning(2049)[:-1] ** 2, 8)
    window /= window.sum()
    starts = (np.arange(loudness.size) + 8) * HOP - 512
    expected = [10 * np.log10(window @ weighted[8 * at : 8 * (at + 2048)] ** 2) for at in starts]
    assert abs(np.mean(loudness - expected)) < 0.05
    assert np.abs(loudness - expected).mean() < 0.3


def test_silence_and_the_padding_of_the_last_chunk_read_the_floor() -> None:
    (only,) = chunks_of(LoudnessSettings(), np.zeros(3000), CHUNK)
    np.testing.assert_array_equal(only, np.full(8, FLOOR_DB, np.float32))
    first, last = chunks_of(LoudnessSettings(), noise(CHUNK + 2 * HOP), CHUNK)
    assert (first > -40).all()
    assert (last[:2] > -40).all()
    np.testing.assert_array_equal(last[3:], FLOOR_DB)


def test_frames_are_counted_by_whole_decibels_and_without_padding() -> None:
    extractor = LoudnessSettings().build()
    arrays = {"loudness": np.array([-30.4, -29.6, -30.2, -100.0, -100.0], np.float32)}
    assert extractor.count(arrays, 3 * HOP + 1) == {"loudness_db": {-30: 3, -100: 1}}


def test_lengths_that_do_not_fit_are_refused() -> None:
    with pytest.raises(DataError, match="8192 samples are no multiple of the loudness's hop length 1000"):
        next(LoudnessSettings(hop_length=1000).build().extract(stored(np.zeros(100), CHUNK)))
    with pytest.raises(ConfigError, match="hop_length is 0"):
        LoudnessSettings(hop_length=0)
    assert LoudnessSettings().to_manifest() == {"hop_length": 1024, "window_length": 2048}
