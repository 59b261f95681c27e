"""A tiny regression with dropout, EMA and its own generator: everything that an exact resume must bring back.

Also runs as a program, for tests that stop it from outside: `regression.py RUN_FOLDER ITERATIONS PAUSE_S`.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

from after.training.ema import Ema
from after.training.optim import Schedule, build_adamw, clip_gradients, learning_rate, set_learning_rate
from after.training.run import Run
from after.training.state import TrainState
from after.training.stop import StopRequest, check_finite

SNAPSHOT = {"model": {"width": 8}, "training": {"iterations": 20}}


class Regression:
    def __init__(self, seed: int = 3, device: str = "cpu") -> None:
        self.device = device
        torch.manual_seed(seed)
        self.model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 1)).to(device)
        self.optimizer = build_adamw(self.model, learning_rate=1e-2)
        self.ema = Ema(self.model, decay=0.9, warmup=5)
        self.generator = torch.Generator().manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.state = TrainState(
            modules={"model": self.model},
            optimizers={"model": self.optimizer},
            emas={"model": self.ema},
            generators={"data": self.generator, "augment": self.rng},
        )
        self.schedule = Schedule(learning_rate=1e-2, iterations=20, warmup_iterations=4)

    def iterate(self, iteration: int) -> float:
        inputs = torch.randn(16, 4, generator=self.generator) + float(self.rng.normal())
        inputs = inputs.to(self.device)
        loss = (self.model(inputs) - inputs.sum(1, keepdim=True)).square().mean()
        set_learning_rate(self.optimizer, learning_rate(iteration, self.schedule))
        self.optimizer.zero_grad()
        loss.backward()
        clip_gradients(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.ema.update(iteration + 1)
        check_finite(loss, iteration)
        return loss.item()


def train(folder: Path, iterations: int, pause_s: float = 0.0, save_every: int = 10, device: str = "cpu") -> Regression:
    job = Regression(device=device)
    with Run.open(folder, SNAPSHOT) as run, StopRequest() as stop:
        start = run.restore(job.state)
        for iteration in range(start, iterations):
            loss = job.iterate(iteration)
            run.metrics.path.open("a").close()
            if stop.requested or (iteration + 1) % save_every == 0:
                run.save(iteration + 1, job.state, metric=loss)
            if stop.requested:
                sys.stdout.write(f"stopped at {iteration + 1}: {stop.reason}\n")
                break
            if pause_s:
                sys.stdout.write(f"{iteration + 1}\n")
                sys.stdout.flush()
                time.sleep(pause_s)
    return job


if __name__ == "__main__":
    train(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
