import numpy as np
import pytest

from after.errors import AudioError
from after.features.pitch import track_pitch

RATE = 44100


def harmonic(frequency_hz):
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(frequency_hz, frequency_hz.shape)) / RATE
    return 0.2 * sum(np.sin(k * phase) / k for k in range(1, 7))


def cents(f0_hz, true_hz):
    return 1200 * np.log2(f0_hz / true_hz)


@pytest.mark.parametrize("true_hz", [65.4, 220.0, 880.0])
def test_tone_is_found_within_20_cents(true_hz):
    track = track_pitch(harmonic(np.full(RATE // 2, true_hz)), RATE)
    assert np.abs(cents(track.f0_hz, true_hz)[3:-3]).max() < 20
    assert track.is_voiced()[3:-3].all()
    np.testing.assert_allclose(track.pitch, 69 + 12 * np.log2(track.f0_hz / 440), atol=1e-4)


def test_times_do_not_drift_on_a_chirp():
    """An error of one frame would be 19 cents here, and the hop of 1024 is no whole number of samples at 16 kHz."""
    seconds = np.arange(5 * RATE) / RATE
    track = track_pitch(harmonic(110.0 * 2.0 ** (0.7 * seconds)), RATE)
    error = cents(track.f0_hz, 110.0 * 2.0 ** (0.7 * track.times_s))
    assert abs(np.median(error[3:30])) < 5
    assert abs(np.median(error[-30:-3])) < 5


def test_same_input_gives_the_same_track_in_any_batch():
    audio = harmonic(np.full(8193, 300.0))
    first, second = track_pitch(audio, RATE), track_pitch(audio, RATE, batch_frames=3)
    np.testing.assert_allclose(first.f0_hz, second.f0_hz, rtol=1e-5)
    np.testing.assert_allclose(first.periodicity, second.periodicity, atol=1e-5)


def test_silence_and_noise_are_unvoiced():
    noise = np.random.default_rng(0).normal(0, 0.1, 20 * 1024)
    assert not track_pitch(np.zeros((1, 5000)), RATE).is_voiced().any()
    assert track_pitch(noise, RATE).is_voiced().mean() < 0.2


def test_range_is_respected():
    track = track_pitch(harmonic(np.full(10 * 1024, 200.0)), RATE, lowest_hz=300.0, highest_hz=900.0)
    assert (track.f0_hz > 290).all()
    with pytest.raises(AudioError, match="empty"):
        track_pitch(np.ones(10), RATE, lowest_hz=300.0, highest_hz=200.0)


@pytest.mark.parametrize("num_samples", [1, 65, 1024, 1025])
def test_awkward_lengths(num_samples):
    assert track_pitch(np.ones(num_samples), RATE).f0_hz.shape == (-(-num_samples // 1024),)


def test_nan_is_refused():
    with pytest.raises(AudioError, match="sample 1"):
        track_pitch([0.0, np.nan], RATE)


@pytest.mark.slow
@pytest.mark.parametrize("size", ["tiny", "full"])
@pytest.mark.filterwarnings("ignore:pkg_resources is deprecated:UserWarning")
@pytest.mark.filterwarnings("ignore:Deprecated call to `pkg_resources:DeprecationWarning")
def test_network_is_that_of_torchcrepe(size):
    import torch

    from after.features.crepe import load_crepe

    torchcrepe = pytest.importorskip("torchcrepe")
    windows = torch.randn(3, 1024, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        torch.testing.assert_close(load_crepe(size)(windows), torchcrepe.infer(windows, size), atol=1e-5, rtol=0)
