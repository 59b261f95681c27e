"""One checker for everything that streams: it takes a module's declarations and believes none of them."""

import copy
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.jit.frontend import FrontendError

from after.streaming.contract import Streaming
from after.streaming.isolation import (
    check_arguments_kept,
    check_constant_state,
    check_independent_items,
    check_independent_streams,
    check_memory_shared,
)
from after.streaming.stepping import StreamingError, check_shape, stream, stream_with

__all__ = ["StreamingError", "StreamingReport", "stream", "verify_streaming"]

_BLOCKS_PER_CALL = ((1,), (2,), (3,), (7,), (1, 5, 2, 1, 1, 3))  # the last: state handed on between different sizes
_MAX_POSITIONS = 8


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


@torch.no_grad()
def verify_streaming(
    module: Streaming,
    in_width: int,
    *,
    batch_size: int = 2,
    num_blocks: int = 42,
    tolerance: float = 1e-9,
    script: bool = True,
    num_steps: int = 1000,
) -> StreamingReport:
    """Check a module's contract on random input, in float64 by default.

    Checked: whole = stepped for several blocks per call, also mixed; ratio, call by call; latency by impulses; the
    future never reaches the past; two interleaved streams, and the items of a batch, do not mix; a new state equals the
    first; `step` changes neither its arguments nor the module, and its results share no memory with the next block;
    state sizes and memory stay constant; TorchScript, saved and reloaded, equals eager.

    Args:
        module: any streaming module; it is copied, not changed.
        in_width: features of its input.
        batch_size: parallel streams.
        num_blocks: blocks in the test sequence; it is made longer when the declared latency asks for it.
        tolerance: largest absolute difference allowed (1e-9 for float64, 1e-5 for float32).
        script: whether to check TorchScript too.
        num_steps: steps over which the state must neither grow nor leave the finite numbers.

    Returns:
        what was measured.

    Raises:
        StreamingError: naming the first promise that is broken.
    """
    module = copy.deepcopy(module).eval()
    dtype = torch.float64 if tolerance < 1e-6 else torch.float32
    module = module.to(dtype)
    num_frames = max(num_blocks, _blocks_for_latency(module)) * module.block_size
    x = _noise([batch_size, num_frames, in_width], dtype=dtype, seed=0)
    whole = module(x.clone())
    check_shape(module, x, whole)
    check_arguments_kept(module, x)
    error = max(_check_steps(module, x, whole, sizes, tolerance) for sizes in _BLOCKS_PER_CALL)
    _check_causality(module, x, tolerance)
    check_memory_shared(module, x, tolerance)
    check_independent_streams(module, x, tolerance)
    check_independent_items(module, x, tolerance)
    check_constant_state(module, x, num_steps)
    latency = _check_latency(module, x, tolerance)
    if script:
        _check_script(module, x, whole, tolerance)
    return StreamingReport(max_error=error, latency=latency, num_frames=num_frames)


def _noise(shape: list[int], *, dtype: torch.dtype, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def _blocks_for_latency(module: Streaming) -> int:
    """Count the blocks whose output is several latencies long, after checking the declarations themselves."""
    if min(module.block_size, module.up, module.down) < 1 or min(module.latency, module.num_states) < 0:
        raise StreamingError(
            f"declared block_size {module.block_size}, ratio {module.up}/{module.down}, latency {module.latency}, "
            f"{module.num_states} states: sizes start at 1, latency and states at 0"
        )
    if module.block_size * module.up % module.down:
        raise StreamingError(
            f"a block of {module.block_size} frames is no whole number of frames at the ratio {module.up}/{module.down}"
        )
    return 4 * (module.latency // (module.block_size * module.up // module.down) + 1)


def _check_steps(module: Streaming, x: Tensor, whole: Tensor, sizes: Sequence[int], tolerance: float) -> float:
    stepped = stream_with(module, x, sizes, module.step, module.init_state(x.size(0)))
    return _difference(module, whole, stepped, f"{', '.join(map(str, sizes))} blocks per call", tolerance)


def _difference(module: Streaming, whole: Tensor, stepped: Tensor, how: str, tolerance: float) -> float:
    """Compare aligned outputs; the stream lags by the declared latency, and what comes before must be sound too."""
    lag = module.latency
    error = float((whole[:, : whole.size(1) - lag] - stepped[:, lag:]).abs().max())
    if not error <= tolerance:
        raise StreamingError(f"{how}: differs from the whole sequence by {error:.3g}, more than {tolerance:g}")
    if not bool(torch.isfinite(stepped[:, :lag]).all()):
        raise StreamingError(f"{how}: the first {lag} frames, before the latency has passed, are not all finite")
    return error


def _check_causality(module: Streaming, x: Tensor, tolerance: float) -> None:
    """Change the future wildly; the past must not move. NaN would not do: 0 * NaN in a masked softmax is NaN."""
    half = x.size(1) // module.block_size // 2 * module.block_size
    whole = module(x)
    for cut in range(half, half + 3 * module.block_size, module.block_size):
        changed = x.clone()
        changed[:, cut:] = 1e3 * _noise(list(changed[:, cut:].shape), dtype=x.dtype, seed=1)
        known = cut * module.up // module.down - module.latency
        error = float((whole[:, :known] - module(changed)[:, :known]).abs().max())
        if not error <= tolerance:
            raise StreamingError(f"input after frame {cut} changed output before frame {known} by {error:.3g}")


def _check_latency(module: Streaming, x: Tensor, tolerance: float) -> int:
    """Find where a change at one input frame first shows, in the whole sequence and in the stream.

    Dilated and strided layers may skip a frame, so frames all over a block are tried; one of them must get through.
    """
    half = x.size(1) // module.block_size // 2 * module.block_size
    reach = max(module.block_size, _MAX_POSITIONS)
    whole, stepped = module(x), stream(module, x, 1)
    heard = False
    for position in range(half, min(half + reach, x.size(1)), -(-reach // _MAX_POSITIONS)):
        changed = x.clone()
        changed[:, position] += 1.0
        first = _first_change(whole, module(changed), tolerance)
        lagging = _first_change(stepped, stream(module, changed, 1), tolerance)
        if first < 0 and lagging < 0:
            continue
        heard = True
        if first < 0 or lagging < 0 or lagging - first != module.latency:
            raise StreamingError(f"declared latency {module.latency} frames, measured {lagging - first}")
    if not heard:
        raise StreamingError("an impulse at the input never reached the output")
    return module.latency


def _first_change(a: Tensor, b: Tensor, tolerance: float) -> int:
    moved = ((a - b).abs().amax(dim=(0, 2)) > tolerance).nonzero()
    return int(moved[0]) if len(moved) else -1


class _Owner(nn.Module):
    """Script what an exported instrument uses: `init_state` and `step`."""

    def __init__(self, inner: Streaming) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        if len(state) == 0:
            state = self.inner.init_state(x.size(0))
        return self.inner.step(x, state)


def _check_script(module: Streaming, x: Tensor, whole: Tensor, tolerance: float) -> None:
    """Compile the module's methods, save, reload, stream as hosts do in inference mode, compare."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit.*deprecated", category=DeprecationWarning)
        buffer = io.BytesIO()
        try:
            torch.jit.save(torch.jit.script(_Owner(module)), buffer)
        except (RuntimeError, TypeError, FrontendError) as error:
            raise StreamingError(f"TorchScript cannot compile {type(module).__name__}: {error}") from error
        buffer.seek(0)
        loaded = torch.jit.load(buffer)  # type: ignore[no-untyped-call]
    with torch.inference_mode():
        for sizes in (_BLOCKS_PER_CALL[0], _BLOCKS_PER_CALL[-1]):
            stepped = stream_with(module, x, sizes, loaded, [])
            _difference(module, whole, stepped, "TorchScript", tolerance)
