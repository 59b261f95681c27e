"""Costs against closed forms: arithmetic of known layers, parameters, what a backward pass needs."""

import math

import pytest
import torch
from torch.nn import functional as F

from after.codec.cost import count_flop, count_parameters, estimate_working_bytes, measure_cost, measure_saved_bytes
from after.codec.speed import measure_speeds, round_block, script_codec
from tests.tiny_instrument import HOP, RATE, make_tiny_instrument


def test_a_linear_layer_takes_two_operations_for_each_weight_and_row() -> None:
    layer = torch.nn.Linear(7, 11)
    x = torch.zeros(2, 5, 7)
    assert count_flop(lambda: layer(x)) == 2 * 10 * 7 * 11
    assert count_parameters(layer) == 7 * 11 + 11
    with torch.inference_mode():
        assert count_flop(lambda: layer(x)) == 2 * 10 * 7 * 11
    scripted = torch.jit.script(layer)
    assert count_flop(lambda: scripted(x)) == 2 * 10 * 7 * 11


def test_convolutions_and_transforms_are_counted() -> None:
    conv = torch.nn.Conv1d(3, 4, 5)
    assert count_flop(lambda: conv(torch.zeros(1, 3, 14))) == 2 * 10 * 3 * 4 * 5
    x = torch.zeros(6, 1024)
    real = 6 * 2.5 * 1024 * 10
    assert count_flop(lambda: torch.fft.rfft(x)) == real
    assert count_flop(lambda: torch.fft.fft(x.to(torch.complex64))) == 2 * real
    spectrum = torch.fft.rfft(x)
    assert count_flop(lambda: torch.fft.irfft(spectrum, n=1024)) == real


def test_the_cost_of_a_codec_is_that_of_its_layers() -> None:
    codec = make_tiny_instrument().codec
    cost = measure_cost(codec)
    assert cost.encode_parameters + cost.decode_parameters == count_parameters(codec)
    assert cost.numbers_per_s == pytest.approx(codec.num_latents * RATE / HOP)
    assert cost.latency_samples == codec.latency_samples
    assert cost.latency_ms == pytest.approx(1000 * codec.latency_samples / RATE)
    frames = 8
    longer = count_flop(lambda: codec.decode(torch.zeros(1, codec.num_latents, frames)))
    assert cost.decode_gflop_per_s == pytest.approx(longer / 1e9 * RATE / (frames * HOP), rel=0.02)
    assert cost.weights_mb > 4 * count_parameters(codec) / 1e6


def test_the_backward_pass_keeps_its_inputs_once() -> None:
    weight = torch.zeros(10, 10, requires_grad=True)
    x = torch.zeros(3, 10)

    def forward() -> torch.Tensor:
        hidden = F.relu(x @ weight)
        return (hidden @ weight + hidden @ weight).sum()

    assert measure_saved_bytes(forward) == 4 * (3 * 10 + 3 * 10)


def test_what_an_update_holds_grows_by_the_item() -> None:
    weight = torch.zeros(10, 10, requires_grad=True)

    def forward(audio: torch.Tensor) -> torch.Tensor:
        return F.relu(audio @ weight) @ weight

    sizes = [estimate_working_bytes(forward, 10, batch) for batch in (1, 2, 4)]
    assert sizes == [1.5 * batch * 4 * 20 for batch in (1, 2, 4)]


def test_both_directions_are_timed_in_blocks_that_the_codec_takes() -> None:
    codec = make_tiny_instrument().codec
    threads = torch.get_num_threads()
    speeds = measure_speeds(script_codec(codec), codec, seconds=0.1, block_sizes=(100, 1024, 1500))
    assert [(speed.method, speed.block_size) for speed in speeds] == [
        (method, size) for size in (1024, 2048) for method in ("encode", "decode")
    ]
    for speed in speeds:
        assert 0 < speed.p50_ms <= speed.p99_ms
        assert 0 < speed.factor < math.inf
    assert torch.get_num_threads() == threads
    assert round_block(codec, 1) == HOP
