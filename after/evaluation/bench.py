"""How fast an instrument is, whether its stream equals its render, and how late it sounds; on one machine, measured."""

import os
import platform
import resource
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

import after
from after.evaluation.bench_input import Player, play_whole, stream_calls
from after.evaluation.onset_delay import Delay, measure_delay
from after.streaming.timing import time_calls_ms

MAX_STREAM_ERROR = 1e-4
"""Largest difference between a stream and the render that counts as equal, full scale = 1."""

_WARM_UP_BLOCKS = 4


@dataclass(frozen=True, slots=True)
class Speed:
    """Time per block; a real-time factor is computing time over playing time, below 1 is fast enough.

    Attributes:
        block_size: samples per block.
        num_steps: sampler steps, 0 for the decoder alone.
        median_ms: of all blocks.
        worst_ms: of the slowest block.
        median_factor: real-time factor of the median block.
        worst_factor: real-time factor of the slowest block.
    """

    block_size: int
    num_steps: int
    median_ms: float
    worst_ms: float
    median_factor: float
    worst_factor: float


@dataclass(frozen=True, slots=True)
class BenchSettings:
    """What to measure.

    Attributes:
        block_sizes: samples per block.
        num_steps: sampler steps to try.
        seconds: of audio per measurement.
    """

    block_sizes: tuple[int, ...] = (1024, 2048, 8192)
    num_steps: tuple[int, ...] = (1, 2, 4)
    seconds: float = 4.0


@dataclass(frozen=True, slots=True)
class Report:
    """Everything measured.

    Attributes:
        machine: processor, versions, threads.
        speeds: for each block size and number of steps.
        decoder: for each block size, the decoder alone.
        stream_errors: for each block size, the largest difference between stream and render.
        delays: for each timbre.
        latency_samples: declared.
        sample_rate: Hz.
        peak_memory_mb: of the process, 10^6 bytes.
    """

    machine: dict[str, str | int]
    speeds: tuple[Speed, ...]
    decoder: tuple[Speed, ...]
    stream_errors: dict[int, float]
    delays: tuple[Delay, ...]
    latency_samples: int
    sample_rate: int
    peak_memory_mb: float

    @property
    def streams_exactly(self) -> bool:
        """Whether every stream equals the render within `MAX_STREAM_ERROR`; NaN does not."""
        return all(error <= MAX_STREAM_ERROR for error in self.stream_errors.values())

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON; an error that is not finite becomes None."""
        errors = {size: error if np.isfinite(error) else None for size, error in self.stream_errors.items()}
        verdict = {"streams_exactly": self.streams_exactly, "max_stream_error": MAX_STREAM_ERROR}
        return {**asdict(self), "stream_errors": errors, **verdict}


def bench(
    player: Player,
    settings: BenchSettings,
    *,
    default_steps: int,
    threads: int,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Measure everything; the instrument's own defaults hold for all but the speeds at other numbers of steps.

    Args:
        player: at its defaults; left reset.
        settings: what to measure.
        default_steps: of the player, set again after the speeds.
        threads: that the caller has allowed, for the report.
        progress: told what comes next, `count_parts` times.
    """
    say = progress or (lambda _: None)
    speeds, decoder = [], []
    for block_size in settings.block_sizes:
        say(f"decoder, blocks of {block_size}")
        decoder.append(measure_decoder(player, block_size, settings.seconds))
        for num_steps in settings.num_steps:
            say(f"{num_steps} steps, blocks of {block_size}")
            player.set(num_steps=num_steps)
            speeds.append(measure_speed(player, block_size, num_steps, settings.seconds))
    player.set(num_steps=default_steps)
    say("stream and render")
    errors = compare_stream(player, settings.block_sizes, settings.seconds)
    say("latency")
    delays = tuple(measure_delay(player, name) for name in player.timbres)
    player.reset()
    return Report(
        machine=describe_machine(threads),
        speeds=tuple(speeds),
        decoder=tuple(decoder),
        stream_errors=errors,
        delays=delays,
        latency_samples=player.latency_samples,
        sample_rate=player.sample_rate,
        peak_memory_mb=peak_memory_mb(),
    )


def count_parts(settings: BenchSettings) -> int:
    """Tell how often `bench` calls its `progress`."""
    return len(settings.block_sizes) * (1 + len(settings.num_steps)) + 2


def measure_speed(player: Player, block_size: int, num_steps: int, seconds: float) -> Speed:
    """Time the blocks of a stream that plays notes, or a melody."""
    player.reset()
    calls = stream_calls(player, block_size, _count(player, block_size, seconds), seconds)
    return _speed(player, block_size, num_steps, calls)


def measure_decoder(player: Player, block_size: int, seconds: float) -> Speed:
    """Time the decoder alone, on latents of noise; blocks shorter than a frame take one frame."""
    frames = max(1, block_size // player.hop_length)
    latents = np.random.default_rng(0).standard_normal((frames, player.num_latents), dtype=np.float32)
    calls = [partial(player.decode, latents)] * _count(player, block_size, seconds)
    return _speed(player, frames * player.hop_length, 0, calls)


def compare_stream(player: Player, block_sizes: Iterable[int], seconds: float, *, seed: int = 5) -> dict[int, float]:
    """Play the same notes, or the same melody, as a whole and as streams.

    Returns:
        for each block size the largest absolute difference; NaN where either is not finite.
    """
    whole = play_whole(player, seconds, seed=seed)
    errors = {}
    for block_size in block_sizes:
        player.reset(seed)
        needed = whole.shape[1] + player.latency_samples
        calls = stream_calls(player, block_size, -(-needed // block_size), seconds, seed=seed)
        streamed = np.concatenate([call() for call in calls], axis=1)
        errors[block_size] = float(np.abs(streamed[:, player.latency_samples : needed] - whole).max())
    return errors


def describe_machine(threads: int) -> dict[str, str | int]:
    """Describe what the figures depend on."""
    import torch

    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 1,
        "threads": threads,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "after": after.__version__,
    }


def peak_memory_mb() -> float:
    """Give the most memory this process has held so far, 10^6 bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _count(player: Player, block_size: int, seconds: float) -> int:
    return _WARM_UP_BLOCKS + max(3, round(seconds * player.sample_rate / block_size))


def _speed(player: Player, block_size: int, num_steps: int, calls: Sequence[Callable[[], object]]) -> Speed:
    times_ms = time_calls_ms(calls, warm_up=_WARM_UP_BLOCKS)
    block_ms = 1000.0 * block_size / player.sample_rate
    median, worst = float(np.median(times_ms)), float(times_ms.max())
    return Speed(block_size, num_steps, median, worst, median / block_ms, worst / block_ms)
