"""The spectral loss: its equations in NumPy, its limits, and gradients that stay finite in silence."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal import get_window
from torch import Tensor

from after.codec.losses import LevelLoss, MelLoss, SpectralLoss


def audio(seed: int, num_samples: int = 4096, batch_size: int = 2) -> Tensor:
    return 0.1 * torch.randn(batch_size, 1, num_samples, generator=torch.Generator().manual_seed(seed))


def spectra(x: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Frame by frame, as a textbook writes it."""
    window = get_window("hann", size)
    padded = np.pad(x, size // 2)
    starts = range(0, len(padded) - size + 1, size // 4)
    return np.abs([np.fft.rfft(padded[s : s + size] * window / window.sum()) for s in starts])


def brute_force(x: Tensor, target: Tensor, scales: tuple[int, ...], floor: float) -> float:
    distances = []
    for size in scales:
        for got, wanted in zip(x[:, 0].double().numpy(), target[:, 0].double().numpy(), strict=True):
            s, s_wanted = spectra(got, size), spectra(wanted, size)
            linear = np.linalg.norm(s - s_wanted) / np.linalg.norm(s_wanted)
            distances.append(linear + np.mean(np.abs(np.log(s + floor) - np.log(s_wanted + floor))))
    return float(np.mean(distances))


@pytest.mark.parametrize("scales", [(256,), (1024, 512, 128)])
def test_it_is_its_equations(scales: tuple[int, ...]) -> None:
    loss = SpectralLoss(scales, floor=1e-3)
    expected = brute_force(audio(0), audio(1), scales, 1e-3)
    assert loss(audio(0), audio(1)).item() == pytest.approx(expected, rel=1e-4)


def test_named_scales_alone_are_used() -> None:
    loss = SpectralLoss((1024, 256))
    assert loss(audio(0), audio(1), (256,)).item() == pytest.approx(SpectralLoss((256,))(audio(0), audio(1)).item())


def test_weights_choose_between_the_two_distances() -> None:
    linear = SpectralLoss((256,), log_weight=0.0)(audio(0), audio(1))
    log = SpectralLoss((256,), linear_weight=0.0)(audio(0), audio(1))
    both = SpectralLoss((256,), linear_weight=2.0, log_weight=0.5)(audio(0), audio(1))
    torch.testing.assert_close(both, 2.0 * linear + 0.5 * log)


def test_equal_audio_is_at_distance_zero() -> None:
    assert SpectralLoss((512, 128))(audio(0), audio(0)).item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("size", [256, 1024])
def test_a_full_scale_sine_has_magnitude_one_half_at_any_scale(size: int) -> None:
    time = torch.arange(8192) / size
    magnitude = SpectralLoss((size,)).magnitude(torch.sin(2 * torch.pi * 16 * time)[None], size)
    assert magnitude[0, magnitude.size(1) // 2].argmax().item() == 16
    assert magnitude[0, magnitude.size(1) // 2, 16].item() == pytest.approx(0.5, abs=1e-4)


@pytest.mark.parametrize(("level", "target_level"), [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1e4, 1.0)])
def test_silence_and_excess_have_finite_losses_and_gradients(level: float, target_level: float) -> None:
    x = (level * audio(0)).requires_grad_()
    value = SpectralLoss((512, 128))(x, target_level * audio(1))
    value.backward()
    assert torch.isfinite(value)
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


def test_following_its_gradient_brings_the_audio_nearer() -> None:
    x, target, loss = audio(0).requires_grad_(), audio(1), SpectralLoss((256,))
    before = loss(x, target)
    (gradient,) = torch.autograd.grad(before, x)
    step = 0.05 * before.detach() / gradient.square().sum()
    assert loss(x - step * gradient, target) < before


def test_half_precision_is_measured_in_full() -> None:
    assert SpectralLoss((256,))(audio(0).bfloat16(), audio(1).bfloat16()).dtype == torch.float32


@pytest.mark.parametrize("gain", [0.5, 2.0, 3.0])
def test_a_gain_is_a_distance_of_its_logarithm(gain: float) -> None:
    target = audio(1, num_samples=16384)
    mel = MelLoss(((1024, 20), (256, 8)), sample_rate=44_100)
    for loss in (LevelLoss(), mel):
        assert float(loss(target, target)) == 0.0
        assert float(loss(gain * target, target)) == pytest.approx(abs(np.log(gain)), rel=1e-2)


def test_a_level_is_the_root_of_the_mean_square() -> None:
    time = torch.arange(32768) / 44_100
    sine = 0.5 * torch.sin(2 * torch.pi * 1000 * time)[None, None]
    levels = LevelLoss().levels(sine)[0, 4:-4]
    torch.testing.assert_close(levels, torch.full_like(levels, float(np.log(0.5 / 2**0.5))), atol=1e-2, rtol=0)


def test_losses_of_levels_stay_finite_in_silence() -> None:
    sound = torch.zeros(1, 1, 8192, requires_grad=True)
    for loss in (LevelLoss(), MelLoss(((1024, 20),), sample_rate=44_100)):
        loss(sound, audio(2, 8192, 1)).backward()
        assert sound.grad is not None
        assert torch.isfinite(sound.grad).all()
