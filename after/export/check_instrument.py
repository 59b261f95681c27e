"""The exported instrument against its parts: what plays it, timbres, speed."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from after.codec.load import AnyCodec
from after.conditioning.listener import Listener
from after.conditioning.pitch_loudness import transpose_pitch_loudness
from after.conditioning.timbre_map import TimbreMap
from after.export.check import BATCH_SIZES, NUM_FRAMES, check_codec, measure_stream, noise, worst
from after.instrument.events import HeldNotes, NoteEvent
from after.instrument.melody import make_melody
from after.model import Model
from after.streamer import NOTES_KIND
from after.streaming.timing import one_thread, time_calls_ms

_WARM_UP_BLOCKS = 6
_NOTES_PER_ITEM = 12


@torch.no_grad()
def check_instrument(
    loaded: Any, codec: AnyCodec, model: Model, *, kind: str = NOTES_KIND, timbre_map: TimbreMap | None = None
) -> dict[str, float]:
    """Compare all methods of an exported instrument with its codec and model; give the largest differences.

    Args:
        loaded: the exported module.
        codec: of the instrument.
        model: of the instrument.
        kind: of its structure.
        timbre_map: of the instrument.

    Raises:
        ExportError: if one is too large.
    """
    errors: dict[str, list[float]] = {"timbre": [], "structure": [], "generate": [], "forward": [], "map": []}
    hop, lag = codec.hop_length, codec.latency_samples
    for batch_size in BATCH_SIZES:
        audio = noise(batch_size, 1, NUM_FRAMES * hop, level=0.1)
        wanted = [model.timbre_encoder(codec.encode(audio[:, :, : n * hop]).mT) for n in range(1, NUM_FRAMES + 1)]
        errors["timbre"].append(measure_stream(loaded, "timbre", audio, torch.stack(wanted, dim=2)))
        (transpose,) = loaded.get_transpose()
        if kind == NOTES_KIND:
            signals, structure = _notes(batch_size, hop, transpose)
        else:
            signals = _melodies(batch_size, codec)
            structure = _heard(signals, kind, codec, model)
            errors["structure"].append(measure_stream(loaded, "structure", signals, structure.mT))
        if kind == "pitch_loudness":
            structure = transpose_pitch_loudness(structure, transpose)
        timbre = noise(batch_size, model.timbre_size).tanh()
        x = torch.cat([signals, timbre[:, :, None].expand(-1, -1, signals.size(2))], dim=1)
        latents = _generate(loaded, model, structure, timbre)
        errors["generate"].append(measure_stream(loaded, "generate", x, latents))
        errors["forward"].append(measure_stream(loaded, "forward", x, codec.decode(latents), lag=lag))
        if timbre_map is not None:
            errors["map"].append(_map_error(loaded, timbre_map, batch_size))
    loaded.set_reset(1)
    return check_codec(loaded, codec) | worst({name: values for name, values in errors.items() if values})


def _generate(loaded: Any, model: Model, structure: Tensor, timbre: Tensor) -> Tensor:
    """Generate latents [B, D, L] with the model itself, as the exported module is set."""
    (num_steps,), (seed,) = loaded.get_num_steps(), loaded.get_seed()
    (guidance_structure,), (guidance_timbre,) = loaded.get_guidance_structure(), loaded.get_guidance_timbre()
    (temperature,) = loaded.get_temperature()
    latents: Tensor = model.generate(
        structure,
        timbre,
        seeds=torch.full([structure.size(0)], seed),
        num_steps=num_steps,
        guidance_structure=guidance_structure,
        guidance_timbre=guidance_timbre,
        temperature=temperature,
    )
    return latents.mT


def _melodies(batch_size: int, codec: AnyCodec) -> Tensor:
    """Make up audio to play with, [B, 1, T]; another one for each item."""
    num_samples = NUM_FRAMES * codec.hop_length
    return torch.from_numpy(np.stack([make_melody(num_samples, codec.sample_rate, seed=i) for i in range(batch_size)]))


def _heard(audio: Tensor, kind: str, codec: AnyCodec, model: Model) -> Tensor:
    """Tell the structure [B, L, S] of whole recordings [B, 1, T]."""
    if kind == "pitch_loudness":
        pitches: Tensor = Listener(codec.sample_rate, hop=codec.hop_length)(audio.mT)
        return pitches
    assert model.code is not None
    code: Tensor = model.code(codec.encode(audio).mT)
    return code


def _map_error(loaded: Any, timbre_map: TimbreMap, batch_size: int) -> float:
    """Compare the timbres at some places, also outside of the map."""
    places = noise(batch_size, 2, NUM_FRAMES)
    wanted = torch.stack([timbre_map(places[:, :, frame]) for frame in range(NUM_FRAMES)], dim=2)
    return measure_stream(loaded, "map", places, wanted)


def _notes(batch_size: int, hop: int, transpose: int) -> tuple[Tensor, Tensor]:
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
