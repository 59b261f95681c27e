"""The updates that every training makes: batch, loss, step, average, log, validate, save."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

from after.data.prefetch import Prefetcher
from after.settings import TrainingSettings
from after.training.ema import Ema
from after.training.optim import Schedule, build_adamw, clip_gradients, learning_rate, set_learning_rate
from after.training.outcome import Outcome
from after.training.progress import TrainingProgress
from after.training.run import Run
from after.training.state import TrainState
from after.training.stop import StopRequest, check_finite

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True, slots=True)
class Task(Generic[T]):
    """What is trained, on what, towards what.

    Attributes:
        model: all of its parameters learn.
        run: where it is logged and saved.
        settings: of the updates.
        audio_s: seconds of audio in one update.
        batch: gives the batch of an iteration, a pure function of it.
        loss: gives the loss of a batch at an iteration.
        validate: measures the averaged weights after so many iterations, logs, and gives one figure; less is better.
    """

    model: nn.Module
    run: Run
    settings: TrainingSettings
    audio_s: float
    batch: Callable[[int], T]
    loss: Callable[[T, int], Tensor]
    validate: Callable[[int], float]


def run_task(task: Task[T], time_limit_s: float | None = None) -> Outcome:
    """Train from the run's last checkpoint until the iterations are done, the time is up or a signal asks to stop.

    Raises:
        CheckpointError: if the checkpoint does not fit.
        TrainingError: if a loss or a gradient is no longer finite.
    """
    settings, run = task.settings, task.run
    updates = _Updates(task)
    start = run.restore(updates.state)
    iteration, metric = start, None
    progress = TrainingProgress(settings.iterations, start=start, audio_s_per_iteration=task.audio_s)
    batches = Prefetcher(task.batch, start)
    with batches, progress, StopRequest(time_limit_s) as stop:
        while iteration < settings.iterations and not stop.requested:
            figures = updates.make(next(batches), iteration)
            iteration += 1
            progress.update(iteration, {"loss": figures["loss"]})
            if iteration % settings.log_every == 0:
                run.log(iteration, figures)
            if iteration % settings.validate_every == 0 or iteration == settings.iterations:
                with updates.ema.applied():
                    metric = task.validate(iteration)
            if iteration % settings.save_every == 0:
                run.save(iteration, updates.state, metric)
        if iteration > start and iteration % settings.save_every:
            run.save(iteration, updates.state, metric)
        reason = stop.reason if iteration < settings.iterations else None
        return Outcome(iteration=iteration, iterations=settings.iterations, reason=reason)


class _Updates(Generic[T]):
    """The optimiser's side of a task: one call is one update."""

    def __init__(self, task: Task[T]) -> None:
        wanted = task.settings.optimizer
        self.task = task
        self.optimizer = build_adamw(
            task.model, learning_rate=wanted.learning_rate, weight_decay=wanted.weight_decay, betas=wanted.betas
        )
        self.ema = Ema(task.model, wanted.ema_decay)
        self.state = TrainState(
            modules={"model": task.model}, optimizers={"model": self.optimizer}, emas={"model": self.ema}
        )
        self.schedule = Schedule(
            learning_rate=wanted.learning_rate,
            iterations=task.settings.iterations,
            warmup_iterations=wanted.warmup_iterations,
            final_ratio=wanted.final_ratio,
        )

    def make(self, batch: T, iteration: int) -> dict[str, Tensor | float]:
        """Make one update; give its loss, gradient norm and learning rate."""
        rate = learning_rate(iteration, self.schedule)
        set_learning_rate(self.optimizer, rate)
        value = self.task.loss(batch, iteration)
        check_finite(value, iteration)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(value)
        norm = clip_gradients(self.task.model.parameters(), self.task.settings.optimizer.max_grad_norm)
        check_finite(norm, iteration, "gradient norm")
        self.optimizer.step()
        self.ema.update(iteration + 1)
        return {"loss": value, "gradient_norm": norm, "learning_rate": rate}
