"""The processes (ranks) that train together, as far as layers need to know: how many, and means over all of them."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from after.errors import TrainingError


def world_size() -> int:
    """Count the processes that train together; 1 where a process is on its own."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Give this process's number among them, from 0."""
    return dist.get_rank() if world_size() > 1 else 0


def reduce_mean_(tensor: Tensor) -> Tensor:
    """Replace a contiguous tensor by its mean over all ranks; every rank must call it with the same shape.

    Raises:
        TrainingError: if another rank is gone.
    """
    if world_size() == 1:
        return tensor
    try:
        dist.all_reduce(tensor)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(
            f"lost contact with the other processes ({reason}): see which of them failed first; the last checkpoint is "
            "good, so the same command goes on from there"
        ) from error
    return tensor.div_(world_size())


def global_mean(value: Tensor) -> Tensor:
    """Average a tensor over all ranks, differentiably; on its own, a process gets its argument back.

    For layers that need statistics of the whole batch, when each rank's share of it is equally large. Only for training
    mode: rank 0 validates alone, and would wait for the others.
    """
    if world_size() == 1:
        return value
    mean: Tensor = _GlobalMean.apply(value)  # type: ignore[no-untyped-call]
    return mean


class _GlobalMean(torch.autograd.Function):
    """The mean over ranks. Gradients are averaged over ranks in the end, so here they are as well."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return reduce_mean_(value.clone(memory_format=torch.contiguous_format))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        return reduce_mean_(gradient.clone(memory_format=torch.contiguous_format))
