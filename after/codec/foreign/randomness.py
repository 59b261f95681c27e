"""Make a compiled method repeatable: what it draws at random becomes a function of the frame it is computed for.

A variational encoder draws latents around a mean, and decoders shape noise. A stream must give what the whole sequence
gives, so the draws of TorchScript's global generator are replaced in the method's graph: by their mean where the frame
is negative, else by a hash of (frame, number of the draw).
"""

import functools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from after.codec.foreign.effects import nodes
from after.errors import CheckpointError
from after.streaming.noise import frame_noise

MEAN_FRAME = -1
"""The frame for which draws give their mean."""

# what is drawn: the operator that gives a tensor of the same shape from the same arguments, and whether it is normal
_DRAWS = {
    "aten::randn": ("aten::zeros", True),
    "aten::randn_like": ("aten::zeros_like", True),
    "aten::rand": ("aten::zeros", False),
    "aten::rand_like": ("aten::zeros_like", False),
}
_GENERATOR = "generator"
_IN_PLACE = ("normal_", "uniform_", "bernoulli_", "exponential_", "random_", "geometric_", "cauchy_", "log_normal_")


def draw_like(x: Tensor, frame: int, draw: int, is_normal: bool) -> Tensor:
    """Draw standard normal values, or uniform ones within 0..1, in the shape of x.

    Args:
        x: gives shape, type and device.
        frame: negative for the mean.
        draw: tells the draws of a frame apart.
        is_normal: else uniform.
    """
    if frame < 0:
        return torch.zeros_like(x) if is_normal else torch.full_like(x, 0.5)
    seed = torch.full([1], draw, dtype=torch.int64, device=x.device)
    start = torch.full([1], frame, dtype=torch.int64, device=x.device)
    values = frame_noise(seed, start, 1, x.numel()).reshape(x.size()).to(x.dtype)
    return values if is_normal else 0.5 + 0.5 * torch.erf(values * 0.70710678)


@functools.cache
def _draw_graph() -> Any:
    return torch.jit.script(draw_like).inlined_graph


def make_repeatable(module: torch.jit.ScriptModule, method: str, name: str) -> bool:
    """Replace all draws in a method whose second argument is the frame.

    Args:
        module: compiled, not run yet.
        method: takes (tensor, frame: int).
        name: of the file, for messages.

    Returns:
        whether anything is drawn.

    Raises:
        CheckpointError: if random numbers are drawn in a way that is not known here.
    """
    native: Any = module._c._get_method(method)
    inlined = native.inlined_graph
    found = [node for node in nodes(inlined) if _is_random(node)]
    if not found:
        return False
    if unknown := sorted({_name(node) for node in found if not _is_known(node)}):
        raise CheckpointError(
            f"{name}: {method} draws random numbers by {', '.join(unknown)}, which cannot be made repeatable: export "
            "it with randn, randn_like, rand or rand_like in their place"
        )
    if any(_is_random(node) for loop in _loops(inlined) for block in loop.blocks() for node in nodes(block)):
        raise CheckpointError(
            f"{name}: {method} draws random numbers inside a loop, which cannot be made repeatable: export it with one "
            "draw of all of them"
        )
    graph = native.graph
    torch._C._jit_pass_inline(graph)
    frame = list(graph.inputs())[2]
    draws = [node for node in nodes(graph) if _is_random(node)]
    for number, node in enumerate(draws):
        _replace(graph, node, frame, number)
    return True


def _loops(graph: Any) -> Iterator[Any]:
    return (node for node in nodes(graph) if node.kind() == "prim::Loop")


def _replace(graph: Any, node: Any, frame: Any, number: int) -> None:
    like, is_normal = _DRAWS[node.kind()]
    graph.setInsertPoint(node)
    inputs = [value for argument, value in _inputs(node) if argument != _GENERATOR]
    shape = graph.insertNode(graph.create(like, inputs, 1)).output()
    shape.setType(node.output().type())
    arguments = [shape, frame, graph.insertConstant(number), graph.insertConstant(is_normal)]
    (drawn,) = graph.insertGraph(_draw_graph(), arguments)
    node.output().replaceAllUsesWith(drawn)
    node.destroy()


def _name(node: Any) -> str:
    """Give an operator's name with its overload."""
    return str(node.schema()).partition("(")[0]


def _inputs(node: Any) -> list[tuple[str, Any]]:
    """Give the names and values of an operator's arguments."""
    arguments = torch._C.parse_schema(node.schema()).arguments
    return [(argument.name, value) for argument, value in zip(arguments, node.inputs(), strict=True)]


def _is_known(node: Any) -> bool:
    """Tell whether a draw can be replaced: a plain one, or one that names a generator and gives none."""
    kind, _, overload = _name(node).partition(".")
    if kind not in _DRAWS or overload not in ("", _GENERATOR):
        return False
    return all(value.node().mustBeNone() for argument, value in _inputs(node) if argument == _GENERATOR)


def _is_random(node: Any) -> bool:
    kind = node.kind()
    if "dropout" in kind:  # does nothing in evaluation mode
        return False
    return bool(node.isNondeterministic()) or kind.removeprefix("aten::") in _IN_PLACE
