"""What a codec costs before anything is timed: arithmetic, parameters, memory, latency."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from after.codec.load import AnyCodec

_WORKING_SHARE = 1.5
"""Peak of an update over what the backward pass needs: gradients on their way.

Measured on a CPU for codec_44k in batches of 1 to 12: 1.8 without discriminators, 1.1 with them.
"""


@dataclass(frozen=True, slots=True)
class CodecCost:
    """Figures that hold on every machine.

    Attributes:
        encode_parameters: of the encoder.
        decode_parameters: of the decoder.
        encode_gflop_per_s: 10^9 operations per second of audio, see `count_flop`.
        decode_gflop_per_s: likewise.
        numbers_per_s: latents per second.
        weights_mb: parameters and buffers, 10^6 bytes.
        latency_samples: declared, of encode and decode in a stream.
        latency_ms: the same in milliseconds.
    """

    encode_parameters: int
    decode_parameters: int
    encode_gflop_per_s: float
    decode_gflop_per_s: float
    numbers_per_s: float
    weights_mb: float
    latency_samples: int
    latency_ms: float


@torch.no_grad()
def measure_cost(codec: AnyCodec) -> CodecCost:
    """Count a codec's operations at the smallest block it streams, usually one frame per call, on the CPU."""
    hop, rate, encoder, decoder = codec.hop_length, codec.sample_rate, codec.encoder, codec.decoder
    audio = torch.zeros(1, math.lcm(encoder.block_size, hop), 1)
    latents = torch.zeros(1, decoder.block_size, codec.num_latents)
    states = encoder.init_state(1), decoder.init_state(1)
    encode_flop = count_flop(lambda: encoder.step(audio, states[0]))
    decode_flop = count_flop(lambda: decoder.step(latents, states[1]))
    return CodecCost(
        encode_parameters=count_parameters(encoder),
        decode_parameters=count_parameters(decoder),
        encode_gflop_per_s=encode_flop / 1e9 * rate / audio.size(1),
        decode_gflop_per_s=decode_flop / 1e9 * rate / (decoder.block_size * hop),
        numbers_per_s=codec.num_latents * rate / hop,
        weights_mb=sum(t.numel() * t.element_size() for t in (*codec.parameters(), *codec.buffers())) / 1e6,
        latency_samples=codec.latency_samples,
        latency_ms=1000.0 * codec.latency_samples / rate,
    )


def count_parameters(module: nn.Module) -> int:
    """Count the weights that training would change."""
    return sum(parameter.numel() for parameter in module.parameters())


def count_flop(call: Callable[[], object]) -> float:
    """Count the floating-point operations of a call.

    Counted are matrix products and convolutions (a multiplication and an addition are two operations) and Fourier
    transforms of size N, as 5 N log2 N for complex and half of that for real ones (Cooley and Tukey's radix-2
    count). Not counted is what works element by element: activations, norms, windows, depthwise taps, noise.
    """
    counter = FlopCounterMode(display=False, custom_mapping=_TRANSFORMS)
    with counter:
        call()
    return float(counter.get_total_flops())


def estimate_working_bytes(forward: Callable[[Tensor], object], crop_samples: int, batch: int) -> float:
    """Estimate what a training update holds at once beside the weights.

    That is what the backward pass needs of the forward pass, measured on one item and on two, and half as much again
    (`_WORKING_SHARE`).

    Args:
        forward: of audio [B, 1, T] to losses.
        crop_samples: T, of an item.
        batch: items per update.
    """
    generator = torch.Generator().manual_seed(0)
    items = [0.1 * torch.randn(count, 1, crop_samples, generator=generator) for count in (1, 2)]
    one, two = (measure_saved_bytes(partial(forward, audio)) for audio in items)
    return _WORKING_SHARE * (one + (batch - 1) * (two - one))


def measure_saved_bytes(forward: Callable[[], object]) -> int:
    """Measure what a forward pass keeps for its backward pass, without the leaves (weights) themselves."""
    seen: dict[int, int] = {}
    kept: list[Tensor] = []

    def keep(tensor: Tensor) -> Tensor:
        if not tensor.is_leaf or not tensor.requires_grad:
            kept.append(tensor)  # while it is alive, no other storage gets its address
            storage = tensor.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        forward()
    return sum(seen.values())


def _complex_flop(shape: list[int], dims: list[int]) -> float:
    size = math.prod(shape[dim] for dim in dims)
    return 5.0 * math.prod(shape) * math.log2(max(2, size))


def _r2c_flop(shape: list[int], dims: list[int], *_: object, **__: object) -> float:
    return 0.5 * _complex_flop(shape, dims)


def _c2r_flop(shape: list[int], dims: list[int], normalization: int, last_size: int, **__: object) -> float:
    real = list(shape)
    real[dims[-1]] = last_size
    return 0.5 * _complex_flop(real, dims)


def _c2c_flop(shape: list[int], dims: list[int], *_: object, **__: object) -> float:
    return _complex_flop(shape, dims)


_TRANSFORMS = {
    torch.ops.aten._fft_r2c: _r2c_flop,
    torch.ops.aten._fft_c2r: _c2r_flop,
    torch.ops.aten._fft_c2c: _c2c_flop,
}
