"""How long a codec's two directions take in TorchScript, block by block, on one thread: as a host runs them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import cycle, islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from after.codec.load import AnyCodec
from after.codec.streamer import CodecStreamer
from after.streaming.archive import compile_module
from after.streaming.timing import one_thread, time_calls_ms

BLOCK_SIZES = (1024, 2048)
"""Samples per block that are timed."""

_WARM_UP_BLOCKS = 8
_DIFFERENT_BLOCKS = 16


@dataclass(frozen=True, slots=True)
class BlockSpeed:
    """Time per block.

    Attributes:
        method: `encode` or `decode`.
        block_size: samples per block; at least a frame.
        factor: computing time over playing time of all blocks, below 1 is fast enough.
        p50_ms: of the median block.
        p99_ms: that 99 of 100 blocks keep within.
        least_ms: of the quickest block, which other work on the machine disturbs least.
    """

    method: str
    block_size: int
    factor: float
    p50_ms: float
    p99_ms: float
    least_ms: float


def script_codec(codec: AnyCodec) -> torch.jit.ScriptModule:
    """Compile the stream of a codec, as the exporter does.

    Raises:
        ExportError: if TorchScript refuses it.
    """
    return compile_module(CodecStreamer(codec))


@torch.inference_mode()
def measure_speeds(
    scripted: Any, codec: AnyCodec, *, seconds: float, block_sizes: Sequence[int] = BLOCK_SIZES
) -> list[BlockSpeed]:
    """Time `encode` and `decode` separately.

    Args:
        scripted: from `script_codec`; left reset.
        codec: that it was made of.
        seconds: of audio per measurement.
        block_sizes: samples; rounded up to what the codec takes.
    """
    speeds: list[BlockSpeed] = []
    generator = torch.Generator().manual_seed(0)
    for block_size in dict.fromkeys(round_block(codec, size) for size in block_sizes):
        audio = [0.1 * torch.randn(1, 1, block_size, generator=generator) for _ in range(_DIFFERENT_BLOCKS)]
        latents = [scripted.encode(block) for block in audio]
        for method, blocks in (("encode", audio), ("decode", latents)):
            speeds.append(_measure(getattr(scripted, method), method, blocks, block_size, codec.sample_rate, seconds))
    scripted.set_reset(1)
    return speeds


def round_block(codec: AnyCodec, num_samples: int) -> int:
    """Give the smallest block of at least so many samples that a codec's stream takes."""
    unit = max(codec.encoder.block_size, codec.decoder.block_size * codec.hop_length)
    return -(-num_samples // unit) * unit


def _measure(
    call: Callable[[Tensor], Tensor], method: str, blocks: Sequence[Tensor], size: int, rate: int, seconds: float
) -> BlockSpeed:
    count = _WARM_UP_BLOCKS + max(3, round(seconds * rate / size))
    with one_thread():
        calls = (partial(call, block) for block in islice(cycle(blocks), count))
        times_ms = time_calls_ms(calls, warm_up=_WARM_UP_BLOCKS)
    p50_ms, p99_ms = (float(value) for value in np.percentile(times_ms, [50, 99]))
    return BlockSpeed(
        method, size, float(times_ms.mean()) * rate / size / 1000.0, p50_ms, p99_ms, float(times_ms.min())
    )
