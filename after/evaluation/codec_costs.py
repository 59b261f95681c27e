"""Everything a codec costs, in one call: arithmetic, time, memory, latency, and the exactness of its stream."""

from dataclasses import asdict, dataclass
from typing import Any

from after.codec.cost import CodecCost, measure_cost
from after.codec.load import AnyCodec
from after.codec.speed import BLOCK_SIZES, BlockSpeed, measure_speeds, round_block, script_codec
from after.evaluation.codec_memory import measure_memory_mb
from after.evaluation.codec_report import number
from after.evaluation.codec_stream import (
    BLOCK_SIZES as STREAM_SIZES,
)
from after.evaluation.codec_stream import (
    MAX_STREAM_ERROR,
    MeasuredLatency,
    StreamErrors,
    compare_streams,
    measure_latency,
)
from after.evaluation.codec_systems import bits_per_latent, latent_kbps, training_noise
from after.evaluation.report import as_json
from after.streaming.archive import pack
from after.streaming.timing import one_thread

COST_COLUMNS = (
    "codec", "parameters enc + dec", "GFLOP/s enc + dec", "memory MB", "numbers/s", "bits each", "latency",
    "first change", "waveform lag", "attack lag",
)  # fmt: skip
SPEED_COLUMNS = ("codec", "method", "block", "real-time factor", "p50 ms", "p99 ms", "least ms")
STREAM_COLUMNS = ("codec", "stream - whole", *(str(size) for size in STREAM_SIZES), "mixed")


@dataclass(frozen=True, slots=True)
class CodecCosts:
    """What a codec costs on this machine.

    Attributes:
        cost: what does not depend on the machine.
        bits_per_latent: at the noise of training, infinite without noise; see `after.evaluation.codec_systems`.
        kbps: bit budget of all latents at that noise; NaN without.
        speeds: in TorchScript on one thread.
        peak_memory_mb: of its stream in a process of its own; NaN where that cannot be measured.
        streams: how exact its streams are.
        latency: measured.
        sample_rate: Hz.
    """

    cost: CodecCost
    bits_per_latent: float
    kbps: float
    speeds: tuple[BlockSpeed, ...]
    peak_memory_mb: float
    streams: tuple[StreamErrors, ...]
    latency: MeasuredLatency
    sample_rate: int

    @property
    def streams_exactly(self) -> bool:
        """Whether every stream equals the whole sequence within `MAX_STREAM_ERROR`; NaN does not."""
        return all(errors.worst <= MAX_STREAM_ERROR for errors in self.streams)

    def to_dict(self) -> dict[str, Any]:
        """Give plain values for JSON; what is not finite becomes None."""
        plain = as_json(asdict(self) | {"streams_exactly": self.streams_exactly, "max_stream_error": MAX_STREAM_ERROR})
        assert isinstance(plain, dict)
        return plain


def measure_costs(codec: AnyCodec, *, seconds: float) -> CodecCosts:
    """Measure everything on one thread.

    Args:
        codec: in evaluation mode; its weights need no gradients afterwards.
        seconds: of audio per speed measurement.

    Raises:
        ExportError: if TorchScript refuses the codec, or the result does not run.
    """
    noise = training_noise(codec)
    with one_thread():
        scripted = script_codec(codec)
        archive = pack(scripted, {})
        return CodecCosts(
            cost=measure_cost(codec),
            bits_per_latent=bits_per_latent(noise),
            kbps=latent_kbps(codec, noise),
            speeds=tuple(measure_speeds(scripted, codec, seconds=seconds)),
            peak_memory_mb=measure_memory_mb(archive, round_block(codec, BLOCK_SIZES[0])),
            streams=tuple(compare_streams(codec, scripted)),
            latency=measure_latency(codec),
            sample_rate=codec.sample_rate,
        )


def cost_row(name: str, costs: CodecCosts) -> tuple[str, ...]:
    """Give the cells of `COST_COLUMNS`."""
    cost, late = costs.cost, costs.latency
    change = late.first_change_samples
    return (
        name,
        f"{cost.encode_parameters / 1e6:.2f} + {cost.decode_parameters / 1e6:.2f} M",
        f"{cost.encode_gflop_per_s:.3f} + {cost.decode_gflop_per_s:.3f}",
        number(costs.peak_memory_mb, ".0f"),
        f"{cost.numbers_per_s:.0f}",
        number(costs.bits_per_latent, ".2f"),
        f"{cost.latency_samples} ({cost.latency_ms:.1f} ms)",
        f"{change[0]} to {change[1]}" if change else "none",
        str(late.waveform_samples),
        f"{late.envelope_samples} ({1000 * late.envelope_samples / costs.sample_rate:.1f} ms)",
    )


def speed_rows(name: str, costs: CodecCosts) -> list[tuple[str, ...]]:
    """Give the rows of `SPEED_COLUMNS`."""
    return [
        (
            name,
            s.method,
            str(s.block_size),
            f"{s.factor:.4f}",
            f"{s.p50_ms:.3f}",
            f"{s.p99_ms:.3f}",
            f"{s.least_ms:.3f}",
        )
        for s in costs.speeds
    ]


def stream_rows(name: str, costs: CodecCosts) -> list[tuple[str, ...]]:
    """Give the rows of `STREAM_COLUMNS`: the largest difference for each way of running and division into blocks."""
    runs = dict.fromkeys(errors.run for errors in costs.streams)
    return [(name, run, *(f"{s.worst:.1e}" for s in costs.streams if s.run == run)) for run in runs]
