"""How fast an instrument is, whether its stream equals its render, and how late it sounds; on one machine, measured."""

import os
import platform
import resource
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

import after
from after.evaluation.onset_delay import Delay, measure_delay
from after.instrument import NoteEvent
from after.instrument.events import events_of
from after.midi import Note
from after.streaming.timing import time_calls_ms

FloatAudio = NDArray[np.float32]

MAX_STREAM_ERROR = 1e-4
"""Largest difference between a stream and the render that counts as equal, full scale = 1."""

_WARM_UP_BLOCKS = 4


class Player(Protocol):
    """What a measurement needs of an instrument; `after.instrument.Instrument` is one."""

    @property
    def sample_rate(self) -> int:
        """Rate of what it plays, Hz."""

    @property
    def hop_length(self) -> int:
        """Samples per frame."""

    @property
    def num_latents(self) -> int:
        """Latents of its codec."""

    @property
    def latency_samples(self) -> int:
        """Declared time from a note event to its sound."""

    @property
    def timbres(self) -> tuple[str, ...]:
        """Names that `set_timbre` takes."""

    def set_timbre(self, timbre: str) -> None:
        """Choose a timbre by name."""

    def set(self, **attributes: float) -> None:
        """Set attributes such as `num_steps`."""

    def reset(self, seed: int = 0) -> None:
        """Forget everything played."""

    def process(self, num_samples: int, events: Sequence[NoteEvent] = ()) -> FloatAudio:
        """Play one block of a stream [1, num_samples]."""

    def render(self, notes: Sequence[Note], duration_s: float, *, seed: int = 0) -> FloatAudio:
        """Play notes from the start [1, T], latency taken out."""

    def decode(self, latents: FloatAudio) -> FloatAudio:
        """Decode latents [L, D] by themselves."""


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


def bench_notes(duration_s: float, *, seed: int = 0) -> list[Note]:
    """Draw notes of one to four voices, with onsets anywhere between the frames; the same for the same seed."""
    rng = np.random.default_rng(seed)
    onsets = np.arange(0.05, max(0.1, duration_s - 0.3), 0.23)
    return sorted(
        Note(
            float(onset + rng.uniform(0.0, 0.1)),
            int(rng.integers(45, 84)),
            int(rng.integers(30, 120)),
            float(rng.uniform(0.1, 0.8)),
        )
        for onset in onsets
    )


def measure_speed(player: Player, block_size: int, num_steps: int, seconds: float) -> Speed:
    """Time the blocks of a stream that plays notes."""
    player.reset()
    blocks = _blocks_of(bench_notes(seconds), player.sample_rate, block_size, _count(player, block_size, seconds))
    return _speed(player, block_size, num_steps, [partial(player.process, block_size, block) for block in blocks])


def measure_decoder(player: Player, block_size: int, seconds: float) -> Speed:
    """Time the decoder alone, on latents of noise; blocks shorter than a frame take one frame."""
    frames = max(1, block_size // player.hop_length)
    latents = np.random.default_rng(0).standard_normal((frames, player.num_latents), dtype=np.float32)
    calls = [partial(player.decode, latents)] * _count(player, block_size, seconds)
    return _speed(player, frames * player.hop_length, 0, calls)


def compare_stream(player: Player, block_sizes: Iterable[int], seconds: float, *, seed: int = 5) -> dict[int, float]:
    """Play the same notes as a render and as streams.

    Returns:
        for each block size the largest absolute difference; NaN where either is not finite.
    """
    notes = bench_notes(seconds, seed=seed)
    whole = player.render(notes, seconds, seed=seed)
    errors = {}
    for block_size in block_sizes:
        player.reset(seed)
        needed = whole.shape[1] + player.latency_samples
        blocks = _blocks_of(notes, player.sample_rate, block_size, -(-needed // block_size))
        streamed = np.concatenate([player.process(block_size, events) for events in blocks], axis=1)
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


def _blocks_of(notes: Sequence[Note], sample_rate: int, block_size: int, count: int) -> list[list[NoteEvent]]:
    """Sort the on and off events of notes into blocks."""
    blocks: list[list[NoteEvent]] = [[] for _ in range(count)]
    for event in events_of(notes, sample_rate):
        index, offset = divmod(event.offset_samples, block_size)
        if index < count:
            blocks[index].append(replace(event, offset_samples=offset))
    return blocks


def _speed(player: Player, block_size: int, num_steps: int, calls: Sequence[Callable[[], object]]) -> Speed:
    times_ms = time_calls_ms(calls, warm_up=_WARM_UP_BLOCKS)
    block_ms = 1000.0 * block_size / player.sample_rate
    median, worst = float(np.median(times_ms)), float(times_ms.max())
    return Speed(block_size, num_steps, median, worst, median / block_ms, worst / block_ms)
