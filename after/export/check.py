"""Does an exported file do what it declares? Its stream against the whole sequence, its protocol, its repeatability."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from after.codec.load import AnyCodec
from after.errors import ExportError
from after.export.operators import unsupported_operators
from after.streaming.lag import find_lag
from after.streaming.stepping import run_blocks

MAX_ERROR = 1e-4
"""Largest difference between a stream and the whole sequence, full scale = 1."""

BLOCK_FRAMES = (1, 2, 8)
BATCH_SIZES = (1, 4)
NUM_FRAMES = 16


def check_operators(scripted: torch.jit.ScriptModule) -> None:
    """Raise an ExportError if libtorch 2.5 lacks an operator, and could not load the file."""
    problems = unsupported_operators(scripted)
    if problems:
        raise ExportError(f"hosts with libtorch 2.5 could not load the file: {'; '.join(problems)}")


@torch.inference_mode()
def check_protocol(loaded: Any, num_frames: int, hop_length: int) -> None:
    """Check what nn~ relies on: buffers, powers of two, shapes, labels, getters and setters.

    Raises:
        ExportError: naming the first thing that is wrong.
    """
    for name in loaded.get_methods():
        in_channels, in_ratio, out_channels, out_ratio = _params(loaded, name, 4)
        for ratio in (in_ratio, out_ratio):
            if ratio & (ratio - 1):
                raise ExportError(f"method {name} has the ratio {ratio}; hosts need powers of two: change the hop")
        x = torch.zeros(1, in_channels, num_frames * hop_length // in_ratio)
        y = getattr(loaded, name)(x)
        if list(y.shape) != [1, out_channels, num_frames * hop_length // out_ratio] or y.dtype != torch.float32:
            raise ExportError(f"method {name} gives {list(y.shape)} {y.dtype}, which its {name}_params do not declare")
        if not bool(torch.isfinite(y).all()):
            raise ExportError(f"method {name} gives infinite values for silence: train the model longer")
        labels = len(getattr(loaded, f"{name}_input_labels")), len(getattr(loaded, f"{name}_output_labels"))
        if labels != (in_channels, out_channels):
            raise ExportError(f"method {name} has {labels} labels for {in_channels} and {out_channels} channels")
    for name in loaded.get_attributes():
        _params(loaded, name, 1)
        value = getattr(loaded, f"get_{name}")()
        if not isinstance(value, tuple) or len(value) != 1 or getattr(loaded, f"set_{name}")(*value) != 0:
            raise ExportError(f"attribute {name} cannot be read and set")


def _params(loaded: Any, name: str, count: int) -> list[int]:
    params: Tensor = getattr(loaded, f"{name}_params")
    if params.dtype != torch.int64 or params.numel() != count:
        raise ExportError(f"{name}_params must be {count} whole numbers, not {params.tolist()}")
    return [int(value) for value in params]


@torch.inference_mode()
def measure_stream(loaded: Any, name: str, x: Tensor, whole: Tensor, *, lag: int = 0) -> float:
    """Give the largest difference between a method's stream, in blocks of 1, 2 and 8 frames, and the whole sequence.

    Args:
        loaded: the exported module; it is reset before each run.
        name: of the method.
        x: input [B, C, T] of `NUM_FRAMES` frames.
        whole: what the whole sequence gives.
        lag: values by which the stream may lag.

    Returns:
        the difference, relative to the peak where that is above 1.

    Raises:
        ExportError: if it is more than `MAX_ERROR`, or two runs after a reset differ.
    """
    method = getattr(loaded, name)
    errors = []
    for frames in BLOCK_FRAMES:
        runs = []
        for _ in range(2):
            loaded.set_reset(1)
            runs.append(run_blocks(method, x, (x.size(2) * frames // NUM_FRAMES,)))
        if not bool(torch.isfinite(runs[0]).all()):
            raise ExportError(f"method {name} gives values that are not finite: train the model longer")
        if not torch.equal(runs[0], runs[1]):
            raise ExportError(f"method {name} gives something else after a reset")
        difference = (runs[0][:, :, lag:] - whole[:, :, : whole.size(2) - lag]).abs().max()
        errors.append(float(difference / whole.abs().max().clamp_min(1.0)))
    # unlike max(), this does not lose a NaN
    error = float(torch.tensor(errors).max())
    if not error <= MAX_ERROR:
        raise ExportError(
            f"method {name} streamed differs from the whole sequence by {error:.2g} ({MAX_ERROR} allowed)"
        )
    return error


@torch.no_grad()
def check_codec(loaded: Any, codec: AnyCodec) -> dict[str, float]:
    """Compare the exported `encode` and `decode` with the codec itself; give the largest differences."""
    errors: dict[str, list[float]] = {"encode": [], "decode": []}
    for batch_size in BATCH_SIZES:
        audio = noise(batch_size, 1, NUM_FRAMES * codec.hop_length, level=0.1)
        latents = noise(batch_size, codec.num_latents, NUM_FRAMES)
        errors["encode"].append(measure_stream(loaded, "encode", audio, codec.encode(audio)))
        lag = codec.latency_samples
        errors["decode"].append(measure_stream(loaded, "decode", latents, codec.decode(latents), lag=lag))
    return worst(errors)


@torch.inference_mode()
def check_round_trip(loaded: Any, codec: AnyCodec) -> tuple[float, int]:
    """Compare the `forward` of an exported codec with the whole sequence.

    Returns:
        the largest difference, and the samples by which it lags, measured.

    Raises:
        ExportError: if it differs, or lags by something else than the codec declares.
    """
    audio = noise(1, 1, NUM_FRAMES * codec.hop_length, level=0.1)
    whole = codec.decode(codec.encode(audio))
    loaded.set_reset(1)
    streamed = run_blocks(loaded.forward, audio, (codec.hop_length,))
    lag = find_lag(whole[0, 0].numpy(), streamed[0, 0].numpy())
    if lag != codec.latency_samples:
        raise ExportError(f"forward lags by {lag} samples, but {codec.latency_samples} are declared")
    return measure_stream(loaded, "forward", audio, whole, lag=lag), lag


def worst(errors: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Give the largest value of each list."""
    return {name: max(values) for name, values in errors.items()}


def noise(*shape: int, level: float = 1.0) -> Tensor:
    """Draw the same normal noise every time."""
    return level * torch.randn(shape, generator=torch.Generator().manual_seed(0))
