"""The updates that every training makes: batch, update, log, validate, save; in one process or in several."""

import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar

import torch
from rich.console import Console

from after.data.loading.prefetch import Prefetcher
from after.errors import CheckpointError
from after.settings import TrainingSettings
from after.training.distributed import any_rank, broadcast_module, is_primary, mean_over_ranks, on_primary
from after.training.outcome import Outcome
from after.training.progress import TrainingProgress
from after.training.run import Run
from after.training.state import TrainState
from after.training.stop import StopRequest
from after.training.updates import MakesUpdates

logger = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Task(Generic[T]):
    """What is trained, on what, towards what.

    Attributes:
        updates: makes the updates.
        run: where it is logged and saved.
        settings: of the updates.
        audio_s: seconds of audio in one update, over all ranks.
        batch: gives this rank's share of the batch of an iteration, a pure function of it.
        validate: measures the averaged weights after so many iterations, logs, and gives one figure; less is better.
            Called on rank 0 only.
    """

    updates: MakesUpdates[T]
    run: Run
    settings: TrainingSettings
    audio_s: float
    batch: Callable[[int], T]
    validate: Callable[[int], float]


def open_run(
    folder: str | Path,
    snapshot: Mapping[str, object],
    settings: TrainingSettings,
    defaults: Mapping[str, object] | None = None,
) -> Run:
    """Open a run folder: rank 0 holds and writes it, the other ranks read it.

    Args:
        folder: made if need be.
        snapshot: of all settings.
        settings: of the updates.
        defaults: as for `Run.open`.

    Raises:
        CheckpointError: as `Run.open`.
        TrainingError: on the other ranks, if rank 0 could not.
    """
    run = on_primary(lambda: Run.open(folder, snapshot, keep=settings.keep, defaults=defaults))
    return Run.follow(folder, snapshot) if run is None else run


def run_task(task: Task[T], time_limit_s: float | None = None) -> Outcome:
    """Train from the run's last checkpoint until the iterations are done, the time is up or a signal asks to stop.

    Raises:
        CheckpointError: if the checkpoint does not fit, or cannot be written.
        TrainingError: if a loss or a gradient is no longer finite, or another rank failed.
    """
    settings, run, updates = task.settings, task.run, task.updates
    start = iteration = _restore(run, updates.state)
    progress = TrainingProgress(
        settings.iterations,
        start=start,
        audio_s_per_iteration=task.audio_s,
        console=Console(stderr=True, quiet=not is_primary()),
    )
    batches = Prefetcher(task.batch, start)
    with batches, progress, StopRequest(time_limit_s) as stop:
        while iteration < settings.iterations and not any_rank(stop.requested):
            figures = updates.make(next(batches), iteration)
            iteration += 1
            is_last = iteration == settings.iterations
            progress.update(iteration, dict(islice(figures.items(), 1)))
            if iteration % settings.log_every == 0 and is_primary():
                run.log(iteration, figures)
            metric = _validate(task, iteration) if iteration % settings.validate_every == 0 or is_last else None
            if iteration % settings.save_every == 0 or is_last:
                _save(task, iteration, metric)
        if start < iteration < settings.iterations and iteration % settings.save_every:
            _save(task, iteration)
        reason = stop.reason or "another process was asked to stop"
        reason_if_early = reason if iteration < settings.iterations else None
        return Outcome(iteration=iteration, iterations=settings.iterations, reason=reason_if_early)


def _validate(task: Task[T], iteration: int) -> float | None:
    def measure() -> float | None:
        with task.updates.ema.applied():
            figure = task.validate(iteration)
        if math.isfinite(figure):
            return figure
        logger.warning("validation at iteration %d gives %s, which counts as not measured", iteration, figure)
        return None

    return on_primary(measure)


def _save(task: Task[T], iteration: int, metric: float | None = None) -> None:
    on_primary(lambda: task.run.save(iteration, task.updates.state, metric))


def _restore(run: Run, state: TrainState) -> int:
    """Start all ranks from the same weights; gives the iteration."""
    start = run.restore(state)
    mean = mean_over_ranks(torch.tensor([start], dtype=torch.float64))
    if any_rank(mean.item() != start):
        raise CheckpointError(
            f"the processes found different checkpoints in {run.folder} (this one's is of iteration {start}): the run "
            "folder must be the same one for all of them"
        )
    for module in state.modules.values():
        broadcast_module(module)
    return start
