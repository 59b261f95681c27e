import numpy as np
import pytest
import torch

from after.conditioning.independence import correlation_penalty


def test_independent_structure_reads_one_over_the_batch() -> None:
    generator = torch.Generator().manual_seed(0)
    found = [
        float(correlation_penalty(torch.randn(16, 9, 5, generator=generator), torch.randn(16, 4, generator=generator)))
        for _ in range(200)
    ]
    assert np.mean(found) == pytest.approx(1 / 15, rel=0.05)


def test_it_is_the_squared_correlation() -> None:
    timbre = torch.randn(50, 3)
    structure = torch.randn(50, 9, 2) + timbre[:, None, :2]
    statistics = np.concatenate([structure.mean(1).numpy(), structure.std(1, correction=0).numpy()], axis=1)
    expected = np.corrcoef(statistics.T, timbre.numpy().T)[:4, 4:]
    assert float(correlation_penalty(structure, timbre)) == pytest.approx(np.square(expected).mean(), rel=1e-2)


def test_a_code_that_is_the_timbre_reads_much_and_its_scale_does_not_matter() -> None:
    timbre = torch.randn(50, 1)
    code = timbre[:, None].expand(-1, 9, -1)
    assert correlation_penalty(code, timbre) == pytest.approx(0.5, abs=0.01)  # the mean follows, the deviation is 0
    assert correlation_penalty(10 * code + 3, 5 * timbre) == pytest.approx(0.5, abs=0.01)
    assert correlation_penalty(0.003 * code, timbre) == pytest.approx(
        0.5, abs=0.01
    )  # a code cannot escape by shrinking


def test_gradients_reach_the_structure_only_and_are_finite_in_silence() -> None:
    structure, timbre = torch.zeros(4, 9, 2, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    correlation_penalty(structure, timbre).backward()
    assert structure.grad is not None
    assert torch.isfinite(structure.grad).all()
    assert timbre.grad is None
