"""Loudness and true peak against signals whose values the standard states."""

import math

import numpy as np
import pytest

from render.loudness import integrated_loudness, match_loudness, true_peak_dbtp

RATE = 48000


def tone(hz: float, level: float, seconds: float = 5.0, channels: int = 2, phase: float = 0.0) -> np.ndarray:
    t = np.arange(round(seconds * RATE)) / RATE
    return np.repeat((level * np.sin(2 * np.pi * hz * t + phase))[None], channels, axis=0).astype(np.float32)


def test_the_loudness_of_the_standards_tone() -> None:
    """EBU Tech 3341, case 1: a stereo sine of 1 kHz at -23 dBFS has -23 LUFS."""
    assert integrated_loudness(tone(1000, 10 ** (-23 / 20)), RATE) == pytest.approx(-23.0, abs=0.1)


def test_the_peak_between_samples_is_found() -> None:
    """EBU Tech 3341, case 16: a quarter of the rate, at 45 degrees: samples reach 0.5 / sqrt(2), the wave 0.5."""
    audio = tone(RATE / 4, 0.5, seconds=0.5, phase=math.pi / 4)
    assert 20 * math.log10(np.abs(audio).max()) == pytest.approx(-9.03, abs=0.01)
    assert true_peak_dbtp(audio) == pytest.approx(-6.02, abs=0.2)


def test_where_pieces_meet_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    audio = tone(997, 0.7, seconds=2.0)
    whole = true_peak_dbtp(audio)
    monkeypatch.setattr("render.large.PIECE_SAMPLES", 10_000)
    assert true_peak_dbtp(audio) == pytest.approx(whole, abs=0.01)


def test_a_target_is_reached_where_the_peak_allows_it() -> None:
    scaled, remark = match_loudness(tone(1000, 0.01), RATE, target_lufs=-16.0, max_true_peak_dbtp=-1.0)
    assert integrated_loudness(scaled, RATE) == pytest.approx(-16.0, abs=0.05)
    assert remark.endswith("to -16.0 LUFS")


def test_the_true_peak_goes_before_the_loudness() -> None:
    audio = tone(1000, 0.01)
    audio[:, 1000] = 0.9
    scaled, remark = match_loudness(audio, RATE, target_lufs=-10.0, max_true_peak_dbtp=-3.0)
    assert true_peak_dbtp(scaled) == pytest.approx(-3.0, abs=0.05)
    assert "below the target: the true peak is at -3 dBTP" in remark


@pytest.mark.parametrize("audio", [np.zeros((2, RATE), np.float32), np.full((2, 100), 0.1, np.float32)])
def test_what_has_no_loudness_stays(audio: np.ndarray) -> None:
    scaled, remark = match_loudness(audio, RATE, target_lufs=-16.0, max_true_peak_dbtp=-1.0)
    assert scaled is audio
    assert "too little sound" in remark
