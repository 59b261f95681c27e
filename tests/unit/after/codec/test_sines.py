import math

import numpy as np
import pytest
import torch

from after.codec.losses import AmplitudeLoss
from after.codec.sines import SinesAndNoise, spread_frequencies
from after.streaming.spectral import OverlapAdd

RATE = 44100
HOP = 512
WINDOW = torch.hann_window(2 * HOP).sqrt()


def sound(levels, num_frames=80):
    """Play constant log levels: a head whose weights are zero has its bias as its output."""
    frequencies = spread_frequencies(27.5, 16000.0, cents=6.0, hz=0.75)
    head = SinesAndNoise(4, frequencies / RATE, window=WINDOW, hop=HOP).eval()
    with torch.no_grad():
        head.project.weight.zero_()
        head.project.bias.copy_(levels(frequencies, head.num_bins))
        frames, _ = head.step(torch.zeros(1, num_frames, 4), head.init_state(1))
        return OverlapAdd(WINDOW, hop=HOP)(frames)[0, HOP:-HOP, 0], frequencies


def one_sine(wanted_hz):
    def levels(frequencies, num_bins):
        row = torch.full((len(frequencies) + num_bins,), -30.0)
        row[(frequencies - wanted_hz).abs().argmin()] = math.log(0.5)
        return row

    return levels


@pytest.mark.parametrize("wanted_hz", [55.0, 261.63, 440.0, 3000.0])
def test_a_constant_level_is_a_steady_sine_of_any_pitch(wanted_hz):
    audio, frequencies = sound(one_sine(wanted_hz))
    hz = float(frequencies[(frequencies - wanted_hz).abs().argmin()])
    time = np.arange(len(audio)) / RATE
    basis = np.stack([np.cos(2 * np.pi * hz * time), np.sin(2 * np.pi * hz * time)], axis=1)
    weights, *_ = np.linalg.lstsq(basis, audio.double().numpy(), rcond=None)
    assert np.hypot(*weights) == pytest.approx(0.5, abs=1e-3)
    np.testing.assert_allclose(basis @ weights, audio.numpy(), atol=2e-3)


def test_any_pitch_has_a_sine_near_it():
    frequencies = spread_frequencies(27.5, 16000.0, cents=6.0, hz=0.75).numpy()
    pitches = 440 * 2 ** ((np.arange(33, 120, 0.37) - 69) / 12)
    off_hz = np.abs(frequencies[None] - pitches[:, None]).min(axis=1)
    assert np.all(off_hz <= np.maximum(0.375, pitches * (2 ** (3.01 / 1200) - 1)))


def test_noise_is_white_at_equal_levels_and_repeats_with_the_time():
    def levels(frequencies, num_bins):
        return torch.cat([torch.full((len(frequencies),), -30.0), torch.zeros(num_bins)])

    audio, _ = sound(levels, num_frames=400)
    again, _ = sound(levels, num_frames=400)
    torch.testing.assert_close(audio, again, rtol=0, atol=0)
    power = np.abs(np.fft.rfft(audio.numpy()[: 2**17].reshape(-1, 1024) * np.hanning(1024))) ** 2
    bands = power.mean(axis=0)[8:504].reshape(8, -1).mean(axis=1)
    assert bands.max() / bands.min() < 1.25


def test_sines_keep_their_phase_for_a_day():
    frequencies = torch.tensor([440.0 / RATE], dtype=torch.float64)
    head = SinesAndNoise(2, frequencies, window=WINDOW, hop=HOP).eval()
    with torch.no_grad():
        head.project.weight.zero_()
        head.project.bias[0] = 0.0
        head.project.bias[1:] = -30.0
        late = 7_500_000  # frames: 24 hours
        one, _ = head.step(torch.zeros(1, 4, 2), [torch.tensor([late])])
        zero, _ = head.step(torch.zeros(1, 4, 2), [torch.tensor([0])])
    rate = int(head.rate[0])
    lag_cycles = (late * rate) % head.cycle / head.cycle
    spectra = [torch.fft.rfft(frames[0, 0].double())[10] for frames in (one, zero)]
    turned = torch.angle(spectra[0] / spectra[1]).item() / (2 * math.pi)
    assert math.remainder(turned - lag_cycles, 1.0) == pytest.approx(0.0, abs=1e-4)


def test_the_expected_spectrum_is_that_of_the_sound():
    frequencies = spread_frequencies(100.0, 16000.0, cents=50.0, hz=10.0) / RATE
    head = SinesAndNoise(4, frequencies, window=WINDOW, hop=HOP).eval()
    levels = torch.full((1, 64, head.num_sines + head.num_bins), 1e-9)
    levels[..., 40] = 0.3
    levels[..., head.num_sines :] = 0.05
    frames, _ = head.sound(levels, head.init_state(1))
    audio = OverlapAdd(WINDOW, hop=HOP)(frames)[0, :, 0]
    loss = AmplitudeLoss(frequencies, frame_size=2 * HOP, hop=HOP)
    expected = loss.expect(levels)[0, 32]
    window = torch.hann_window(4096)
    spectra = torch.fft.rfft(audio.unfold(0, 4096, 512) * (window / window.sum())).abs()
    assert expected.max() == pytest.approx(float(spectra[24:40].max()), rel=1e-2)
    assert expected.argmax() == spectra[28].argmax()
    noise = spectra[:, 1500:2000].square().mean().sqrt()
    assert expected[1750] == pytest.approx(float(noise), rel=0.1)


def test_the_loss_of_amplitudes_says_which_sine_is_missing():
    frequencies = spread_frequencies(100.0, 4000.0, cents=50.0, hz=10.0) / RATE
    time = torch.arange(32 * HOP, dtype=torch.float64)
    target = 0.3 * torch.sin(2 * math.pi * frequencies[60] * time)[None, None].float()
    levels = torch.full((1, 32, len(frequencies) + HOP + 1), 1e-3, requires_grad=True)
    AmplitudeLoss(frequencies, frame_size=2 * HOP, hop=HOP)(levels, target).backward()
    assert levels.grad[0, 16, : len(frequencies)].argmin() == 60
    assert levels.grad[0, 16, 60] < 0


def test_a_window_that_leans_is_refused():
    with pytest.raises(ValueError, match="must be symmetric"):
        SinesAndNoise(2, torch.tensor([0.01], dtype=torch.float64), window=torch.linspace(0, 1, 2 * HOP), hop=HOP)


def test_a_frame_is_its_sines_added_up_one_by_one():
    frequencies = spread_frequencies(50.0, 5000.0, cents=100.0, hz=5.0) / RATE
    head = SinesAndNoise(2, frequencies, window=WINDOW, hop=HOP).eval()
    levels = torch.rand(1, 3, head.num_sines + head.num_bins)
    levels[..., head.num_sines :] = 0.0
    frames, _ = head.sound(levels, [torch.tensor([5])])
    sample = torch.arange(2 * HOP, dtype=torch.float64) - HOP
    wanted = torch.zeros(3, 2 * HOP, dtype=torch.float64)
    for frame in range(3):
        for k in range(head.num_sines):
            cycles = ((5 + frame) * int(head.rate[k]) + int(head.start[k])) / head.cycle
            # rounded to a whole number of counts per hop, as the phases are
            per_sample = round(float(frequencies[k]) * HOP * head.cycle) / (HOP * head.cycle)
            wanted[frame] += levels[0, frame, k] * torch.cos(2 * math.pi * (cycles + per_sample * sample))
    torch.testing.assert_close(frames[0].double(), wanted * WINDOW, rtol=0, atol=1e-3)
