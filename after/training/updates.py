"""One update of the weights: what a training must bring, and the usual one, AdamW on a single loss."""

from collections.abc import Callable, Mapping
from typing import Generic, Protocol, TypeVar

import torch
from torch import Tensor, nn

from after.settings import TrainingSettings
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
            figures to log, the same on every rank, among them "loss".

        Raises:
            TrainingError: on every rank, before the weights change, if a number is not finite.
        """


class Updates(Generic[T]):
    """AdamW on one loss, with warm-up, cosine decay, clipping and an average of the weights."""

    def __init__(self, model: nn.Module, loss: Callable[[T, int], Tensor], settings: TrainingSettings) -> None:
        """Train all parameters of the model.

        Args:
            model: what learns, stored under the name `model`.
            loss: gives the mean loss of the items of a batch at an iteration.
            settings: of the updates.
        """
        wanted = settings.optimizer
        self.model = model
        self.loss = loss
        self.max_grad_norm = wanted.max_grad_norm
        self.optimizer = build_adamw(
            model, learning_rate=wanted.learning_rate, weight_decay=wanted.weight_decay, betas=wanted.betas
        )
        self.ema = Ema(model, wanted.ema_decay)
        self.state = TrainState(
            modules={"model": model}, optimizers={"model": self.optimizer}, emas={"model": self.ema}
        )
        self.schedule = Schedule(
            learning_rate=wanted.learning_rate,
            iterations=settings.iterations,
            warmup_iterations=wanted.warmup_iterations,
            final_ratio=wanted.final_ratio,
        )

    def make(self, batch: T, iteration: int) -> dict[str, Tensor | float]:
        """Make one update; give its loss, gradient norm and learning rate."""
        rate = learning_rate(iteration, self.schedule)
        set_learning_rate(self.optimizer, rate)
        value = self.loss(batch, iteration)
        mean = mean_over_ranks(value)
        check_finite(mean, iteration)
        self.optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(value)
        average_gradients(self.model)
        norm = clip_gradients(self.model.parameters(), self.max_grad_norm)
        check_finite(norm, iteration, "gradient norm")
        self.optimizer.step()
        self.ema.update(iteration + 1)
        return {"loss": mean, "gradient_norm": norm, "learning_rate": rate}
