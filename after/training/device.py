"""Where and how precisely to compute."""

import logging
from contextlib import AbstractContextManager, nullcontext
from typing import TypeVar, cast

import torch
from torch import nn

logger = logging.getLogger(__name__)
T = TypeVar("T", bound=nn.Module)


def multiplies_bf16(device: torch.device) -> bool:
    """Tell whether the hardware multiplies bf16 (on a CPU: AMX or AVX-512), so that bf16 is faster than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def autocast(device: torch.device, precision: str) -> AbstractContextManager[object]:
    """Give the mixed-precision context for `auto`, `bf16` or `fp32`."""
    if precision == "bf16" or (precision == "auto" and multiplies_bf16(device)):
        return torch.autocast(device.type, torch.bfloat16)
    return nullcontext()


def compiled(module: T, wanted: str, device: torch.device) -> T:
    """Fuse a network's operations with torch.compile: `yes`, `no`, or `auto`, which is yes on a GPU.

    The module's own methods and parameters stay as they are; what is given back is to be called.
    """
    if wanted == "no" or (wanted == "auto" and device.type != "cuda"):
        return module
    return cast(T, torch.compile(module))
