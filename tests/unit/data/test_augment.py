"""Augmentation of crops: exact levels, magnitudes that stay, pitches that move by their ratio, silence that stays."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import sosfreqz

from after.data.loading.augment import (
    MARGIN_SAMPLES,
    change_voice,
    draw_all_pass,
    draw_gain,
    draw_pitch_ratio,
    draw_second_gain,
    shift_pitch,
    turn_phases,
)
from after.errors import ConfigError
from after.settings import AugmentSettings
from after.units import gain_to_db

NUM_SAMPLES = 8192
SETTINGS = AugmentSettings()


def generators(count: int) -> list[np.random.Generator]:
    return [np.random.default_rng((0, item)) for item in range(count)]


def tone(cycles: float, num_samples: int = NUM_SAMPLES) -> NDArray[np.float32]:
    return np.sin(2 * np.pi * cycles * np.arange(num_samples)).astype(np.float32)


def peak_cycles(audio: NDArray[np.float32]) -> float:
    """The frequency of a tone in cycles per sample, between bins by a parabola through the log spectrum."""
    log = np.log(np.abs(np.fft.rfft(audio * np.hanning(len(audio)))) + 1e-12)
    peak = int(log.argmax())
    left, middle, right = log[peak - 1 : peak + 2]
    return (peak + 0.5 * (left - right) / (left - 2 * middle + right)) / len(audio)


@pytest.mark.parametrize("gain_db", [-24.0, -6.0, 3.0])
def test_gain_is_exact_in_db(gain_db: float) -> None:
    settings = replace(SETTINGS, gain_range_db=(gain_db, gain_db), quiet_probability=0.0)
    gains = [draw_gain(rng, settings) for rng in generators(40)]
    assert [gain_to_db(abs(gain)) for gain in gains] == pytest.approx([gain_db] * 40)
    assert 8 < sum(gain < 0 for gain in gains) < 32


def test_gains_fill_their_range_and_some_are_quieter_still() -> None:
    levels_db = np.array([gain_to_db(abs(draw_gain(rng, SETTINGS))) for rng in generators(1000)])
    assert levels_db.max() == pytest.approx(3.0, abs=0.5)
    assert levels_db.min() > -64.0
    assert np.mean(levels_db < -24.0) == pytest.approx(0.085, abs=0.03)
    assert np.mean(levels_db > -10.5) == pytest.approx(0.45, abs=0.05)


def test_all_pass_sections_have_magnitude_one_and_turn_phases() -> None:
    for rng in generators(20):
        sections = draw_all_pass(rng)
        _, response = sosfreqz(sections, 2048)
        np.testing.assert_allclose(np.abs(response), 1.0, atol=1e-6)
        turns = np.unwrap(np.angle(response))[[0, -1]] / (2 * np.pi)
        assert turns[0] - turns[1] == pytest.approx(len(sections), abs=0.05)


def test_turned_audio_keeps_its_magnitude_spectrum_and_settles_within_the_margin() -> None:
    audio = np.zeros(NUM_SAMPLES, dtype=np.float32)
    audio[:4096] = np.random.default_rng(0).standard_normal(4096)
    for rng in generators(10):
        turned = turn_phases(audio, draw_all_pass(rng))
        wanted = np.abs(np.fft.rfft(audio))
        np.testing.assert_allclose(np.abs(np.fft.rfft(turned)), wanted, atol=1e-3 * wanted.mean())
        assert np.linalg.norm(turned - audio) > 0.1 * np.linalg.norm(audio)
        assert np.abs(turned[4096 + MARGIN_SAMPLES :]).max() < 1e-3


@pytest.mark.parametrize("semitones", [-2.0, 0.37, 2.0])
def test_a_shifted_sine_moves_by_the_ratio(semitones: float) -> None:
    ratio = 2 ** (semitones / 12)
    shifted = shift_pitch(tone(0.05), ratio)
    assert len(shifted) == pytest.approx(NUM_SAMPLES / ratio, abs=1)
    assert peak_cycles(shifted) == pytest.approx(0.05 * ratio, rel=1e-4)
    assert np.abs(shifted[500:-500]).max() == pytest.approx(1.0, abs=1e-3)


def test_a_voice_is_cut_where_its_crop_starts() -> None:
    settings = replace(SETTINGS, phase_probability=0.0)
    audio = np.zeros(4 * NUM_SAMPLES, dtype=np.float32)
    audio[3000] = 1.0
    for ratio in (1.0, 2 ** (1 / 12), 2 ** (-2 / 12)):
        rng = np.random.default_rng(0)
        voice = change_voice(audio, NUM_SAMPLES, start=1000, ratio=ratio, rng=rng, settings=settings)
        assert voice.shape == (NUM_SAMPLES,)
        assert int(np.abs(voice).argmax()) == pytest.approx(2000 / ratio, abs=1)


def test_a_voice_that_is_too_short_ends_in_zeros() -> None:
    rng = np.random.default_rng(0)
    voice = change_voice(tone(0.05, 100), 128, start=10, ratio=1.0, rng=rng, settings=SETTINGS)
    assert voice.shape == (128,)
    assert (voice[90:] == 0).all()


def test_silence_stays_silent() -> None:
    audio = np.zeros(NUM_SAMPLES + 2 * MARGIN_SAMPLES, dtype=np.float32)
    settings = replace(SETTINGS, phase_probability=1.0)
    for rng in generators(5):
        voice = change_voice(audio, 4096, start=MARGIN_SAMPLES, ratio=1.1, rng=rng, settings=settings)
        assert (voice == 0).all()


def test_shares_and_ranges_are_as_set() -> None:
    ratios = np.array([draw_pitch_ratio(rng, SETTINGS) for rng in generators(1000)])
    assert np.mean(ratios != 1) == pytest.approx(0.3, abs=0.05)
    assert 12 * np.abs(np.log2(ratios)).max() == pytest.approx(2.0, abs=0.05)
    seconds = np.array([draw_second_gain(rng, SETTINGS) for rng in generators(1000)])
    assert np.mean(seconds != 0) == pytest.approx(0.1, abs=0.03)
    assert seconds[seconds != 0].min() >= 0.25
    assert seconds.max() <= 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mix_probability", 1.5),
        ("silence_probability", -0.1),
        ("gain_range_db", (3.0, -3.0)),
        ("quiet_range_db", (-200.0, 0.0)),
        ("pitch_semitones", 13.0),
    ],
)
def test_settings_out_of_range_are_refused(name: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"augment.{name}"):
        replace(SETTINGS, **{name: value})
