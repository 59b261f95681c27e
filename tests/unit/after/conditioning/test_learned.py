import pytest
import torch

from after.conditioning.learned import LearnedStructure, build_learned_structure
from after.streaming.verify import verify_streaming


def encoder(code_size: int = 8, noise_level: float = 0.25) -> LearnedStructure:
    torch.manual_seed(0)
    return build_learned_structure(6, code_size, width=16, num_blocks=2, kernel_size=5, noise_level=noise_level)


@pytest.mark.parametrize("code_size", [1, 8, 16])
def test_it_streams(code_size: int) -> None:
    assert verify_streaming(encoder(code_size), 6, num_steps=50).latency == 0


def test_the_code_stays_within_one_whatever_comes_in() -> None:
    for level in (0.0, 1.0, 1e4):
        code = encoder()(level * torch.randn(2, 9, 6))
        assert code.shape == (2, 9, 8)
        assert code.abs().max() <= 1.0


def test_noise_is_added_in_training_and_only_as_much_as_stated() -> None:
    built = encoder(noise_level=0.25)
    code, noise = torch.zeros(1, 3, 8), torch.randn(1, 3, 8)
    torch.testing.assert_close(built.with_noise(code, noise), 0.25 * noise)
    torch.testing.assert_close(built(noise[:, :, :6]), built.train()(noise[:, :, :6]))


def test_an_item_does_not_depend_on_how_long_it_goes_on() -> None:
    x = torch.randn(1, 40, 6)
    torch.testing.assert_close(encoder()(x)[:, :10], encoder()(x[:, :10]))


def test_every_weight_learns() -> None:
    built = encoder()
    built.with_noise(built(torch.randn(2, 20, 6)), torch.randn(2, 20, 8)).square().sum().backward()
    assert [name for name, p in built.named_parameters() if p.grad is None or not p.grad.abs().any()] == []
