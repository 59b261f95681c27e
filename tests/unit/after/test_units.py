import math

import pytest

from after import units


@pytest.mark.parametrize(("level_db", "gain"), [(0, 1), (-20, 0.1), (20, 10), (-6.0206, 0.5), (-math.inf, 0)])
def test_level_and_gain_are_inverse(level_db: float, gain: float) -> None:
    assert units.db_to_gain(level_db) == pytest.approx(gain, rel=1e-5)
    assert units.gain_to_db(gain) == pytest.approx(level_db, abs=1e-4)


def test_negative_gain_is_refused() -> None:
    with pytest.raises(ValueError, match="absolute value"):
        units.gain_to_db(-0.1)


@pytest.mark.parametrize(
    ("pitch", "frequency_hz"), [(69, 440), (57, 220), (60, 261.625565), (21, 27.5), (108, 4186.009)]
)
def test_pitch_and_frequency_are_inverse(pitch: int, frequency_hz: float) -> None:
    assert units.pitch_to_hz(pitch) == pytest.approx(frequency_hz, rel=1e-6)
    assert units.hz_to_pitch(frequency_hz) == pytest.approx(pitch, abs=1e-5)


@pytest.mark.parametrize("frequency_hz", [0, -440])
def test_frequency_without_pitch_is_refused(frequency_hz: float) -> None:
    with pytest.raises(ValueError, match="above 0 Hz"):
        units.hz_to_pitch(frequency_hz)
    with pytest.raises(ValueError, match="above 0 Hz"):
        units.cents_between(440, frequency_hz)


def test_cents_are_signed() -> None:
    assert units.cents_between(440, 880) == pytest.approx(1200)
    assert units.cents_between(440, 220) == pytest.approx(-1200)
    assert units.cents_between(440, units.pitch_to_hz(69.5)) == pytest.approx(50)


@pytest.mark.parametrize("sample_rate", [44100, 48000])
@pytest.mark.parametrize("samples", [0, 1, 65, 8193, 44100 * 3600 + 1])
def test_samples_survive_seconds_and_milliseconds(samples: int, sample_rate: int) -> None:
    assert units.seconds_to_samples(units.samples_to_seconds(samples, sample_rate), sample_rate) == samples
    assert units.ms_to_samples(units.samples_to_ms(samples, sample_rate), sample_rate) == samples


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (1, 1), (1023, 1), (1024, 1), (1025, 2), (8193, 9)])
def test_frames_cover_samples(samples: int, frames: int) -> None:
    assert units.samples_to_frames(samples, 1024) == frames
    assert units.frames_to_samples(frames, 1024) >= samples


def test_frame_rate() -> None:
    assert units.frame_rate(44100, 1024) == pytest.approx(43.0664, abs=1e-4)
