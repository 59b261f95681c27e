import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from after.conditioning.pitch_loudness import (
    LOUDNESS_CHANNEL,
    PITCH_LOUDNESS_CHANNELS,
    VOICING_CHANNEL,
    pitch_loudness,
    pitch_loudness_frames,
    read_pitch,
    transpose_pitch_loudness,
)


def hz(pitch: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.asarray(440.0 * 2.0 ** ((pitch - 69.0) / 12.0), dtype=np.float32)


def structure(pitch: NDArray[np.float64], periodicity: float = 1.0, loudness_db: float = -20.0) -> NDArray[np.float32]:
    size = len(pitch)
    return pitch_loudness(hz(pitch), np.full(size, periodicity, np.float32), np.full(size, loudness_db, np.float32))


def as_batch(channels_first: NDArray[np.float32]) -> Tensor:
    return torch.from_numpy(channels_first.T.copy())[None]


def test_pitch_reads_back_within_a_cent() -> None:
    pitch = np.random.default_rng(0).uniform(0.01, 126.99, 500)
    for periodicity in (1.0, 0.5, 0.4):
        frames = structure(pitch, periodicity)
        assert frames.shape == (PITCH_LOUDNESS_CHANNELS, 500)
        assert frames.dtype == np.float32
        found, voicing = read_pitch(as_batch(frames))
        np.testing.assert_allclose(found[0].numpy(), pitch, atol=0.01)
        np.testing.assert_allclose(voicing[0].numpy(), frames[VOICING_CHANNEL], atol=1e-5)


def test_a_whole_semitone_fills_one_channel_and_a_quarter_tone_two() -> None:
    frames = structure(np.array([60.0, 60.5]))
    assert frames[60, 0] == pytest.approx(1.0, abs=1e-4)
    np.testing.assert_allclose(frames[[60, 61], 1], 0.5, atol=1e-4)
    assert (frames[:128, 1] > 1e-4).sum() == 2


def test_voicing_rises_with_periodicity_and_is_half_at_the_threshold() -> None:
    voicings = [structure(np.array([60.3]), p)[VOICING_CHANNEL, 0] for p in (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 1.0)]
    assert voicings == sorted(voicings)
    np.testing.assert_allclose(voicings[::3], [0.0, 0.5, 1.0], atol=1e-5)


def test_loudness_rises_with_level_within_its_range() -> None:
    levels = np.linspace(-80.0, 0.0, 40).astype(np.float32)
    loudness = pitch_loudness(hz(np.full(40, 60.0)), np.ones(40, np.float32), levels)[LOUDNESS_CHANNEL]
    assert (np.diff(loudness) > 0.02).all()
    np.testing.assert_allclose(loudness[[0, -1]], [0.0, 1.0], atol=1e-6)


def test_silence_is_zero_and_noise_has_loudness_only() -> None:
    assert not structure(np.full(3, 60.0), periodicity=0.0, loudness_db=-100.0).any()
    noise = structure(np.full(3, 60.0), periodicity=0.1)
    assert not noise[:LOUDNESS_CHANNEL].any()
    assert noise[LOUDNESS_CHANNEL].all()


@pytest.mark.parametrize("f0_hz", [0.0, -1.0, np.nan, np.inf, 7.9, 14000.0])
def test_what_is_no_pitch_is_unvoiced(f0_hz: float) -> None:
    frames = pitch_loudness(np.array([f0_hz], np.float32), np.ones(1, np.float32), np.full(1, np.nan, dtype=np.float32))
    assert not frames.any()


@pytest.mark.parametrize("semitones", [0, 1, 12, -7, -50, 200])
def test_transposing_is_playing_it_elsewhere(semitones: int) -> None:
    pitch = np.array([40.2, 60.0, 69.47])
    expected = structure(pitch + semitones)
    moved = transpose_pitch_loudness(as_batch(structure(pitch)), semitones)
    torch.testing.assert_close(moved, as_batch(expected), rtol=0, atol=1e-4)


def test_torchscript_lays_out_the_same() -> None:
    features = torch.rand(3, 2, 9)
    scripted = torch.jit.script(pitch_loudness_frames)
    expected = pitch_loudness_frames(features[0] * 500, features[1], -80 * features[2])
    torch.testing.assert_close(scripted(features[0] * 500, features[1], -80 * features[2]), expected)
