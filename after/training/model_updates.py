"""The updates of the generative model: the timbre encoder alone at first if so wanted, then everything at once."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from after.checkpoint import load_into
from after.conditioning.adversary import adversary_weight
from after.conditioning.contrast import contrastive_loss
from after.data.loading.excerpts import Batch
from after.model import Model
from after.settings import DiffusionTrainingSettings, OptimizerSettings
from after.training.device import autocast, compiled
from after.training.distributed import mean_over_ranks
from after.training.ema import Ema
from after.training.model_losses import Critics, correlation_term, cycle_term, run_pass
from after.training.state import TrainState
from after.training.stop import check_finite
from after.training.updates import Learner


class ModelUpdates:
    """AdamW on the model, and on its critics beside it; every loss in every iteration, in one backward pass.

    Contrast and correlation look at the items of one process, so their gradients depend on how many there are.

    Args:
        settings: of the training.
        model: on its device.
        num_groups: groups in the data.
        items: this rank's share of each batch.
    """

    def __init__(self, settings: DiffusionTrainingSettings, model: Model, num_groups: int, items: range) -> None:
        training, parting = settings.training, settings.disentangling
        self.settings = settings
        self.model = model
        self.items = items
        self.place = next(model.parameters()).device
        self.learner = Learner(model, training.optimizer, training.iterations)
        self.ema = Ema(model, training.optimizer.ema_decay)
        self.critics = Critics(settings, num_groups).to(self.place)
        modules: dict[str, nn.Module] = {"model": model}
        optimizers: dict[str, torch.optim.Optimizer] = {"model": self.learner.optimizer}
        self.critics_learner: Learner | None = None
        if any(True for _ in self.critics.parameters()):
            optimizer = OptimizerSettings(learning_rate=parting.critic_learning_rate)
            self.critics_learner = Learner(self.critics, optimizer, training.iterations)
            modules["critics"], optimizers["critics"] = self.critics, self.critics_learner.optimizer
        self.state = TrainState(
            modules=modules, optimizers=optimizers, emas={"model": self.ema}, latecomers=frozenset({"critics"})
        )
        self._compiled = compiled(model, training.compile, self.place)

    def make(self, batch: Batch, iteration: int) -> Mapping[str, Tensor | float]:
        """Make one update; give its losses, gradient norm and learning rate."""
        rate = self.learner.begin(iteration)
        if self.critics_learner is not None:
            self.critics_learner.begin(iteration)
        with autocast(self.place, self.settings.training.precision):
            terms = self._terms(batch, iteration)
        figures = {name: mean_over_ranks(value) for name, value in terms.items()}
        for name, figure in figures.items():
            check_finite(figure, iteration, name.replace("_", " "))
        torch.autograd.backward(torch.stack(list(terms.values())).sum())
        norm = self.learner.gather(iteration)
        self.learner.optimizer.step()
        if self.critics_learner is not None:
            figures["critics_gradient_norm"] = self.critics_learner.gather(iteration, "critics' gradient norm")
            self.critics_learner.optimizer.step()
        self.ema.update(iteration + 1)
        return {**figures, "gradient_norm": norm, "learning_rate": rate}

    def _terms(self, batch: Batch, iteration: int) -> dict[str, Tensor]:
        """Give the losses of one update by name, weighed."""
        first = self.settings.timbre_first.iterations
        parting = self.settings.disentangling
        weight = adversary_weight(iteration, start=first + parting.start, length=parting.length)
        if iteration < first:
            return self._contrast(batch, adversary_weight(iteration, start=parting.start, length=parting.length))
        if iteration == first > 0:
            load_into(self.model.timbre_encoder, self.ema.state_dict(), "timbre_encoder.")
        self.model.timbre_encoder.requires_grad_(first == 0)
        generator = torch.Generator().manual_seed(self.settings.training.seed * 1_000_003 + iteration)
        outcome = run_pass(self._compiled, batch, self.settings, generator, self.place, self.items)
        group = batch.group.to(self.place)
        terms: dict[str, Tensor | None] = {
            "loss": outcome.loss,
            "timbre_critic": self.critics.judge_structure(outcome.structure, outcome.timbre, group, weight),
        }
        if first == 0:
            terms["pitch_critic"] = self._judge_timbre(outcome.timbre, batch, weight)
        if parting.correlation > 0:
            term = correlation_term(outcome.structure, outcome.timbre, group)
            terms["correlation"] = weight * parting.correlation * term
        if parting.cycle > 0:
            terms["cycle"] = weight * parting.cycle * cycle_term(self.model, batch, outcome, generator, self.place)
        return {name: term for name, term in terms.items() if term is not None}

    def _contrast(self, batch: Batch, weight: float) -> dict[str, Tensor]:
        """Give the losses of the first stage."""
        self.model.timbre_encoder.requires_grad_(True)
        timbre: Tensor = self.model.timbre_encoder(batch.timbre_latents.to(self.place))
        other: Tensor = self.model.timbre_encoder(batch.latents.to(self.place))
        temperature = self.settings.timbre_first.temperature
        terms = {"loss": contrastive_loss(timbre, other, batch.group.to(self.place), temperature=temperature)}
        critic = self._judge_timbre(timbre, batch, weight)
        return terms if critic is None else {**terms, "pitch_critic": critic}

    def _judge_timbre(self, timbre: Tensor, batch: Batch, weight: float) -> Tensor | None:
        return self.critics.judge_timbre(timbre, batch.timbre_pitches.to(self.place), weight)
