"""Run folders and checkpoints that somebody or something has damaged: each is refused with what to do."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from after.checkpoint import read_checkpoint, write_checkpoint
from after.errors import CheckpointError
from after.training.ema import Ema
from after.training.optim import build_adamw
from after.training.run import Run
from after.training.state import TrainState

SNAPSHOT = {"model": {"width": 2}}


def fresh(**generators: torch.Generator | np.random.Generator) -> TrainState:
    model = nn.Linear(2, 2)
    optimizer = build_adamw(model, learning_rate=0.1)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return TrainState(
        modules={"model": model}, optimizers={"model": optimizer}, emas={"model": Ema(model)}, generators=generators
    )


def save(state: TrainState) -> Path:
    with Run.open("run", SNAPSHOT) as run:
        return run.save(1, state)


@pytest.mark.parametrize("text", [None, "{", "[1"])
def test_settings_that_cannot_be_read_are_refused(text: str | None) -> None:
    save(fresh())
    path = Path("run/settings.json")
    path.unlink() if text is None else path.write_text(text)
    with pytest.raises(CheckpointError, match=r"settings\.json.*restore it, or use a new run folder"):
        Run.open("run", SNAPSHOT)


def test_a_file_in_the_folders_place_is_refused() -> None:
    Path("run").write_text("not a folder")
    with pytest.raises(CheckpointError, match="cannot use run folder run"):
        Run.open("run", SNAPSHOT)


def test_weights_alone_cannot_be_resumed() -> None:
    path = save(fresh())
    tensors, _ = read_checkpoint(path)
    write_checkpoint(path, tensors, {"settings": SNAPSHOT})
    with Run.open("run", SNAPSHOT) as run, pytest.raises(CheckpointError, match="holds weights only"):
        run.restore(fresh())


@pytest.mark.parametrize(
    ("drop", "message"),
    [("optimizers", "no table 'optimizers'"), ("extra", "no table 'extra'"), ("random", "no table 'random'")],
)
def test_a_missing_table_is_named(drop: str, message: str) -> None:
    path = save(fresh())
    tensors, snapshot = read_checkpoint(path)
    state = snapshot["training_state"]
    assert isinstance(state, dict)
    del state[drop]
    write_checkpoint(path, tensors, snapshot)
    with Run.open("run", SNAPSHOT) as run, pytest.raises(CheckpointError, match=message):
        run.restore(fresh())


def test_optimizers_that_do_not_fit_are_refused() -> None:
    without = fresh()
    without.optimizers = {}
    save(without)
    with Run.open("run", SNAPSHOT) as run, pytest.raises(CheckpointError, match="no optimiser 'model'"):
        run.restore(fresh())
    save(fresh())
    other = fresh()
    other.optimizers = {"model": torch.optim.AdamW(other.modules["model"].parameters(), lr=0.1)}
    with Run.open("run", SNAPSHOT) as run, pytest.raises(CheckpointError, match="other parameter groups"):
        run.restore(other)


@pytest.mark.parametrize("generator", [torch.Generator(), np.random.default_rng(0)])
def test_a_generator_that_was_not_stored_is_named(generator: torch.Generator | np.random.Generator) -> None:
    save(fresh())
    with Run.open("run", SNAPSHOT) as run, pytest.raises(CheckpointError, match="no state for generator 'data'"):
        run.restore(fresh(data=generator))


def test_an_unreadable_checkpoint_does_not_stop_saving() -> None:
    state = fresh()
    with Run.open("run", SNAPSHOT) as run:
        run.save(1, state, metric=1.0).write_bytes(b"damaged")
        run.save(2, state, metric=2.0)
        best = run.best()
        assert best is not None
        assert best.stem == "00000002"
