"""The updates of the generative model: the timbre encoder alone at first if so wanted, then everything at once."""

from collections.abc import Mapping

import torch
from torch import Tensor

from after.checkpoint import load_into
from after.conditioning.adversary import adversary_weight
from after.conditioning.contrast import contrastive_loss
from after.data.loading.excerpts import Batch
from after.model import Model
from after.settings import DiffusionTrainingSettings
from after.training.device import autocast, compiled
from after.training.distributed import mean_over_ranks
from after.training.ema import Ema
from after.training.model_critics import CRITIC_NAMES, Critics
from after.training.model_losses import correlation_term, cycle_term, run_pass
from after.training.state import TrainState
from after.training.stop import check_finite
from after.training.updates import Learner

_PARTING = ("correlation", "timbre_critic", "pitch_critic", "cycle")
Terms = dict[str, tuple[Tensor, float]]
"""Losses by name, each with its weight in the sum; a critic's gradient is weighed where it is reversed."""


class ModelUpdates:
    """AdamW on the model, and on its critics beside it; every loss in every iteration, in one backward pass.

    Contrast and correlation look at the items of one process, so their gradients depend on how many there are. What the
    settings bring in later, as they may when a run goes on, rises from there; what they leave out is dropped.

    Args:
        settings: of the training.
        model: on its device.
        num_groups: groups in the data.
        items: this rank's share of each batch.
    """

    def __init__(self, settings: DiffusionTrainingSettings, model: Model, num_groups: int, items: range) -> None:
        training = settings.training
        self.settings = settings
        self.model = model
        self.items = items
        self.place = next(model.parameters()).device
        self.learner = Learner(model, training.optimizer, training.iterations)
        self.ema = Ema(model, training.optimizer.ema_decay)
        self.critics = Critics(settings, num_groups).to(self.place)
        self.state = TrainState(
            modules={"model": model, **self.critics.by_name()},
            optimizers={"model": self.learner.optimizer, **self.critics.optimizers()},
            emas={"model": self.ema},
            optional=CRITIC_NAMES,
        )
        self._compiled = compiled(model, training.compile, self.place)

    def make(self, batch: Batch, iteration: int) -> Mapping[str, Tensor | float]:
        """Make one update; give its losses as they are, without weights, gradient norms and learning rate.

        The first is `loss`, the objective's, or `contrast` in the first stage.
        """
        is_first = self._enter_stage(iteration)
        rate = self.learner.begin(iteration)
        self.critics.begin(iteration, {name: self.state.since(name, iteration) for name in self.critics.learners})
        with autocast(self.place, self.settings.training.precision):
            terms = self._contrast(batch, iteration) if is_first else self._terms(batch, iteration)
        figures = {name: mean_over_ranks(value) for name, (value, _) in terms.items()}
        for name, figure in figures.items():
            check_finite(figure, iteration, name.replace("_", " "))
        torch.autograd.backward(torch.stack([weight * value for value, weight in terms.values()]).sum())
        norm = self.learner.gather(iteration)
        norms = self.critics.learn(iteration)
        self.learner.optimizer.step()
        self.ema.update(iteration + 1 - self.learner.start)
        return {**figures, **norms, "gradient_norm": norm, "learning_rate": rate}

    def _enter_stage(self, iteration: int) -> bool:
        """Tell whether the timbre encoder learns alone; when that is over, its average is kept and learns no more.

        Each stage has warm-ups of its own. A run remembers when the second began, so that going on is going on.
        """
        is_first = iteration < self.settings.timbre_first.iterations
        is_fixed = not is_first and self.settings.timbre_first.iterations > 0
        if not is_fixed:
            self.state.end("fixed_timbre")
            self.learner.start_at(0)
        else:
            if self.state.is_new("fixed_timbre"):
                load_into(self.model.timbre_encoder, self.ema.state_dict(), "timbre_encoder.")
            self.learner.start_at(self.state.since("fixed_timbre", iteration))
        self.model.timbre_encoder.requires_grad_(not is_fixed)
        return is_first

    def _rise(self, name: str, iteration: int, start: int) -> float:
        """Give the share of a weight that counts at an iteration, 0 to 1."""
        parting = self.settings.disentangling
        if getattr(parting, name) == 0:
            self.state.end(name)
            return 0.0
        start = max(start + parting.start, self.state.since(name, iteration))
        return adversary_weight(iteration, start=start, length=parting.length)

    def _terms(self, batch: Batch, iteration: int) -> Terms:
        """Give the losses of one update."""
        first, parting = self.settings.timbre_first.iterations, self.settings.disentangling
        rise = {name: self._rise(name, iteration, first) for name in _PARTING}
        generator = torch.Generator().manual_seed(self.settings.training.seed * 1_000_003 + iteration)
        outcome = run_pass(self._compiled, batch, self.settings, generator, self.place, self.items)
        group = batch.group.to(self.place)
        terms: Terms = {"loss": (outcome.loss, 1.0)}
        guess = self.critics.judge_structure(outcome.structure, outcome.timbre, group, rise["timbre_critic"])
        if guess is not None:
            terms["timbre_critic"] = guess, 1.0
        if first == 0:
            terms |= self._judge_timbre(outcome.timbre, batch, rise["pitch_critic"])
        if parting.correlation > 0:
            weight = rise["correlation"] * parting.correlation
            terms["correlation"] = correlation_term(outcome.structure, outcome.timbre, group), weight
        if parting.cycle > 0:
            term = cycle_term(self.model, batch, outcome, generator, self.place, self.items)
            terms["cycle"] = term, rise["cycle"] * parting.cycle
        return terms

    def _contrast(self, batch: Batch, iteration: int) -> Terms:
        """Give the losses of the first stage."""
        timbre: Tensor = self.model.timbre_encoder(batch.timbre_latents.to(self.place))
        other: Tensor = self.model.timbre_encoder(batch.latents.to(self.place))
        temperature = self.settings.timbre_first.temperature
        loss = contrastive_loss(timbre, other, batch.group.to(self.place), temperature=temperature)
        rise = self._rise("pitch_critic", iteration, 0)
        return {"contrast": (loss, 1.0), **self._judge_timbre(timbre, batch, rise)}

    def _judge_timbre(self, timbre: Tensor, batch: Batch, rise: float) -> Terms:
        guess = self.critics.judge_timbre(timbre, batch.timbre_pitches.to(self.place), rise)
        return {} if guess is None else {"pitch_critic": (guess, 1.0)}
