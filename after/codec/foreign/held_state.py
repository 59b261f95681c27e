"""Find what a compiled method keeps between calls, and give the module methods that put it in and take it out.

TorchScript modules keep state in two ways: they change a tensor in place, or they assign another value to an attribute.
Assignments stand in the graph; changes in place are found by running the method and looking at what it has read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from after.errors import CheckpointError

Path = tuple[str, ...]
_NUMBERS = {"int": "int", "float": "float", "bool": "bool"}


@dataclass(frozen=True, slots=True)
class HeldValue:
    """One attribute that a method changes.

    Attributes:
        path: of the attribute, from the module.
        cast: what turns its tensor into the attribute's type; empty for a tensor.
        initial: its value before the first call, without the rows of streams that a single one leaves alone.
    """

    path: Path
    cast: str
    initial: Tensor


def find_state(
    fresh: torch.jit.ScriptModule, used: torch.jit.ScriptModule, method: str, blocks: Sequence[Tensor], name: str
) -> list[HeldValue]:
    """Find what a method keeps between calls.

    Args:
        fresh: never run; gives the values before the first call.
        used: the same module, loaded once more; it is run.
        method: takes (tensor, frame).
        blocks: inputs of one item each; the method is run on one after the other.
        name: of the file, for messages.

    Raises:
        CheckpointError: if state is kept in something that is neither a tensor nor a number.
    """
    native: Any = used._c._get_method(method)
    graph = native.inlined_graph
    # what is assigned and never read is no state
    types, assigned = dict(_attributes(graph, "prim::GetAttr")), dict(_attributes(graph, "prim::SetAttr"))
    for block in blocks:
        getattr(used, method)(block)
    changed = {path for path in types if not _same(_value(fresh, path), _value(used, path))}
    refused = sorted(".".join(path[1:]) for path in changed if not _can_hold(path, types[path]))
    if refused:
        raise CheckpointError(
            f"{name}: {method} keeps its state in {', '.join(refused)}; state must be tensors, such as buffers, or "
            "numbers: export it so (of a codec that after trained, give the run folder)"
        )
    kept = [path for path, kind in types.items() if path in changed or (path in assigned and _can_hold(path, kind))]
    return [HeldValue(path, _NUMBERS.get(types[path], ""), _initial(fresh, used, path)) for path in kept]


def define_access(module: torch.jit.ScriptModule, method: str, held: Sequence[HeldValue]) -> None:
    """Add methods `get_<method>_state() -> List[Tensor]` and `set_<method>_state(List[Tensor])` to a module.

    Both hand tensors on as they are: who calls makes copies.
    """
    put, take = ["pass"], ["state: List[Tensor] = []"]
    for index, value in enumerate(held):
        *owners, attribute = value.path
        owner = reduce(lambda code, part: f'getattr({code}, "{part}")', owners, "self")
        given = f"state[{index}]"
        put.append(f"{owner}.{attribute} = {f'{value.cast}({given})' if value.cast else given}")
        found = f"{owner}.{attribute}"
        take.append(f"state.append({f'torch.tensor({found})' if value.cast else found})")
    take.append("return state")
    _define(module, f"set_{method}_state(self, state: List[Tensor]) -> None", put)
    _define(module, f"get_{method}_state(self) -> List[Tensor]", take)


def _define(module: torch.jit.ScriptModule, signature: str, lines: Sequence[str]) -> None:
    module.define("\n    ".join([f"def {signature}:", *lines]) + "\n")


def _can_hold(path: Path, kind: str) -> bool:
    return path[-1].isidentifier() and (kind == "Tensor" or kind in _NUMBERS)


def _attributes(graph: Any, access: str) -> Iterator[tuple[Path, str]]:
    """Give the attributes other than modules that a graph reads or assigns to, and their types."""
    for node in graph.findAllNodes(access):
        owner, *values = node.inputs()
        kind = (values[0] if values else node.output()).type()
        path = _path(owner)
        if path is not None and kind.kind() != "ClassType":
            yield (*path, node.s("name")), str(kind)


def _path(value: Any) -> Path | None:
    """Give the path of the module that a graph's value stands for; None if it is not found by attributes alone."""
    parts: list[str] = []
    while value.node().kind() == "prim::GetAttr":
        parts.append(value.node().s("name"))
        value = value.node().input()
    return tuple(reversed(parts)) if value.node().kind() == "prim::Param" else None


def _value(module: torch.jit.ScriptModule, path: Path) -> Any:
    return reduce(getattr, path, module)


def _initial(fresh: torch.jit.ScriptModule, used: torch.jit.ScriptModule, path: Path) -> Tensor:
    """Give a value before the first call; of a buffer with a row for each item of a batch, the first row."""
    before, after = torch.as_tensor(_value(fresh, path)).detach(), torch.as_tensor(_value(used, path)).detach()
    if before.dim() == 0 or before.size(0) < 2:
        return before.clone()
    shrunk = after.dim() == before.dim() and after.size(0) == 1
    others_kept = after.shape == before.shape and _same(before[1:], after[1:]) and not _same(before, after)
    return before[:1].clone() if shrunk or others_kept else before.clone()


def _same(first: Any, second: Any) -> bool:
    """Tell whether two values of one attribute are the same; objects of other kinds hold weights and do not change."""
    if isinstance(first, Tensor) and isinstance(second, Tensor):
        return first.shape == second.shape and torch.equal(first, second)
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(_same(one, other) for one, other in zip(first, second, strict=True))
    if isinstance(first, dict) and isinstance(second, dict):
        return first.keys() == second.keys() and all(_same(first[key], second[key]) for key in first)
    is_plain = isinstance(first, int | float | str | Tensor | None) or isinstance(second, Tensor)
    return not is_plain or (type(first) is type(second) and bool(first == second))
