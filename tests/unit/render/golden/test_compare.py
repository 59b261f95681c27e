"""Each check catches what it is for, at its defaults, and leaves room for what is no change."""

import numpy as np
import pytest

from after.errors import ConfigError
from render.golden.compare import CHECKS, Comparison, Sound, Tolerance, compare_audio, make_tolerance
from render.golden.errors import GoldenError

RATE = 44100


@pytest.fixture
def audio() -> np.ndarray:
    """Two seconds of a decaying chord, the right channel a little darker."""
    time_s = np.arange(2 * RATE) / RATE
    envelope = 0.2 * np.exp(-time_s)
    left = envelope * sum(np.sin(2 * np.pi * hz * time_s) for hz in (220.0, 277.2, 659.3))
    right = envelope * sum(np.sin(2 * np.pi * hz * time_s) for hz in (220.0, 277.2))
    return np.stack([left, right]).astype(np.float32)


def compare(reference: np.ndarray, audio: np.ndarray, sample_rate: int = RATE, **tolerance: float) -> Comparison:
    return compare_audio(Sound(reference, RATE), Sound(audio, sample_rate), make_tolerance(tolerance))


def verdicts(comparison: Comparison) -> dict[str, bool | None]:
    assert tuple(check.name for check in comparison.checks) == CHECKS
    return {check.name: check.has_passed for check in comparison.checks}


def failed(comparison: Comparison) -> list[str]:
    return [name for name, has_passed in verdicts(comparison).items() if not has_passed]


def figure(comparison: Comparison, name: str) -> str:
    (check,) = (check for check in comparison.checks if check.name == name)
    return f"{check.figure} {check.where}".strip()


@pytest.mark.parametrize("amount", [0.0, 1e-6, 1e-5, 1e-4])
def test_the_same_passes_with_room_for_rounding(audio: np.ndarray, amount: float) -> None:
    rounding = np.random.default_rng(0).uniform(-amount, amount, audio.shape)
    assert compare(audio, audio + rounding).has_passed


@pytest.mark.parametrize("level", [1.0, 1e-1, 1e-2, 1e-3, 0.0])
def test_rounding_passes_at_any_level(audio: np.ndarray, level: float) -> None:
    rounding = np.random.default_rng(0).uniform(-1e-4, 1e-4, audio.shape)
    assert compare(audio * level, audio * level + rounding).has_passed


@pytest.mark.parametrize("bits", [24, 20])
def test_quantisation_passes(audio: np.ndarray, bits: int) -> None:
    steps = 2.0 ** (bits - 1)
    assert compare(np.round(audio * steps) / steps, audio).has_passed


@pytest.mark.parametrize("lag", [-1, 1, 480])
def test_a_shift_is_an_alignment_and_nothing_else(audio: np.ndarray, lag: int) -> None:
    shifted = np.pad(audio, ((0, 0), (500, 500)))
    comparison = compare(shifted, np.roll(shifted, lag, axis=1))
    assert failed(comparison) == ["alignment"]
    assert comparison.lag_samples == lag
    assert figure(comparison, "alignment") == f"{lag:+d} samples"


def test_a_shift_may_be_allowed(audio: np.ndarray) -> None:
    late = np.pad(audio, ((0, 0), (2, 0)))
    assert failed(compare(audio, late)) == ["format", "alignment"]
    assert compare(audio, late, alignment_samples=2, length_samples=2).has_passed


def test_a_shift_of_one_channel_is_found(audio: np.ndarray) -> None:
    assert "spectral" in failed(compare(audio, np.stack([audio[0], np.roll(audio[1], 1)])))


@pytest.mark.parametrize("gain_db", [-0.2, 0.2])
def test_a_fifth_of_a_decibel_is_found(audio: np.ndarray, gain_db: float) -> None:
    comparison = compare(audio, audio * 10 ** (gain_db / 20))
    assert {"level", "window level"} <= set(failed(comparison))
    assert figure(comparison, "level") == f"{gain_db:+.3f} dB"


def test_a_fifth_of_a_decibel_on_one_side_or_for_a_moment_is_found(audio: np.ndarray) -> None:
    sides = audio * np.array([[10 ** (0.2 / 20)], [10 ** (-0.2 / 20)]], dtype=np.float32)
    assert "level" not in failed(compare(sides, audio))
    assert "window level" in failed(compare(audio, sides))
    moment = audio.copy()
    moment[1, RATE : RATE + RATE // 10] *= 10 ** (0.2 / 20)
    comparison = compare(audio, moment)
    assert "level" not in failed(comparison)
    assert "window level" in failed(comparison)
    assert figure(comparison, "window level").endswith("at 1.00 s, channel 2")


def test_a_soft_tone_is_found_in_its_octave(audio: np.ndarray) -> None:
    added = audio.copy()
    time_s = np.arange(2000) / RATE
    added[1, RATE : RATE + 2000] += 5e-4 * np.sin(2 * np.pi * 4000 * time_s)  # -66 dBFS
    comparison = compare(audio, added)
    assert failed(comparison) == ["spectral"]
    assert figure(comparison, "spectral").endswith("at 1.02 s, 4000 Hz, channel 2")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_no_number_is_found_and_the_rest_still_compared(audio: np.ndarray, value: float) -> None:
    broken = audio.copy()
    broken[0, [441, 500]] = value
    comparison = compare(audio, broken)
    assert failed(comparison)[0] == "finite"
    assert figure(comparison, "finite") == "2 NaN or infinite from 0.010 s"
    assert verdicts(comparison)["alignment"]
    assert figure(comparison, "residual") != "not measured"


def test_another_length_is_found_and_the_rest_still_compared(audio: np.ndarray) -> None:
    comparison = compare(audio, audio[:, :-10])
    assert failed(comparison) == ["format"]
    assert figure(comparison, "format") == f"44100 Hz, 2 channels, {2 * RATE - 10} samples instead of {2 * RATE}"
    assert compare(audio, audio[:, :-10], length_samples=10).has_passed


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda audio: (audio, 48000), "48000 Hz instead of 44100"),
        (lambda audio: (audio[:1], RATE), "1 channels instead of 2"),
        (lambda audio: (audio[:, :0], RATE), "0 samples instead of"),
    ],
)
def test_another_rate_or_shape_is_found_and_nothing_else_said(audio: np.ndarray, change, words: str) -> None:
    comparison = compare(audio, *change(audio))
    assert words in figure(comparison, "format")
    assert not comparison.has_passed
    assert [name for name, has_passed in verdicts(comparison).items() if has_passed is None] == list(CHECKS[2:])


def test_limits_are_inclusive_and_shown(audio: np.ndarray) -> None:
    comparison = compare(
        audio, audio * 10 ** (0.2 / 20), level_db=0.25, window_level_db=0.25, residual_db=-32, spectral_db=-32
    )
    assert comparison.has_passed
    limits = {check.name: check.limit for check in comparison.checks}
    assert (limits["level"], limits["residual"], limits["alignment"]) == ("0.25 dB", "-32 dB", "0 samples")


@pytest.mark.parametrize(("name", "value"), [("level_db", -0.1), ("residual_db", float("nan")), ("length_samples", -1)])
def test_tolerances_that_are_none(name: str, value: float) -> None:
    with pytest.raises(GoldenError, match=name):
        Tolerance(**{name: value})


def test_unknown_tolerances_name_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean residual_db"):
        make_tolerance({"residul_db": -40})
