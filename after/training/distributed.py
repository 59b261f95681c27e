"""Training in several processes, started by torchrun: who does what, and what they agree on.

Every process (rank) works on its share of a batch. After the backward passes the gradients are averaged by one
all-reduce over a flat buffer. With models of about 10 million weights that is as good as DistributedDataParallel, which
overlaps the two, and it also serves trainings with several losses and backward passes, and calls other than `forward`.

Rank 0 alone writes. What is agreed on are numbers on the CPU and goes over gloo, so the other ranks wait for it (it
validates, encodes) without occupying their GPUs.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import torch
import torch.distributed as dist

# Imported later (torch.optim does so), its default arguments would hold the group, and with it gloo's threads, until
# the interpreter ends; in about 1 of 30 runs they then crash it.
import torch.distributed.nn.functional
from torch import Tensor, nn

from after.device import pick_device
from after.errors import ConfigError, TrainingError
from after.ranks import rank, reduce_mean_, world_size

T = TypeVar("T")
TIMEOUT = timedelta(days=1)
"""For the longest work that one rank does while the others wait; the end of a process is noticed at once."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Launch:
    """How torchrun started this process: its number, that on this machine, and how many there are."""

    rank: int
    local_rank: int
    world_size: int


def read_launch(environment: Mapping[str, str] = os.environ) -> Launch | None:
    """Read what torchrun tells its processes; None for a process that something else started."""
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    if not all(name in environment for name in names):
        return None
    rank, local_rank, world_size = (int(environment[name]) for name in names[:3])
    return Launch(rank=rank, local_rank=local_rank, world_size=world_size)


@contextmanager
def process_group(device: str) -> Iterator[torch.device]:
    """Join the processes that torchrun started, or none; give the device that this one computes on.

    Args:
        device: `auto`, `cpu` or `cuda`; each process takes the GPU of its local rank.

    Raises:
        ConfigError: if the device is not there.
    """
    launch = read_launch()
    if launch is None or launch.world_size == 1:
        yield pick_device(device)
        return
    place = own_device(device, launch)
    if place.type == "cuda":
        torch.cuda.set_device(place)
    dist.init_process_group("cpu:gloo,cuda:nccl" if place.type == "cuda" else "gloo", timeout=TIMEOUT)
    yield place
    # Only after success: an orderly end needs all processes, and the others of a failed one may be busy. torchrun ends
    # the others as soon as one ends with an exit code, so none leaves before all are done.
    any_rank(False)
    dist.destroy_process_group()


def own_device(name: str, launch: Launch) -> torch.device:
    """Give the device of one process.

    Raises:
        ConfigError: if it is not there, or the same for all.
    """
    device = pick_device(name)
    if device.type != "cuda":
        return device
    if device.index is not None:
        raise ConfigError(f"device {name!r} is one GPU for {launch.world_size} processes: use --device cuda")
    if launch.local_rank >= torch.cuda.device_count():
        raise ConfigError(
            f"torchrun started more processes here than there are GPUs ({torch.cuda.device_count()}): "
            f"use --nproc-per-node {torch.cuda.device_count()}"
        )
    return torch.device("cuda", launch.local_rank)


def is_primary() -> bool:
    """Tell whether this process is the one that writes."""
    return rank() == 0


def share(batch_size: int) -> range:
    """Give the items of a batch that this rank works on.

    Raises:
        ConfigError: if the batch cannot be shared equally.
    """
    if batch_size % world_size():
        raise ConfigError(
            f"training.batch_size is {batch_size}; {world_size()} processes share a batch, so it must be a multiple of "
            f"{world_size()}"
        )
    size = batch_size // world_size()
    return range(rank() * size, (rank() + 1) * size)


def mean_over_ranks(tensor: Tensor) -> Tensor:
    """Average a tensor over all ranks, without gradient."""
    return reduce_mean_(tensor.detach().clone(memory_format=torch.contiguous_format))


@torch.no_grad()
def gather_items(rows: Tensor) -> Tensor:
    """Join the items [B, ...] of all ranks, which hold equally many of a batch, in its order; without gradient."""
    if world_size() == 1:
        return rows.detach()
    whole = rows.new_zeros((world_size(), *rows.shape))
    whole[rank()] = rows
    return reduce_mean_(whole).mul_(world_size()).flatten(0, 1)


@torch.no_grad()
def average_gradients(*modules: nn.Module) -> None:
    """Replace the gradients of all trainable parameters by their means over all ranks."""
    if world_size() == 1:
        return
    trained = (p for module in modules for p in module.parameters() if p.requires_grad)
    for parameters in _by_kind(trained):
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        # An optimiser treats no gradient otherwise than one of zeros, so it is told which there are.
        is_there = gradients[0].new_tensor([p.grad is not None for p in parameters])
        parts = [*gradients, is_there]
        *means, shares = _split(reduce_mean_(_flatten(parts)), parts)
        for parameter, gradient, mean, there in zip(parameters, gradients, means, shares.tolist(), strict=True):
            parameter.grad = gradient.copy_(mean) if there > 0 else None


@torch.no_grad()
def broadcast_module(module: nn.Module) -> None:
    """Give all ranks rank 0's parameters and buffers."""
    if world_size() == 1:
        return
    for tensors in _by_kind(module.state_dict().values()):
        flat = _flatten(tensors)
        dist.broadcast(flat, src=0)
        for tensor, values in zip(tensors, _split(flat, tensors), strict=True):
            tensor.copy_(values)


def any_rank(flag: bool) -> bool:
    """Tell all ranks whether any of them gave True; each waits until all have come here."""
    return reduce_mean_(torch.tensor([float(flag)])).item() > 0


def on_primary(work: Callable[[], T]) -> T | None:
    """Do something on rank 0 while the others wait; they get None.

    Raises:
        TrainingError: on the other ranks, if it failed; rank 0 raises what went wrong.
    """
    result, failure = None, None
    if is_primary():
        try:
            result = work()
        except Exception as error:
            failure = error
    if any_rank(failure is not None):
        raise failure or TrainingError(f"rank {rank()} stops because rank 0 failed: see its message")
    return result


def from_primary(value: T) -> T:
    """Give all ranks rank 0's value, such as figures that each machine would measure a little differently."""
    if world_size() == 1:
        return value
    values = [value]
    dist.broadcast_object_list(values, src=0)
    return values[0]


def _by_kind(tensors: Iterable[Tensor]) -> list[list[Tensor]]:
    """Group tensors that fit into one buffer."""
    kinds: dict[tuple[torch.dtype, torch.device], list[Tensor]] = {}
    for tensor in tensors:
        kinds.setdefault((tensor.dtype, tensor.device), []).append(tensor)
    return list(kinds.values())


def _flatten(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.reshape(-1) for tensor in tensors])


def _split(flat: Tensor, like: list[Tensor]) -> list[Tensor]:
    parts = torch.split_with_sizes(flat, [tensor.numel() for tensor in like])
    return [part.view(tensor.shape) for part, tensor in zip(parts, like, strict=True)]
