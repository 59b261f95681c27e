import pytest
import torch
from torch import nn

from after.streaming.combine import Delay, Parallel, Serial
from after.streaming.contract import Framewise
from after.streaming.conv import CausalConv1d, CausalConvTranspose1d
from after.streaming.spectral import Frames, OverlapAdd
from after.streaming.verify import stream, verify_streaming


def down(stride: int, width: int = 2) -> CausalConv1d:
    return CausalConv1d(width, width, kernel_size=stride + 1, stride=stride)


def up(stride: int, width: int = 2) -> CausalConvTranspose1d:
    return CausalConvTranspose1d(width, width, stride=stride)


@pytest.mark.parametrize("num_frames", [0, 1, 5])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_delay_streams(num_frames, batch_size):
    report = verify_streaming(Delay(2, num_frames), 2, batch_size=batch_size, num_steps=100)
    assert report.latency == num_frames


def test_delay_shifts_a_stream_and_leaves_a_whole_sequence():
    x = torch.randn(1, 9, 2)
    delay = Delay(2, 4)
    assert torch.equal(delay(x), x)
    assert torch.equal(stream(delay, x, 1), torch.cat([torch.zeros(1, 4, 2), x[:, :5]], dim=1))


def test_framewise_streams():
    assert verify_streaming(Framewise(nn.Sequential(nn.Linear(2, 5), nn.GELU())), 2).latency == 0


@pytest.mark.parametrize(
    ("layers", "block_size", "ratio", "latency"),
    [
        ([down(2)], 2, (1, 2), 0),
        ([down(2), down(3)], 6, (1, 6), 0),
        ([down(2), up(2)], 2, (1, 1), 0),
        ([up(3), down(2)], 2, (3, 2), 0),
        ([up(2), down(2)], 1, (1, 1), 0),
        ([Delay(2, 3), up(4)], 1, (4, 1), 12),
        ([Delay(2, 4), down(2)], 2, (1, 2), 2),
        ([Delay(2, 4), down(2), Delay(2, 1), up(3), Delay(2, 2)], 2, (3, 2), 11),
        ([Delay(2, 3), up(2), down(3)], 3, (2, 3), 2),
    ],
)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_serial_works_out_block_ratio_and_latency(layers, block_size, ratio, latency, batch_size):
    chain = Serial(layers)
    assert (chain.block_size, (chain.up, chain.down), chain.latency) == (block_size, ratio, latency)
    assert verify_streaming(chain, 2, batch_size=batch_size, num_steps=100).latency == latency


@pytest.mark.parametrize(("before", "stride", "missing"), [(1, 2, 1), (3, 4, 1), (5, 4, 3), (1, 3, 2)])
def test_serial_refuses_part_frames_of_latency_and_its_remedy_works(before, stride, missing):
    with pytest.raises(ValueError, match=rf"layer 1 \(CausalConv1d\).*insert Delay\({missing}\)"):
        Serial([Delay(2, before), down(stride)])
    remedied = Serial([Delay(2, before), Delay(2, missing), down(stride)])
    assert verify_streaming(remedied, 2, num_steps=10).latency == (before + missing) // stride


def test_the_remedy_works_for_a_layer_that_changes_the_rate_both_ways():
    inner = [up(2), down(6)]
    with pytest.raises(ValueError, match=r"insert Delay\(2\)"):
        Serial([Delay(2, 1), Serial(inner)])
    assert verify_streaming(Serial([Delay(2, 1), Delay(2, 2), Serial(inner)]), 2, num_steps=10).latency == 1


@pytest.mark.parametrize("batch_size", [1, 3])
def test_parallel_lines_its_branches_up(batch_size):
    quick, slow = CausalConv1d(2, 3, kernel_size=2), Serial([CausalConv1d(2, 3, kernel_size=3), Delay(3, 4)])
    both = Parallel([quick, slow], out_width=3)
    assert both.latency == 4
    assert verify_streaming(both, 2, batch_size=batch_size).latency == 4
    x = torch.randn(2, 11, 2)
    torch.testing.assert_close(both(x), quick(x) + slow(x))


def test_parallel_takes_blocks_that_suit_all_branches():
    both = Parallel(
        [Serial([down(2), up(2)]), Serial([down(3), up(3)]), CausalConv1d(2, 2, kernel_size=2)], out_width=2
    )
    assert (both.block_size, both.up, both.down) == (6, 1, 1)
    verify_streaming(both, 2, num_steps=10)


def test_parallel_refuses_branches_of_different_ratio():
    with pytest.raises(ValueError, match="branches run at different ratios"):
        Parallel([down(2), down(3)], out_width=2)


def test_an_analysis_and_synthesis_chain_adds_latency_in_samples():
    window = torch.hann_window(16).sqrt()
    chain = Serial([Frames(window, hop=4), Framewise(nn.Linear(16, 16)), Delay(16, 2), OverlapAdd(window, hop=4)])
    assert chain.latency == 2 * 4 + 12
    assert verify_streaming(chain, 1, num_steps=100).latency == 20
