"""The exported instrument against its parts: played notes, timbres, speed."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from after.codec.load import AnyCodec
from after.export.check import BATCH_SIZES, NUM_FRAMES, check_codec, measure_stream, noise, worst
from after.instrument.events import HeldNotes, NoteEvent
from after.model import Model
from after.streaming.timing import one_thread, time_calls_ms

_WARM_UP_BLOCKS = 6
_NOTES_PER_ITEM = 12


@torch.no_grad()
def check_instrument(loaded: Any, codec: AnyCodec, model: Model) -> dict[str, float]:
    """Compare all methods of an exported instrument with its codec and model; give the largest differences.

    Raises:
        ExportError: if one is too large.
    """
    errors: dict[str, list[float]] = {"timbre": [], "generate": [], "forward": []}
    hop, lag = codec.hop_length, codec.latency_samples
    (num_steps,), (seed,) = loaded.get_num_steps(), loaded.get_seed()
    (guidance_structure,), (guidance_timbre,) = loaded.get_guidance_structure(), loaded.get_guidance_timbre()
    (temperature,) = loaded.get_temperature()
    for batch_size in BATCH_SIZES:
        audio = noise(batch_size, 1, NUM_FRAMES * hop, level=0.1)
        wanted = [model.timbre_encoder(codec.encode(audio[:, :, : n * hop]).mT) for n in range(1, NUM_FRAMES + 1)]
        errors["timbre"].append(measure_stream(loaded, "timbre", audio, torch.stack(wanted, dim=2)))
        timbre = noise(batch_size, model.timbre_size).tanh()
        signals, structure = _performance(batch_size, hop, loaded.get_transpose()[0])
        held = timbre[:, :, None].expand(-1, -1, signals.size(2))
        latents = model.generate(
            structure,
            timbre,
            seeds=torch.full([batch_size], seed),
            num_steps=num_steps,
            guidance_structure=guidance_structure,
            guidance_timbre=guidance_timbre,
            temperature=temperature,
        ).mT
        x = torch.cat([signals, held], dim=1)
        errors["generate"].append(measure_stream(loaded, "generate", x, latents))
        errors["forward"].append(measure_stream(loaded, "forward", x, codec.decode(latents), lag=lag))
    loaded.set_reset(1)
    return check_codec(loaded, codec) | worst(errors)


def _performance(batch_size: int, hop: int, transpose: int) -> tuple[Tensor, Tensor]:
    """Make up notes; give them as signals [B, 16, T], and transposed as structure [B, L, 256], from the events."""
    generator = np.random.default_rng(0)
    signals = np.zeros((batch_size, 16, NUM_FRAMES * hop), dtype=np.float32)
    structure = np.zeros((batch_size, NUM_FRAMES, 256), dtype=np.float32)
    for item in range(batch_size):
        events: list[NoteEvent] = []
        for number in range(_NOTES_PER_ITEM):
            voice, pitch = number % 8, int(generator.integers(36, 84))
            # a voice's second note begins after its first
            half = NUM_FRAMES * hop // 2
            start = int(generator.integers(1, half // 2)) + half * (number // 8)
            stop = start + int(generator.integers(1, half // 2))
            velocity = int(generator.integers(1, 128))
            signals[item, 2 * voice, start:] = pitch
            signals[item, 2 * voice + 1, start:stop] = velocity
            events += [NoteEvent(start, pitch + transpose, velocity), NoteEvent(stop, pitch + transpose, 0)]
        events.sort(key=lambda event: (event.offset_samples, event.velocity > 0))
        keyboard = HeldNotes(hop)
        for frame in range(NUM_FRAMES):
            here = [e for e in events if e.offset_samples // hop == frame]
            inside = [NoteEvent(e.offset_samples % hop, e.pitch, e.velocity) for e in here]
            structure[item, frame] = keyboard.frame(inside)
    return torch.from_numpy(signals), torch.from_numpy(structure)


@torch.inference_mode()
def measure_speed(loaded: Any, name: str, x: Tensor, seconds: float, num_blocks: int = 43) -> float:
    """Give computing time over playing time, the median over blocks, on one thread.

    Args:
        loaded: the exported module.
        name: of the method.
        x: the input of one block.
        seconds: that a block plays.
        num_blocks: how many to time.
    """
    try:
        with one_thread():
            calls = [lambda: getattr(loaded, name)(x)] * (_WARM_UP_BLOCKS + num_blocks)
            times_ms = time_calls_ms(calls, warm_up=_WARM_UP_BLOCKS)
    finally:
        loaded.set_reset(1)
    return float(np.median(times_ms)) / 1000.0 / seconds
