"""TorchScript archives: compile, save with a manifest, leave out what only a debugger reads, load again.

An archive is a zip of stored entries whose data begin at multiples of 64 bytes. The entries called `*.debug_pkl` hold
the exporting machine's source paths and text; nothing else needs them.
"""

import io
import json
import warnings
import zipfile
from collections.abc import Mapping

import torch
from torch import nn
from torch.jit.frontend import FrontendError

from after.errors import ExportError
from after.manifest import MANIFEST_NAME

_ALIGNMENT = 64
_LOCAL_HEADER_SIZE = 30
_PADDING_ID = b"FB"
_DEBUG_SUFFIX = ".debug_pkl"


def compile_module(module: nn.Module) -> torch.jit.ScriptModule:
    """Compile a module in evaluation mode; its weights need no gradients any more.

    Raises:
        ExportError: if TorchScript refuses it.
    """
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r".*torch\.jit.*deprecated", category=DeprecationWarning)
        try:
            scripted: torch.jit.ScriptModule = torch.jit.script(module.eval())
        except (RuntimeError, TypeError, FrontendError) as error:
            raise ExportError(f"TorchScript cannot compile {type(module).__name__}: {error}") from error
    return scripted


def pack(scripted: torch.jit.ScriptModule, manifest: Mapping[str, object]) -> bytes:
    """Give the bytes of an archive that holds the module and its manifest, and no source paths."""
    buffer = io.BytesIO()
    text = json.dumps(dict(manifest), allow_nan=False, ensure_ascii=False, sort_keys=True)
    torch.jit.save(scripted, buffer, _extra_files={MANIFEST_NAME: text})
    return _without_debug_entries(buffer.getvalue())


def unpack(data: bytes) -> torch.jit.ScriptModule:
    """Load a module from the bytes of an archive, as a host would."""
    module: torch.jit.ScriptModule = torch.jit.load(io.BytesIO(data))  # type: ignore[no-untyped-call]
    return module.eval()


def _without_debug_entries(archive: bytes) -> bytes:
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(result, "w", zipfile.ZIP_STORED) as new:
        for entry in old.infolist():
            if not entry.filename.endswith(_DEBUG_SUFFIX):
                copy = zipfile.ZipInfo(entry.filename)
                copy.extra = _padding(result.tell() + _LOCAL_HEADER_SIZE + len(entry.filename.encode()))
                new.writestr(copy, old.read(entry))
    return result.getvalue()


def _padding(position: int) -> bytes:
    """Give an extra field after which the position is a multiple of the alignment."""
    size = -(position + 4) % _ALIGNMENT
    return _PADDING_ID + size.to_bytes(2, "little") + bytes(size)
