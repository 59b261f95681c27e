"""Noise by (seed, frame): normal, independent in every direction, the same however it is cut."""

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from after.streaming.noise import frame_noise


def draw(seeds: list[int], start: int, num_frames: int, num_latents: int = 32) -> Tensor:
    return frame_noise(torch.tensor(seeds), torch.tensor(start), num_frames, num_latents)


@pytest.mark.parametrize("seed", [0, 1, 12345, 2**40 + 7])
def test_it_is_standard_normal(seed: int) -> None:
    values = draw([seed], 0, 2000).flatten().double().numpy()
    assert stats.kstest(values, "norm").pvalue > 0.01
    assert abs(values.mean()) < 4 / np.sqrt(values.size)
    assert values.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * values.size))
    assert abs(stats.kurtosis(values)) < 4 * np.sqrt(24 / values.size)


def test_every_value_is_finite_and_float32() -> None:
    values = draw([3, 4], 2**31 - 50, 5000, 64)
    assert values.shape == (2, 5000, 64)
    assert values.dtype == torch.float32
    assert torch.isfinite(values).all()


@pytest.mark.parametrize("sizes", [[1] * 50, [50], [7, 13, 1, 29]])
def test_blocks_join_to_the_whole(sizes: list[int]) -> None:
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    blocks = [draw([5, 6], 100 + int(start), size) for start, size in zip(starts, sizes, strict=True)]
    assert torch.equal(torch.cat(blocks, dim=1), draw([5, 6], 100, 50))


def test_a_stream_sounds_the_same_in_any_batch_and_with_more_latents() -> None:
    alone = draw([9], 3, 20)
    assert torch.equal(draw([1, 9, 4], 3, 20)[1], alone[0])
    assert torch.equal(draw([9], 3, 20, 8), alone[..., :8])


def correlation(a: Tensor, b: Tensor) -> float:
    return abs(float(np.corrcoef(a.flatten().numpy(), b.flatten().numpy())[0, 1]))


def test_frames_latents_and_seeds_are_uncorrelated() -> None:
    first, second = draw([0, 1], 0, 4000)
    bound = 4.5 / np.sqrt(first.numel())
    for lag in (1, 2, 3, 8, 43, 256):
        assert correlation(first[lag:], first[:-lag]) < bound, f"frames {lag} apart"
        assert correlation(first[lag:].square(), first[:-lag].square()) < bound, f"squares of frames {lag} apart"
    for lag in (1, 2, 16):
        assert correlation(first[:, lag:], first[:, :-lag]) < bound * 1.5, f"latents {lag} apart"
    for lag in range(3):
        assert correlation(first[lag:], second[: 4000 - lag]) < bound, f"seeds, {lag} frames apart"


def test_neighbouring_seeds_are_independent_at_one_frame() -> None:
    """The first frame of many streams: normal, and no seed resembles the next."""
    values = draw(list(range(4000)), 0, 1)[:, 0]
    assert stats.kstest(values.flatten().double().numpy(), "norm").pvalue > 0.01
    assert correlation(values[1:], values[:-1]) < 4.5 / np.sqrt(values.numel())


def test_no_frame_repeats() -> None:
    frames = draw([0, 1, 2, 3], 0, 2000).reshape(-1, 32)
    assert len(torch.unique(frames, dim=0)) == len(frames)
