"""One update of the weights: what a training must bring, and the usual one, AdamW on a single loss."""

from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from after.settings import OptimizerSettings, TrainingSettings
from after.training.distributed import average_gradients, mean_over_ranks
from after.training.ema import Ema
from after.training.optim import Schedule, build_adamw, clip_gradients, learning_rate, set_learning_rate
from after.training.state import TrainState
from after.training.stop import check_finite

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class MakesUpdates(Protocol[T_contra]):
    """What `run_task` needs of a training."""

    @property
    def state(self) -> TrainState:
        """All that a checkpoint must hold."""

    @property
    def ema(self) -> Ema:
        """The averaged weights, which are validated."""

    def make(self, batch: T_contra, iteration: int) -> Mapping[str, Tensor | float]:
        """Make one update of all ranks' weights from this rank's share of a batch.

        Returns:
            figures to log, the same on every rank; the first is the loss that progress shows.

        Raises:
            TrainingError: on every rank, before the weights change, if a number is not finite.
        """


class Learner:
    """AdamW on one module's parameters, with warm-up, cosine decay and clipping; averages gradients over ranks.

    Args:
        module: what learns; parameters that need no gradient stay as they are.
        settings: of the optimiser.
        iterations: at which the schedule ends.
        start: iteration at which it begins.
    """

    def __init__(self, module: nn.Module, settings: OptimizerSettings, iterations: int, *, start: int = 0) -> None:
        self.module = module
        self.settings = settings
        self.iterations = iterations
        self.optimizer = build_adamw(
            module, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay, betas=settings.betas
        )
        self.start_at(start)

    def start_at(self, iteration: int) -> None:
        """Lay the schedule out from an iteration on."""
        self.start = iteration
        self.schedule = Schedule(
            learning_rate=self.settings.learning_rate,
            iterations=max(1, self.iterations - iteration),
            warmup_iterations=self.settings.warmup_iterations,
            final_ratio=self.settings.final_ratio,
        )

    def begin(self, iteration: int) -> float:
        """Forget old gradients and set the learning rate of an iteration; give it."""
        rate = learning_rate(iteration - self.start, self.schedule)
        set_learning_rate(self.optimizer, rate)
        self.optimizer.zero_grad(set_to_none=True)
        return rate

    def gather(self, iteration: int, name: str = "gradient norm") -> Tensor:
        """Average the gradients over ranks and clip them; give their norm before that.

        Raises:
            TrainingError: if it is not finite.
        """
        average_gradients(self.module)
        norm = clip_gradients(self.module.parameters(), self.settings.max_grad_norm)
        check_finite(norm, iteration, name)
        return norm


class Updates(Generic[T]):
    """AdamW on one loss, with warm-up, cosine decay, clipping and an average of the weights."""

    def __init__(self, model: nn.Module, loss: Callable[[T, int], Tensor], settings: TrainingSettings) -> None:
        """Train all parameters of the model.

        Args:
            model: what learns, stored under the name `model`.
            loss: gives the mean loss of the items of a batch at an iteration.
            settings: of the updates.
        """
        self.loss = loss
        self.learner = Learner(model, settings.optimizer, settings.iterations)
        self.ema = Ema(model, settings.optimizer.ema_decay)
        self.state = TrainState(
            modules={"model": model}, optimizers={"model": self.learner.optimizer}, emas={"model": self.ema}
        )

    def make(self, batch: T, iteration: int) -> dict[str, Tensor | float]:
        """Make one update; give its loss, gradient norm and learning rate."""
        rate = self.learner.begin(iteration)
        value = self.loss(batch, iteration)
        mean = mean_over_ranks(value)
        check_finite(mean, iteration)
        torch.autograd.backward(value)
        norm = self.learner.gather(iteration)
        self.learner.optimizer.step()
        self.ema.update(iteration + 1)
        return {"loss": mean, "gradient_norm": norm, "learning_rate": rate}
