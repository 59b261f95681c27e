"""Run a streaming module block by block, and refuse a call that does not keep the declared ratio."""

import itertools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from after.streaming.contract import Streaming

Step = Callable[[Tensor, list[Tensor]], tuple[Tensor, list[Tensor]]]


class StreamingError(AssertionError):
    """A module does not keep what its declarations promise."""


def stream(module: Streaming, x: Tensor, blocks_per_call: int) -> Tensor:
    """Run [B, T, C] through `step`, `blocks_per_call` blocks at a time, and join the outputs."""
    return stream_with(module, x, (blocks_per_call,), module.step, module.init_state(x.size(0)))


def check_shape(module: Streaming, x: Tensor, y: Tensor) -> None:
    """Raise a StreamingError unless y is what the declared ratio makes of x."""
    if y.ndim != 3 or y.size(0) != x.size(0) or y.dtype != x.dtype:
        raise StreamingError(
            f"the output must be [{x.size(0)}, T, C] {x.dtype} like the input; it is {list(y.shape)} {y.dtype}"
        )
    if y.size(1) * module.down != x.size(1) * module.up:
        raise StreamingError(f"declared ratio {module.up}/{module.down}, but {x.size(1)} frames gave {y.size(1)}")


def stream_with(module: Streaming, x: Tensor, sizes: Sequence[int], step: Step, state: list[Tensor]) -> Tensor:
    """Step through a sequence with the given blocks per call, over and over; every call must keep the ratio."""
    outputs: list[Tensor] = []
    start = 0
    for blocks in itertools.cycle(sizes):
        block = x[:, start : start + blocks * module.block_size]
        if block.size(1) == 0:
            return torch.cat(outputs, dim=1)
        try:
            y, state = step(block, state)
        except RuntimeError as error:
            raise StreamingError(f"step failed on {block.size(1)} frames: {error}") from error
        check_shape(module, block, y)
        outputs.append(y)
        start += block.size(1)
    raise AssertionError("a cycle does not end")


def run_blocks(method: Callable[[Tensor], Tensor], x: Tensor, sizes: Sequence[int]) -> Tensor:
    """Run [B, C, T] through a method that keeps its own state, with the given values per call, over and over."""
    outputs: list[Tensor] = []
    start = 0
    for size in itertools.cycle(sizes):
        if start >= x.size(2):
            return torch.cat(outputs, dim=2)
        outputs.append(method(x[:, :, start : start + size]))
        start += size
    raise AssertionError("a cycle does not end")
