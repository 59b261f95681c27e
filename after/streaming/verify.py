"""One checker for everything that streams: it takes a module's declarations and believes none of them."""

import copy
import io
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor

from after.streaming.contract import Streaming

_BLOCKS_PER_CALL = (1, 2, 3, 7)


class StreamingError(AssertionError):
    """A module does not keep what its declarations promise."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StreamingReport:
    """What was measured.

    Attributes:
        max_error: largest difference between the whole sequence and any way of stepping through it.
        latency: output frames, measured with an impulse.
        num_frames: input frames that were run.
    """

    max_error: float
    latency: int
    num_frames: int


def stream(module: Streaming, x: Tensor, blocks_per_call: int) -> Tensor:
    """Run [B, T, C] through `step`, `blocks_per_call` blocks at a time, and join the outputs."""
    size = blocks_per_call * module.block_size
    state = module.init_state(x.size(0))
    outputs: list[Tensor] = []
    for start in range(0, x.size(1), size):
        y, state = module.step(x[:, start : start + size], state)
        outputs.append(y)
    return torch.cat(outputs, dim=1)


@torch.no_grad()
def verify_streaming(
    module: Streaming,
    in_width: int,
    *,
    batch_size: int = 2,
    num_blocks: int = 42,
    tolerance: float = 1e-9,
    script: bool = True,
) -> StreamingReport:
    """Check a module's contract on random input, in float64 by default.

    Checked: whole = stepped for several blocks per call; ratio; latency by impulse; the future never reaches the past;
    two interleaved streams do not mix; a new state equals the first; state sizes stay constant; TorchScript, saved and
    reloaded, equals eager.

    Args:
        module: any streaming module; it is copied, not changed.
        in_width: features of its input.
        batch_size: parallel streams.
        num_blocks: blocks in the test sequence.
        tolerance: largest absolute difference allowed (1e-9 for float64, 1e-5 for float32).
        script: whether to check TorchScript too.

    Returns:
        what was measured.

    Raises:
        StreamingError: naming the first promise that is broken.
    """
    module = copy.deepcopy(module).eval()
    dtype = torch.float64 if tolerance < 1e-6 else torch.float32
    module = module.to(dtype)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(batch_size, num_blocks * module.block_size, in_width, generator=generator, dtype=dtype)
    whole = module(x)
    _check_ratio(module, x, whole)
    error = max(
        _difference(module, whole, stream(module, x, n), f"{n} blocks per call", tolerance) for n in _BLOCKS_PER_CALL
    )
    _check_causality(module, x, tolerance)
    _check_independent_streams(module, x, tolerance)
    _check_constant_state(module, x)
    latency = _check_latency(module, x, tolerance)
    if script:
        _check_script(module, x, whole, tolerance)
    return StreamingReport(max_error=error, latency=latency, num_frames=x.size(1))


def _check_ratio(module: Streaming, x: Tensor, whole: Tensor) -> None:
    if whole.size(1) * module.down != x.size(1) * module.up:
        raise StreamingError(f"declared ratio {module.up}/{module.down}, but {x.size(1)} frames gave {whole.size(1)}")


def _difference(module: Streaming, whole: Tensor, stepped: Tensor, how: str, tolerance: float) -> float:
    """Compare aligned outputs; the stream lags by the declared latency."""
    lag = module.latency
    if stepped.size(1) != whole.size(1):
        raise StreamingError(f"{how}: {stepped.size(1)} frames streamed, {whole.size(1)} as a whole")
    error = float((whole[:, : whole.size(1) - lag] - stepped[:, lag:]).abs().max())
    if not error <= tolerance:
        raise StreamingError(f"{how}: differs from the whole sequence by {error:.3g}, more than {tolerance:g}")
    return error


def _check_causality(module: Streaming, x: Tensor, tolerance: float) -> None:
    """Change the future wildly; the past must not move. (NaN would also trip masked softmax: 0 * NaN.)"""
    half = x.size(1) // module.block_size // 2 * module.block_size
    changed = x.clone()
    changed[:, half:] = 1e3 * torch.randn(
        changed[:, half:].shape, generator=torch.Generator().manual_seed(1), dtype=x.dtype
    )
    known = half * module.up // module.down - module.latency
    if known <= 0:
        return
    error = float((module(x)[:, :known] - module(changed)[:, :known]).abs().max())
    if not error <= tolerance:
        raise StreamingError(f"input after frame {half} changed output before frame {known} by {error:.3g}")


def _check_independent_streams(module: Streaming, x: Tensor, tolerance: float) -> None:
    """Interleave two streams through one module; each must sound as if alone."""
    other = x.flip(1)
    states = [module.init_state(x.size(0)), module.init_state(x.size(0))]
    outputs: list[list[Tensor]] = [[], []]
    for start in range(0, x.size(1), module.block_size):
        for index, source in enumerate((x, other)):
            y, states[index] = module.step(source[:, start : start + module.block_size], states[index])
            outputs[index].append(y)
    for index, source in enumerate((x, other)):
        alone = stream(module, source, 1)
        if not torch.allclose(torch.cat(outputs[index], dim=1), alone, rtol=0, atol=tolerance):
            raise StreamingError("two interleaved streams mix: state is kept inside the module")


def _check_constant_state(module: Streaming, x: Tensor) -> None:
    state = module.init_state(x.size(0))
    if len(state) != module.num_states:
        raise StreamingError(f"declared {module.num_states} state tensors, init_state gave {len(state)}")
    shapes = [tensor.shape for tensor in state]
    before = [tensor.clone() for tensor in state]
    _, after = module.step(x[:, : module.block_size], state)
    if any(not torch.equal(a, b) for a, b in zip(state, before, strict=True)):
        raise StreamingError("step changed the state it was given; it must return a new one")
    for count in range(1000):
        _, after = module.step(x[:, : module.block_size], after)
        if [tensor.shape for tensor in after] != shapes:
            raise StreamingError(f"state sizes changed after {count + 2} steps: {shapes} to {[t.shape for t in after]}")
        if module.num_states == 0:
            return
    if not all(bool(torch.isfinite(tensor).all()) for tensor in after):
        raise StreamingError("the state is no longer finite after 1000 steps")


def _check_latency(module: Streaming, x: Tensor, tolerance: float) -> int:
    """Find where a change at one input frame first shows, in the whole sequence and in the stream."""
    position = x.size(1) // module.block_size // 2 * module.block_size
    changed = x.clone()
    changed[:, position] += 1.0

    def first_change(a: Tensor, b: Tensor) -> int:
        moved = ((a - b).abs().amax(dim=(0, 2)) > tolerance).nonzero()
        return int(moved[0]) if len(moved) else -1

    whole = first_change(module(x), module(changed))
    stepped = first_change(stream(module, x, 1), stream(module, changed, 1))
    if whole < 0 or stepped < 0:
        raise StreamingError("an impulse at the input never reached the output")
    if stepped - whole != module.latency:
        raise StreamingError(f"declared latency {module.latency} frames, measured {stepped - whole}")
    return stepped - whole


def _check_script(module: Streaming, x: Tensor, whole: Tensor, tolerance: float) -> None:
    """Compile the module's methods, save, reload, stream, compare."""

    class Owner(torch.nn.Module):
        def __init__(self, inner: Streaming) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
            if len(state) == 0:
                state = self.inner.init_state(x.size(0))
            return self.inner.step(x, state)

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*torch.jit.*deprecated", category=DeprecationWarning)
        buffer = io.BytesIO()
        torch.jit.save(torch.jit.script(Owner(module)), buffer)
        buffer.seek(0)
        loaded = torch.jit.load(buffer)
    state: list[Tensor] = []
    outputs: list[Tensor] = []
    for start in range(0, x.size(1), module.block_size):
        y, state = loaded(x[:, start : start + module.block_size], state)
        outputs.append(y)
    _difference(module, whole, torch.cat(outputs, dim=1), "TorchScript", tolerance)
