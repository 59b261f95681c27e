"""Does a foreign codec stream, and how late is it? Its declarations do not say, so both are measured."""

import math

import torch
from torch import Tensor

from after.errors import CheckpointError
from after.streaming.contract import Streaming

_TOLERANCE = 1e-4
_NUM_FRAMES = 12
_LEVEL = 0.1
_LATENCY_FRAMES = 48
_LATENCY_S = 1.5
"""Heard after an impulse at least."""
_LATE_SHARE = 0.05
_IMPULSE_FRAME = 16
_NUM_IMPULSES = 8


@torch.no_grad()
def check_streaming(encoder: Streaming, decoder: Streaming, num_latents: int, name: str) -> None:
    """Compare both halves of a codec, without latency, with themselves in blocks and after other calls.

    Raises:
        CheckpointError: if they differ, or give values that are not finite.
    """
    generator = torch.Generator().manual_seed(0)
    audio = _LEVEL * torch.randn(2, _NUM_FRAMES * encoder.block_size, 1, generator=generator)
    latents = torch.randn(2, _NUM_FRAMES, num_latents, generator=generator)
    for method, stage, x in (("encode", encoder, audio), ("decode", decoder, latents)):
        whole, again = _stream(stage, x, [_NUM_FRAMES]), _stream(stage, x, [_NUM_FRAMES])
        if not bool(torch.isfinite(whole).all()):
            raise CheckpointError(f"{name}: {method} gives values that are not finite: use another codec")
        if not _equal(whole, again):
            raise CheckpointError(
                f"{name}: {method} gives something else when it is called again, so it draws at random or keeps state "
                "where it cannot be found: export it with state in buffers"
            )
        for frames in ([1] * _NUM_FRAMES, [3, 1, 2, 5, 1]):
            if not _equal(whole, _stream(stage, x, frames)):
                raise CheckpointError(
                    f"{name}: {method} gives something else in blocks than for the whole sequence: export it for "
                    "streaming, with cached convolutions (RAVE's export has --streaming)"
                )


@torch.no_grad()
def measure_latency(encoder: Streaming, decoder: Streaming, sample_rate: int, name: str) -> int:
    """Give the samples by which a decoded stream lags behind what was encoded.

    Impulses at several places of a frame are added to noise. What changes in the output is spread around the place
    where the impulse should be heard; the lag is where half of its energy has passed. An exact codec gives its exact
    delay.

    Raises:
        CheckpointError: if an impulse changes nothing in 1.5 s, or is still heard then.
    """
    hop, generator = encoder.block_size, torch.Generator().manual_seed(0)
    num_frames = max(_LATENCY_FRAMES, _IMPULSE_FRAME + 1 + math.ceil(_LATENCY_S * sample_rate / hop))
    audio = _LEVEL * torch.randn(1, num_frames * hop, 1, generator=generator)
    before = _IMPULSE_FRAME * hop
    plain = _round_trip(encoder, decoder, audio)
    energy = torch.zeros((num_frames - 1) * hop, dtype=torch.float64)
    for number in range(_NUM_IMPULSES):
        offset = hop * number // _NUM_IMPULSES
        changed = audio.clone()
        changed[:, before + offset] += 1.0
        difference = (_round_trip(encoder, decoder, changed) - plain).double().square().flatten()
        energy += difference[offset : offset + energy.numel()]
    total = energy.cumsum(0)
    whole = float(total[-1])
    if not whole > 0.0:
        raise CheckpointError(
            f"{name}: what is encoded does not reach what is decoded within {_LATENCY_S:g} s: use a trained codec"
        )
    if float(total[before + 3 * (energy.numel() - before) // 4]) < (1.0 - _LATE_SHARE) * whole:
        raise CheckpointError(
            f"{name}: a click is still heard {_LATENCY_S:g} s later, so its latency is too long for an instrument or "
            "cannot be measured: use another codec"
        )
    half = int((total >= 0.5 * whole).nonzero()[0])
    return max(0, half - before)


def _round_trip(encoder: Streaming, decoder: Streaming, audio: Tensor) -> Tensor:
    latents, _ = encoder.step(audio, encoder.init_state(1))
    sound, _ = decoder.step(latents, decoder.init_state(1))
    return sound


def _stream(stage: Streaming, x: Tensor, frames: list[int]) -> Tensor:
    """Run a sequence in blocks of so many frames each."""
    state = stage.init_state(x.size(0))
    outputs = []
    for block in torch.split(x, [count * stage.block_size for count in frames], dim=1):
        y, state = stage.step(block, state)
        outputs.append(y)
    return torch.cat(outputs, dim=1)


def _equal(first: Tensor, second: Tensor) -> bool:
    error = float((first - second).abs().max()) if first.shape == second.shape else float("inf")
    return error <= _TOLERANCE * max(1.0, float(first.abs().max()))
