"""Checks what ranks do together; run by torchrun in two processes: `two_ranks.py FOLDER`. Rank 0 writes FOLDER/done."""

import os
import signal
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from after.config import to_dict
from after.data.extract.latents import codec_hash
from after.errors import ConfigError, DataError, TrainingError
from after.ranks import global_mean, rank, world_size
from after.training.distributed import (
    any_rank,
    average_gradients,
    broadcast_module,
    from_primary,
    gather_items,
    is_primary,
    mean_over_ranks,
    on_primary,
    process_group,
    share,
)
from after.training.trained_codec import open_training_codec


def check_shares() -> None:
    assert world_size() == 2
    assert share(6) == (range(0, 3), range(3, 6))[rank()]
    with pytest.raises(ConfigError, match=r"batch_size is 5; 2 processes.* multiple of 2"):
        share(5)


def check_agreement() -> None:
    assert mean_over_ranks(torch.tensor([1.0, rank()])).tolist() == [1.0, 0.5]
    assert any_rank(rank() == 1)
    assert not any_rank(False)
    assert from_primary({"rank": rank(), "mean": 0.1 + rank()}) == {"rank": 0, "mean": 0.1}
    assert on_primary(lambda: "mine") == ("mine" if is_primary() else None)

    def fail() -> None:
        raise DataError("no such store")

    with pytest.raises(DataError if is_primary() else TrainingError, match=r"no such store|rank 0 failed"):
        on_primary(fail)


def check_items() -> None:
    whole = torch.arange(12.0).reshape(6, 2)
    assert torch.equal(gather_items(whole[3 * rank() : 3 * rank() + 3]), whole)


def check_broadcast() -> None:
    torch.manual_seed(rank())
    module = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 1).double())
    module[1].num_batches_tracked.fill_(10 + rank())
    broadcast_module(module)
    torch.manual_seed(0)
    expected = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 1).double())
    expected[1].num_batches_tracked.fill_(10)
    for name, tensor in expected.state_dict().items():
        assert torch.equal(module.state_dict()[name], tensor), name


def check_foreign_codec(folder: Path) -> None:
    """Each rank would measure another latency and other statistics; what rank 0 measures counts for all."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("after.codec.foreign.codec.measure_latency", lambda *arguments: 100 + rank())
        patch.setattr("after.training.trained_codec._FIT_SEED", rank())
        codec, table = open_training_codec(
            folder / "codec.ts", folder / "store", folder / "run", torch.device("cpu"), sample_rate=44100
        )
    assert (table["latency_samples"], codec.latency_samples) == (100, 100)
    assert table == to_dict(codec.settings)
    assert table == from_primary(table)
    assert codec_hash(codec) == from_primary(codec_hash(codec))


class Parts(nn.Module):
    """Parameters of two kinds, two of them without gradient on one rank or on both."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0, 2.0]]))
        self.precise = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))
        self.sometimes = nn.Parameter(torch.tensor(3.0))
        self.never = nn.Parameter(torch.tensor(4.0))


def check_gradients() -> None:
    parts = Parts()
    (parts.weight.sum() * (1 + rank()) + parts.precise * rank()).backward()
    if rank() == 1:
        parts.sometimes.backward()
    average_gradients(parts)
    assert parts.weight.grad is not None
    assert parts.weight.grad.tolist() == [[1.5, 1.5]]
    assert parts.precise.grad == 0.5
    assert parts.sometimes.grad == 0.5
    assert parts.never.grad is None


def check_global_mean() -> None:
    """Normalised by the statistics of all ranks' items, the averaged gradient is the one of the whole batch."""
    torch.manual_seed(5)
    data, target = torch.randn(8, 3), torch.randn(8, 2)

    def gradient(items: range, mean_of: object) -> torch.Tensor:
        torch.manual_seed(6)
        linear = nn.Linear(3, 2, bias=False)
        x = linear(data[items.start : items.stop])
        mean = mean_of(x.mean(0))  # type: ignore[operator]
        std = mean_of((x - mean).square().mean(0)).sqrt()  # type: ignore[operator]
        ((x - mean) / std - target[items.start : items.stop]).pow(4).mean().backward()
        average_gradients(linear)
        assert linear.weight.grad is not None
        return linear.weight.grad

    shared = gradient(share(8), global_mean)
    torch.testing.assert_close(shared, gradient(range(8), lambda x: x))


def check_that_nothing_keeps_the_group() -> None:
    """What keeps it keeps its threads, which may crash the interpreter at its end."""
    torch.optim.AdamW(nn.Linear(1, 1).parameters())
    functions = vars(sys.modules["torch.distributed.nn.functional"]).values()
    defaults = [value for function in functions for value in getattr(function, "__defaults__", None) or ()]
    assert None in defaults
    assert not any(isinstance(value, torch.distributed.ProcessGroup) for value in defaults)


def check_loss_of_contact() -> None:
    """torchrun asks the remaining process to stop as soon as one has ended; here it is to notice by itself."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    any_rank(False)
    if rank() == 1:
        os._exit(3)
    with pytest.raises(TrainingError, match="lost contact with the other processes"):
        any_rank(False)


if __name__ == "__main__":
    with process_group("cpu") as place:
        assert place.type == "cpu"
        check_shares()
        check_agreement()
        check_items()
        check_broadcast()
        check_foreign_codec(Path(sys.argv[1]))
        check_gradients()
        check_global_mean()
        check_that_nothing_keeps_the_group()
        check_loss_of_contact()
        Path(sys.argv[1], "done").touch()
        os._exit(0)
