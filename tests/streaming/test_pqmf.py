import numpy as np
import pytest
import torch

from after.streaming.combine import Serial
from after.streaming.pqmf import PqmfAnalysis, PqmfSynthesis, design_prototype
from after.streaming.verify import stream, verify_streaming


def snr_db(x: torch.Tensor, y: torch.Tensor) -> float:
    return float(10 * torch.log10(x.square().sum() / (x - y).square().sum()))


@pytest.mark.parametrize("num_bands", [2, 4, 5, 16])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_analysis_and_synthesis_stream(num_bands, batch_size):
    analysis, synthesis = PqmfAnalysis(num_bands), PqmfSynthesis(num_bands)
    assert verify_streaming(analysis, 1, batch_size=batch_size, num_steps=20).latency == 0
    assert verify_streaming(synthesis, num_bands, batch_size=batch_size, num_steps=20).latency == 15 * num_bands
    both = Serial([analysis, synthesis])
    assert verify_streaming(both, 1, batch_size=batch_size, num_steps=20).latency == 15 * num_bands


def test_the_bank_streams_in_float32_over_a_thousand_steps():
    verify_streaming(Serial([PqmfAnalysis(8), PqmfSynthesis(8)]), 1, tolerance=1e-5)


@pytest.mark.parametrize("num_bands", [2, 4, 5, 16, 32])
def test_white_noise_comes_back(num_bands):
    x = torch.randn(1, num_bands * 2000, 1)
    y = PqmfSynthesis(num_bands)(PqmfAnalysis(num_bands)(x))
    latency = 15 * num_bands  # the last samples still wait for frames
    assert snr_db(x[:, :-latency], y[:, :-latency]) > 80


def test_a_stream_comes_back_after_the_declared_latency():
    x = torch.randn(1, 16 * 1000, 1)
    bank = Serial([PqmfAnalysis(16), PqmfSynthesis(16)])
    assert snr_db(x[:, : -bank.latency], stream(bank, x, 3)[:, bank.latency :]) > 80


def test_the_bands_carry_the_energy_of_the_audio():
    x = torch.randn(1, 16 * 2000, 1)
    assert float(PqmfAnalysis(16)(x).square().sum() / x.square().sum()) == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize("band", [0, 1, 7, 15])
def test_a_sine_in_the_middle_of_a_band_stays_there(band):
    frequency = torch.pi * (band + 0.5) / 16
    x = torch.sin(frequency * torch.arange(16 * 400, dtype=torch.float64))[None, :, None].float()
    energy = PqmfAnalysis(16)(x)[0, 50:].square().mean(0)
    level_db = 10 * torch.log10(energy / energy[band] + 1e-20)
    level_db[band] = -200
    assert float(level_db.max()) < -60


@pytest.mark.parametrize(("num_bands", "taps_per_band"), [(2, 16), (16, 12), (16, 16), (32, 16)])
def test_the_prototype_has_no_amplitude_distortion(num_bands, taps_per_band):
    h = design_prototype(num_bands, taps_per_band)
    autocorrelation = np.correlate(h, h, "full")[h.size - 1 :: 2 * num_bands]
    np.testing.assert_allclose(autocorrelation[0], 1 / (2 * num_bands), rtol=1e-9)
    np.testing.assert_allclose(autocorrelation[1:], 0, atol=1e-9)
    np.testing.assert_allclose(h, h[::-1], atol=0)


def test_the_prototype_stops_beyond_its_neighbour():
    spectrum = np.abs(np.fft.rfft(design_prototype(16), 1 << 15))
    stopband = spectrum[(1 << 14) // 16 :].max() / spectrum[0]
    assert 20 * np.log10(stopband) < -60


@pytest.mark.parametrize(("num_bands", "taps_per_band"), [(1, 16), (4, 2), (3, 5)])
def test_impossible_banks_are_refused(num_bands, taps_per_band):
    with pytest.raises(ValueError, match="is not possible: use at least 2 bands"):
        PqmfAnalysis(num_bands, taps_per_band=taps_per_band)
