"""Find what an older libtorch cannot load in a scripted module.

Hosts carry the libtorch they were built with; nn~'s oldest is 2.5. A file loads there when every operator of every
method, graphs inlined, has its overload in that version, and every argument that came later is a constant equal to its
default: the writer leaves those out of the file.
"""

import functools
import gzip
import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

import torch

_TABLE = "torch-2.5-operators.json.gz"
# `prim` operators belong to the language itself; most have no schema, and the table lists only some of them
_LANGUAGE = "prim"


@functools.cache
def _table() -> dict[tuple[str, str], Any]:
    """Give the schemas of torch 2.5 by name and overload."""
    packed = resources.files("after.export").joinpath(_TABLE).read_bytes()
    schemas: dict[tuple[str, str], Any] = {}
    for text in json.loads(gzip.decompress(packed))["schemas"]:
        name, overload = _name(text)
        schemas[name, overload] = text
    return schemas


def _name(schema: str) -> tuple[str, str]:
    name, _, overload = schema.partition("(")[0].partition(".")
    return name, overload


@functools.cache
def _argument_names(schema: str) -> tuple[str, ...]:
    return tuple(argument.name for argument in torch._C.parse_schema(schema).arguments)


def _nodes(block: Any) -> Iterator[Any]:
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)


def _problem(node: Any) -> str | None:
    """Say what is wrong with one node, or nothing."""
    kind = node.kind()
    if kind.startswith(f"{_LANGUAGE}::"):
        return None
    text = node.schema()
    if text == "(no schema)":
        return f"{kind} is no registered operator"
    schema = torch._C.parse_schema(text)
    known = _table().get((schema.name, schema.overload_name))
    if known is None:
        return f"{'.'.join(filter(None, _name(text)))} does not exist in torch 2.5"
    names = _argument_names(known)
    arguments = list(schema.arguments)
    if tuple(argument.name for argument in arguments[: len(names)]) != names:
        return f"{'.'.join(filter(None, _name(text)))} has other arguments in torch 2.5: {known}"
    for argument, value in list(zip(arguments, node.inputs(), strict=False))[len(names) :]:
        is_default = value.node().kind() == "prim::Constant" and argument.has_default_value()
        if not is_default or value.toIValue() != argument.default_value:
            return f"{kind} is given {argument.name!r}, which torch 2.5 does not have; leave it at its default"
    return None


def _methods(scripted: torch.jit.ScriptModule) -> Iterator[tuple[str, Any]]:
    """Give every compiled method of the module and of those inside it: all of them are written to the file."""
    for prefix, module in scripted.named_modules():
        native: Any = module._c
        for name in native._method_names():
            yield f"{prefix}.{name}" if prefix else name, native._get_method(name)


def unsupported_operators(scripted: torch.jit.ScriptModule) -> list[str]:
    """List what keeps a scripted module from loading on libtorch 2.5.

    Args:
        scripted: from `torch.jit.script` or `torch.jit.load`.

    Returns:
        one line per problem: the operator, the reason and the first method it was found in; empty if all is well.
    """
    problems: dict[str, str] = {}
    for name, method in _methods(scripted):
        for node in _nodes(method.inlined_graph):
            problem = _problem(node)
            if problem is not None:
                problems.setdefault(problem, name)
    return [f"{problem} (method {name})" for problem, name in sorted(problems.items())]
