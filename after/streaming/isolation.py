"""Checks that nothing leaks: from a call into its arguments, from a stream or an item into another, into memory."""

import torch
from torch import Tensor, nn

from after.streaming.contract import Streaming
from after.streaming.stepping import StreamingError, stream, stream_with


def _blocks(module: Streaming, x: Tensor) -> list[Tensor]:
    return [x[:, start : start + module.block_size] for start in range(0, x.size(1), module.block_size)]


def check_arguments_kept(module: Streaming, x: Tensor) -> None:
    """Step from silence and from a state in use: the block, the state and the module's own tensors must not change."""
    state = module.init_state(x.size(0))
    if len(state) != module.num_states:
        raise StreamingError(f"declared {module.num_states} state tensors, init_state gave {len(state)}")
    own = {name: tensor.clone() for name, tensor in _tensors(module)}
    for blocks in _blocks(module, x)[:3]:
        block, before = blocks.clone(), [tensor.clone() for tensor in state]
        _, after = module.step(block, state)
        if any(not torch.equal(a, b) for a, b in zip(state, before, strict=True)):
            raise StreamingError("step changed the state it was given; it must return a new one")
        if not torch.equal(block, blocks):
            raise StreamingError("step changed the block it was given; it must make its own copy")
        state = after
    for name, tensor in _tensors(module):
        if name not in own or not torch.equal(tensor, own[name]):
            raise StreamingError(f"step changed {name!r}: state is kept inside the module")
    for first, second in zip(module.init_state(x.size(0)), module.init_state(x.size(0)), strict=True):
        if not torch.equal(first, second):
            raise StreamingError("a new state differs from the first: a reset would not start afresh")


def _tensors(module: nn.Module) -> list[tuple[str, Tensor]]:
    return [*module.named_parameters(), *module.named_buffers()]


def check_memory_shared(module: Streaming, x: Tensor, tolerance: float) -> None:
    """Overwrite every block and every output after use, as hosts do with their buffers; the stream must not notice."""

    def step(block: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        buffer = block.clone()
        y, state = module.step(buffer, state)
        kept = y.clone()
        for used in (buffer, y):
            if used.is_contiguous():
                used.fill_(float("nan"))
        return kept, state

    clean = stream(module, x, 1)
    reused = stream_with(module, x, (1,), step, module.init_state(x.size(0)))
    if not torch.allclose(clean, reused, rtol=0, atol=tolerance):
        raise StreamingError("the state shares memory with a block or an output; clone what is kept")


def check_independent_streams(module: Streaming, x: Tensor, tolerance: float) -> None:
    """Interleave two streams through one module; each must sound as if alone."""
    sources = (x, x.flip(1))
    states = [module.init_state(x.size(0)), module.init_state(x.size(0))]
    outputs: list[list[Tensor]] = [[], []]
    for start in range(0, x.size(1), module.block_size):
        for index, source in enumerate(sources):
            y, states[index] = module.step(source[:, start : start + module.block_size], states[index])
            outputs[index].append(y)
    for index, source in enumerate(sources):
        alone = stream(module, source, 1)
        if not torch.allclose(torch.cat(outputs[index], dim=1), alone, rtol=0, atol=tolerance):
            raise StreamingError("two interleaved streams mix: state is kept inside the module")


def check_independent_items(module: Streaming, x: Tensor, tolerance: float) -> None:
    """Put three different sounds into one batch; each must come out as it does alone."""
    items = torch.cat([x[:1], x[:1].flip(1), 1e2 * x[:1]])
    for how, run in (("forward", module), ("step", lambda x: stream(module, x, 2))):
        together = run(items)
        for index in range(items.size(0)):
            alone = run(items[index : index + 1])
            scale = max(1.0, float(alone.abs().max()))
            if not torch.allclose(together[index : index + 1], alone, rtol=0, atol=tolerance * scale):
                raise StreamingError(f"{how}: item {index} of a batch depends on the other items")


def check_constant_state(module: Streaming, x: Tensor, num_steps: int) -> None:
    """Step for a long time; the state must keep its shapes and types, its memory, and finite numbers."""
    if module.num_states == 0:
        return
    state = module.init_state(x.size(0))
    declared = [(tensor.shape, tensor.dtype) for tensor in state]
    blocks = _blocks(module, x)
    memory = 0
    for count in range(num_steps):
        _, state = module.step(blocks[count % len(blocks)], state)
        found = [(tensor.shape, tensor.dtype) for tensor in state]
        if found != declared:
            raise StreamingError(f"the state changed after {count + 1} steps: {declared} to {found}")
        memory = memory or _memory(state)
    if num_steps and _memory(state) > memory:
        raise StreamingError(f"the state held {memory} bytes after a step and {_memory(state)} after {num_steps}")
    if not all(bool(torch.isfinite(tensor).all()) for tensor in state):
        raise StreamingError(f"the state is no longer finite after {num_steps} steps")


def _memory(state: list[Tensor]) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in state)
