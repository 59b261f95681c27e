"""Saves without pause and is killed at random moments; each time the run must go on from its newest saved iteration.

Runs as a program, so that the processes it forks hold nothing of the tests: `killed_saver.py FOLDER KILLS`.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from torch import nn

from after.checkpoint import list_checkpoints
from after.training.run import Run
from after.training.state import TrainState

SNAPSHOT = {"model": {"width": 512}}


def fresh() -> TrainState:
    return TrainState(modules={"model": nn.Linear(512, 512)})


def save_for_ever(folder: Path) -> None:
    state = fresh()
    with Run.open(folder, SNAPSHOT) as run:
        iteration = run.restore(state)
        while True:
            iteration += 1
            nn.init.constant_(state.modules["model"].weight, iteration)
            run.log(iteration, {"loss": iteration})
            run.save(iteration, state, metric=abs(iteration - 3))


def check(folder: Path) -> int:
    newest = int(list_checkpoints(folder)[-1].stem)
    state = fresh()
    with Run.open(folder, SNAPSHOT) as run:
        assert run.restore(state) == newest
        assert not list((folder / "checkpoints").glob(".*"))
        assert len(run.metrics.path.read_text().splitlines()) == newest
        best = run.best()
        assert best is not None
        assert int(best.stem) == min(3, newest)
    assert (state.modules["model"].weight == newest).all()
    return newest


def main(folder: Path, kills: int) -> None:
    torch.set_num_threads(1)
    rng, newest = random.Random(0), 0
    for _ in range(kills):
        child = os.fork()
        if child == 0:
            save_for_ever(folder)
        while len(list_checkpoints(folder)) == 0 or int(list_checkpoints(folder)[-1].stem) == newest:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.05))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        newest = check(folder)
    sys.stdout.write(f"{newest}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
