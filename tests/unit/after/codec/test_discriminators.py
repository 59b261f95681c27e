"""Discriminators: shapes, level invariance, what the picture shows, and that they learn and teach."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from after.codec.adversarial import discriminator_loss, generator_loss
from after.codec.discriminators import Discriminators, PeriodDiscriminator, StftDiscriminator, level_gain


def noise(seed: int, num_samples: int = 4096, batch_size: int = 2) -> Tensor:
    return torch.randn(batch_size, 1, num_samples, generator=torch.Generator().manual_seed(seed))


def sines(seed: int, num_samples: int = 4096, batch_size: int = 2) -> Tensor:
    frequencies = 0.01 + 0.03 * torch.rand(batch_size, 1, 1, generator=torch.Generator().manual_seed(seed))
    return 2**0.5 * torch.sin(2 * torch.pi * frequencies * torch.arange(num_samples))


@pytest.mark.parametrize("num_samples", [1, 65, 4097])
def test_each_gives_logits_and_five_layers_of_features(num_samples: int) -> None:
    judgements = Discriminators((256, 128), (2, 3), width=4)(noise(0, num_samples))
    assert len(judgements) == 4
    for logits, features in judgements:
        assert logits.shape[:2] == (2, 1)
        assert len(features) == 5
        assert features[-1].shape[2:] == logits.shape[2:]


def test_every_scale_sees_all_frames_and_an_eighth_of_a_fourth_of_the_bins() -> None:
    logits, features = StftDiscriminator(512, width=4)(noise(0))
    assert logits.shape == (2, 1, 4096 // 128 + 1, 256 // 32)
    assert features[0].shape == (2, 4, 4096 // 128 + 1, 256 // 4)


def test_the_picture_is_the_compressed_spectrum() -> None:
    audio = noise(0, batch_size=1)
    window = np.hanning(257)[:-1]
    frame = np.pad(audio[0, 0].double().numpy(), 128)[64 * 5 :][:256]
    spectrum = np.fft.rfft(frame * window / np.sqrt(np.sum(window**2)))[:128]
    real, imaginary, log = StftDiscriminator(256).picture(audio)[0, :, 5].double().numpy()
    np.testing.assert_allclose(real + 1j * imaginary, spectrum * np.abs(spectrum) ** -0.7, atol=1e-4)
    np.testing.assert_allclose(log, 0.2 * np.log(np.abs(spectrum)), atol=1e-4)


def test_a_period_discriminator_keeps_the_phases_of_its_period_apart() -> None:
    network = PeriodDiscriminator(5, width=4)
    audio = noise(0, 1000, batch_size=1)
    changed = audio.clone()
    changed[..., 3::5] = 0
    differs = (network(audio)[0] != network(changed)[0]).flatten(0, 2).any(dim=0)
    assert differs.tolist() == [False, False, False, True, False]


def test_items_do_not_touch_each_other() -> None:
    network = Discriminators((256,), (3,), width=4)
    together, alone = network(noise(0)), network(noise(0)[1:])
    for (logits, _), (expected, _) in zip(together, alone, strict=True):
        torch.testing.assert_close(logits[1:], expected)


def test_the_level_gain_gives_every_recording_one_level_and_leaves_silence() -> None:
    audio = torch.cat([noise(0), 0.01 * noise(0), torch.zeros(1, 1, 4096)])
    levelled = audio * level_gain(audio)
    torch.testing.assert_close(levelled[:2], levelled[2:4])
    torch.testing.assert_close(levelled[:4].square().mean(dim=2).sqrt(), torch.ones(4, 1))
    assert level_gain(audio)[4].item() == pytest.approx(1000.0)
    assert (levelled[4] == 0).all()


def test_silence_has_finite_gradients() -> None:
    audio = torch.zeros(1, 1, 2048, requires_grad=True)
    generator_loss(Discriminators((256,), (2,), width=4)(audio)).backward()
    assert audio.grad is not None
    assert audio.grad.isfinite().all()


@pytest.mark.parametrize(("scales", "periods"), [((256,), ()), ((), (3,))])
def test_it_learns_to_tell_noise_from_sines_and_its_gradient_reaches_the_audio(
    scales: tuple[int, ...], periods: tuple[int, ...]
) -> None:
    torch.manual_seed(0)
    network = Discriminators(scales, periods, width=8)
    optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
    for step in range(30):
        optimizer.zero_grad()
        discriminator_loss(network(sines(step)), network(noise(step))).backward()
        optimizer.step()
    ((real, _),), ((fake, _),) = network(sines(100)), network(noise(100))
    assert real.mean() > fake.mean() + 0.5
    audio = noise(200).requires_grad_()
    generator_loss(network(audio)).backward()
    assert audio.grad is not None
    assert F.normalize(audio.grad.flatten(1)).isfinite().all()
    assert (audio.grad.abs().mean(dim=2) > 0).all()
    with torch.no_grad():
        nearer = audio - 5.0 * audio.grad / audio.grad.norm()
        assert generator_loss(network(nearer)) < generator_loss(network(audio))
