"""Refuse foreign modules that do more than compute: a TorchScript file is a program.

What is refused here would write files, print, start other work, or cannot be looked at. That is a check of what a file
plainly does, no sandbox: a file that was made to do harm may still find a way.
"""

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import torch

from after.errors import CheckpointError

_NAMESPACES = ("aten", "prim", "prims")
_EFFECTS = {
    "aten::save": "writes files",
    "aten::from_file": "reads or writes files",
    "aten::_print": "prints",
    "prim::Print": "prints",
    "prim::PythonOp": "calls Python",
    "prim::IgnoredPythonOp": "calls Python",
    "prim::fork": "starts other work",
    "prim::awaitable": "starts other work",
    "prim::rpc_async": "calls other computers",
    "prim::rpc_sync": "calls other computers",
    "prim::rpc_remote": "calls other computers",
    # what is left of calls once everything is inlined goes through an interface
    "prim::CallMethod": "calls code that only a run would find",
    "prim::CallFunction": "calls code that only a run would find",
}
# methods that run while a file is loaded or saved, before or after any check
_HOOKS = ("__setstate__", "__getstate__")


def nodes(block: Any) -> Iterator[Any]:
    """Give all nodes of a graph or block, those of inner blocks as well."""
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from nodes(inner)


def check_archive(archive: bytes, name: str) -> None:
    """Refuse code that would run as the file is loaded.

    Args:
        archive: the file's content; what is no archive is left to the loader.
        name: of the file, for messages.

    Raises:
        CheckpointError: if there is such code.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as file:
            code = b"\n".join(file.read(entry) for entry in file.namelist() if entry.endswith(".py"))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, ValueError, EOFError):
        return
    if found := [hook for hook in _HOOKS if hook.encode() in code]:
        raise _refusal(name, f"has {' and '.join(found)}, code that runs as the file is loaded")


def check_effects(module: torch.jit.ScriptModule, name: str) -> None:
    """Look at every method of a loaded module, before one is run.

    Raises:
        CheckpointError: if one does more than compute.
    """
    for method in sorted(module._c._method_names()):
        native: Any = module._c._get_method(method)
        for node in nodes(native.inlined_graph):
            if effect := _effect(node.kind()):
                raise _refusal(name, f"{effect} in {method} ({node.kind()})")


def _effect(kind: str) -> str | None:
    if kind.partition("::")[0] not in _NAMESPACES:
        return "needs an operator that torch alone does not have or that may reach outside"
    return _EFFECTS.get(kind)


def _refusal(name: str, found: str) -> CheckpointError:
    return CheckpointError(
        f"{name} {found}: a codec may only compute, so it is not run; export it without, and use files of people you "
        "trust"
    )
