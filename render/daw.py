"""The one place that talks to DawDreamer: audio arrays on a tempo map, summed by its graph."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from render.errors import RenderError
from render.large import pieces, zeros
from render.tempo import TempoMap

TICKS_PER_BEAT = 960
"""Resolution of the tempo curve that DawDreamer is given."""


@dataclass(frozen=True, slots=True)
class Lane:
    """Audio of one track, [1 or 2, T] from time 0, and its gain in the mix."""

    name: str
    audio: NDArray[np.float32]
    gain_db: float = 0.0


def mix_lanes(
    lanes: Sequence[Lane], num_samples: int, *, sample_rate: int, block_size: int = 512
) -> NDArray[np.float32]:
    """Play lanes back together in a DawDreamer graph.

    Args:
        lanes: at least one; mono lanes play on both channels.
        num_samples: length of the result.
        sample_rate: in Hz.
        block_size: samples per engine block; the result does not depend on it.

    Returns:
        audio [2, num_samples] float32, sample-aligned with the lanes.

    Raises:
        RenderError: if DawDreamer refuses the graph or does not render all of it.
    """
    mix = zeros((2, num_samples))
    for piece in pieces(num_samples):
        parts = [Lane(lane.name, lane.audio[:, piece], lane.gain_db) for lane in lanes]
        mix[:, piece] = _mix_piece(parts, piece.stop - piece.start, sample_rate=sample_rate, block_size=block_size)
    return mix


def _mix_piece(lanes: Sequence[Lane], num_samples: int, *, sample_rate: int, block_size: int) -> NDArray[np.float32]:
    """Play a piece of all lanes together; sums remember nothing, so it does not matter where pieces begin."""
    padded = num_samples + block_size  # the length is given in seconds, and one sample may be lost to rounding
    engine = make_engine(TempoMap(), padded, sample_rate=sample_rate, block_size=block_size)
    nodes = _nodes(engine, lanes)
    try:
        if not engine.load_graph(nodes) or not engine.render(padded / sample_rate):
            raise RenderError(f"DawDreamer could not render {len(lanes)} tracks over {num_samples} samples")
        audio = np.asarray(engine.get_audio(), dtype=np.float32)
    finally:
        nodes.clear()  # DawDreamer crashes if a processor outlives its engine.
    if audio.shape[-1] < num_samples:
        raise RenderError(f"DawDreamer stopped {num_samples - audio.shape[-1]} samples before the end")
    return audio[:2, :num_samples]


def make_engine(tempo_map: TempoMap, num_samples: int, *, sample_rate: int, block_size: int = 512) -> Any:
    """Build a DawDreamer `RenderEngine` whose transport follows a tempo map over a length in samples."""
    import dawdreamer

    engine = dawdreamer.RenderEngine(sample_rate, block_size)
    if len(tempo_map.changes) == 1:
        engine.set_bpm(tempo_map.changes[0].beats_per_minute)
    else:
        engine.set_bpm(tempo_curve(tempo_map, num_samples / sample_rate), TICKS_PER_BEAT)
    return engine


def _nodes(engine: Any, lanes: Sequence[Lane]) -> list[tuple[Any, list[str]]]:
    """Make the graph: one playback processor per lane, all into one sum."""
    names = [f"lane {index}" for index in range(len(lanes))]
    nodes: list[tuple[Any, list[str]]] = [
        (engine.make_playback_processor(name, _stereo(lane.audio)), []) for name, lane in zip(names, lanes, strict=True)
    ]
    gains = [float(10.0 ** (lane.gain_db / 20.0)) for lane in lanes]
    nodes.append((engine.make_add_processor("mix", gains), names))
    return nodes


def _stereo(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """Put mono on both channels: DawDreamer connects channel by channel, so all lanes must have the same two."""
    both = np.repeat(audio, 2, axis=0) if audio.shape[0] == 1 else audio
    return np.ascontiguousarray(both, dtype=np.float32)


def tempo_curve(tempo_map: TempoMap, duration_s: float) -> NDArray[np.float32]:
    """Sample a tempo map at `TICKS_PER_BEAT` per beat.

    Returns:
        beats per minute [number of ticks] float32, covering at least `duration_s` and one beat.
    """
    num_ticks = max(TICKS_PER_BEAT, int(np.ceil(tempo_map.beats_at(duration_s) * TICKS_PER_BEAT)) + 1)
    curve = np.empty(num_ticks, dtype=np.float32)
    for change in tempo_map.changes:
        start = round(tempo_map.beats_at(change.time_s) * TICKS_PER_BEAT)
        curve[start:] = change.beats_per_minute
    return curve
