"""The structure encoder: causal, as far-sighted as its convolutions, the same in a stream."""

import pytest
import torch

from after.conditioning.structure import build_structure_encoder
from after.streaming.verify import verify_streaming


@pytest.mark.parametrize(("num_blocks", "kernel_size"), [(1, 3), (2, 5), (3, 1)])
def test_it_streams(num_blocks: int, kernel_size: int) -> None:
    encoder = build_structure_encoder(6, 8, num_blocks=num_blocks, kernel_size=kernel_size)
    assert verify_streaming(encoder, 6, num_steps=20, script=False).latency == 0


@torch.no_grad()
def test_a_frame_reaches_exactly_as_far_as_the_taps() -> None:
    encoder = build_structure_encoder(6, 8, num_blocks=2, kernel_size=5).double()
    x = torch.randn(1, 40, 6, dtype=torch.float64)
    changed = x.clone()
    changed[:, 10] += 1.0
    moved = (encoder(x) - encoder(changed)).abs().amax(dim=(0, 2)) > 0
    # one convolution of 3 taps, two of 5: 1 + 2 + 4 + 4 frames
    assert moved.nonzero().squeeze(1).tolist() == list(range(10, 10 + 11))


@torch.no_grad()
def test_it_gives_the_denoisers_width_for_any_length() -> None:
    encoder = build_structure_encoder(256, 16, num_blocks=2, kernel_size=9)
    for num_frames in (1, 2, 65):
        assert encoder(torch.zeros(3, num_frames, 256)).shape == (3, num_frames, 16)
