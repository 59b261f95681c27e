"""Pitch of stored audio: on the frame grid, the same however the audio is cut, and unvoiced in silence."""

import numpy as np
import pytest
from numpy.typing import NDArray

from after.data.extract.pitch import PitchSettings
from after.errors import ConfigError
from after.features.pitch import track_pitch
from tests.unit.data.extract.recordings import RATE, as_stored, chirp, chunks_of, stored

HOP = 1024
CHUNK = 8 * HOP


def track(audio: NDArray[np.float64], chunk_samples: int = CHUNK, **given: int) -> NDArray[np.float32]:
    return np.concatenate(chunks_of(PitchSettings(), audio, chunk_samples, **given), axis=1)


def cents(f0_hz: NDArray[np.floating], true_hz: NDArray[np.floating] | float) -> NDArray[np.float64]:
    return np.asarray(1200 * np.log2(f0_hz / true_hz))


@pytest.mark.parametrize("rate", [44_100, 48_000, 16_000, 22_050])
def test_a_chirp_stands_on_the_frame_grid(rate: int) -> None:
    """An error of one frame would be 19 cents at 44.1 kHz."""
    f0_hz, periodicity = track(chirp(4.0, 110.0, 0.7, rate), sample_rate=rate)
    centres_s = (np.arange(f0_hz.size) + 0.5) * HOP / rate
    num_frames = 4 * rate // HOP
    error = cents(f0_hz, 110.0 * 2.0 ** (0.7 * centres_s))[3 : num_frames - 3]
    frame_cents = 1200 * 0.7 * HOP / rate
    assert abs(np.median(error[: num_frames // 4])) < frame_cents / 3
    assert abs(np.median(error[-num_frames // 4 :])) < frame_cents / 3
    assert (periodicity[3 : num_frames - 3] > 0.5).all()


@pytest.mark.parametrize("at", [2 * CHUNK - 300, 2 * CHUNK + 700, 2 * CHUNK + 3 * HOP])
def test_a_step_stands_in_its_frame(at: int) -> None:
    seconds = np.arange(4 * CHUNK) / RATE
    low, high = (sum(np.sin(2 * np.pi * hz * k * seconds) / k for k in range(1, 5)) * 0.2 for hz in (220.0, 660.0))
    f0_hz, _ = track(np.where(np.arange(4 * CHUNK) < at, low, high))
    first_high = int(np.flatnonzero(f0_hz > 400)[0])
    assert abs(first_high + 0.5 - at / HOP) <= 1.0
    assert (f0_hz[first_high + 2 : -2] > 400).all()


@pytest.mark.parametrize("rate", [44_100, 48_000, 32_000, 12_345])
@pytest.mark.parametrize("frames", [8, 1])
def test_chunks_leave_no_trace(rate: int, frames: int) -> None:
    audio = chirp(1.5, 90.0, 1.0, rate)
    whole = track_pitch(as_stored(audio), rate)
    f0_hz, periodicity = track(audio, frames * HOP, sample_rate=rate)
    length = whole.f0_hz.size
    np.testing.assert_allclose(periodicity[:length], whole.periodicity, atol=3e-4)
    assert np.abs(cents(f0_hz[:length], whole.f0_hz)[whole.is_voiced()]).max() < 0.1


@pytest.mark.parametrize("true_hz", [82.4, 261.6, 987.8])
def test_a_tone_is_found_within_20_cents(true_hz: float) -> None:
    f0_hz, periodicity = track(chirp(1.0, true_hz, 0.0))
    assert np.abs(cents(f0_hz[3:40], true_hz)).max() < 20
    assert (periodicity[3:40] > 0.5).all()


def test_a_vibrato_is_followed() -> None:
    seconds = np.arange(3 * RATE) / RATE
    true_hz = 440.0 * 2.0 ** (0.5 * np.sin(2 * np.pi * 5 * seconds) / 12)
    phase = 2 * np.pi * np.cumsum(true_hz) / RATE
    f0_hz, _ = track(0.2 * sum(np.sin(k * phase) / k for k in range(1, 6)))
    centres = ((np.arange(120) + 0.5) * HOP).astype(int)
    error = cents(f0_hz[:120], true_hz[centres])[3:-3]
    assert np.abs(error).mean() < 8
    swing = cents(f0_hz[:120], 440.0)[3:-3]
    assert 35 < swing.max() < 65
    assert -65 < swing.min() < -35


def test_silence_and_noise_and_padding_are_unvoiced() -> None:
    assert (track(np.zeros(CHUNK + 5))[1] == 0).all()
    assert (track(np.random.default_rng(0).normal(0, 0.1, 2 * CHUNK))[1] >= 0.5).mean() < 0.2
    f0_hz, periodicity = track(chirp(CHUNK / RATE + 0.02, 220.0, 0.0))
    assert (periodicity[10:] == 0).all()
    assert np.isfinite(f0_hz).all()
    assert (f0_hz > 0).all()


def test_voiced_frames_are_counted_by_pitch() -> None:
    extractor = PitchSettings(voicing=0.7).build()
    arrays = {"pitch": np.array([[440, 446, 220, 440, 440], [0.9, 0.7, 0.8, 0.6, 0.9]], np.float32)}
    assert extractor.count(arrays, 4 * HOP) == {"pitch": {69: 2, 57: 1}, "voicing": {0: 1, 1: 3}}


def test_the_device_decides_no_values() -> None:
    assert PitchSettings(device="auto").to_manifest() == PitchSettings().to_manifest()
    assert PitchSettings(device="auto").to_manifest() == {"size": "tiny", "hop_length": 1024, "voicing": 0.5}
    assert next(PitchSettings(device="auto").build().extract(stored(np.zeros(9), CHUNK)))["pitch"].shape == (2, 8)
    with pytest.raises(ConfigError, match="'tpu9' is unknown"):
        PitchSettings(device="tpu9").build()
    with pytest.raises(ConfigError, match="give a periodicity"):
        PitchSettings(voicing=1.5)


@pytest.mark.gpu
def test_a_gpu_gives_the_same() -> None:
    audio = chirp(2.0, 110.0, 0.7)
    expected = track(audio)
    found = np.concatenate(chunks_of(PitchSettings(device="cuda"), audio, CHUNK), axis=1)
    voiced = expected[1] >= 0.5
    np.testing.assert_allclose(found[1], expected[1], atol=0.01)
    assert np.abs(cents(found[0], expected[0])[voiced]).max() < 5
