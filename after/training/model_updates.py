"""The updates of the generative model: the timbre encoder alone at first if so wanted, then everything at once."""

from collections.abc import Mapping

import torch
from torch import Tensor

from after.checkpoint import load_into
from after.conditioning.adversary import adversary_weight
from after.conditioning.contrast import contrastive_loss
from after.data.loading.excerpts import Batch
from after.errors import ConfigError
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

    Contrast, correlation and the pitch critic look at the items of one process, so their gradients depend on how many
    there are. What the settings bring in later, as they may when a run goes on, rises from there; what they leave out
    is dropped.

    Args:
        settings: of the training.
        model: on its device.
        num_groups: groups in the data.
        items: this rank's share of each batch.

    Raises:
        ConfigError: if the share is too small to compare items.
    """

    def __init__(self, settings: DiffusionTrainingSettings, model: Model, num_groups: int, items: range) -> None:
        training = settings.training
        if len(items) < 2 and (settings.disentangling.correlation > 0 or settings.timbre_first.iterations > 0):
            raise ConfigError(
                f"training.batch_size is {training.batch_size}, which gives each process {len(items)}: correlation and "
                "contrast compare the items of one process, so give each at least 2"
            )
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
        """Make one update; give its losses without their weights in the sum, gradient norms and learning rate.

        The first is `loss`, the objective's, or `contrast` in the first stage.
        """
        is_first = self._enter_stage(iteration)
        rise = self._rise(iteration, is_first)
        judging = {name: self.state.since(name, iteration) for name in self.critics.learners if name in rise}
        rate = self.learner.begin(iteration)
        self.critics.begin(iteration, judging)
        with autocast(self.place, self.settings.training.precision):
            terms = self._contrast(batch, rise) if is_first else self._terms(batch, iteration, rise)
        figures = {name: mean_over_ranks(value) for name, (value, _) in terms.items()}
        for name, figure in figures.items():
            check_finite(figure, iteration, name.replace("_", " "))
        torch.autograd.backward(torch.stack([weight * value for value, weight in terms.values()]).sum())
        norm = self.learner.gather(iteration)
        norms = self.critics.learn(iteration, judging)
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

    def _rise(self, iteration: int, is_first: bool) -> dict[str, float]:
        """Give the share of its weight that counts now, 0 to 1, for each loss at work; forget those that are not."""
        parting = self.settings.disentangling
        has_first = self.settings.timbre_first.iterations > 0
        at_work = {name for name in _PARTING if getattr(parting, name) > 0}
        if has_first:  # the first stage is about the timbre alone, and the second leaves it
            at_work = {name for name in at_work if (name == "pitch_critic") is is_first}
        for name in set(_PARTING) - at_work:
            self.state.end(name)
        starts = {name: self.state.since(name, iteration) + parting.start for name in at_work}
        return {name: adversary_weight(iteration, start=start, length=parting.length) for name, start in starts.items()}

    def _terms(self, batch: Batch, iteration: int, rise: Mapping[str, float]) -> Terms:
        """Give the losses of one update."""
        parting = self.settings.disentangling
        generator = torch.Generator().manual_seed(self.settings.training.seed * 1_000_003 + iteration)
        outcome = run_pass(self._compiled, batch, self.settings, generator, self.place, self.items)
        group = batch.group.to(self.place)
        terms: Terms = {"loss": (outcome.loss, 1.0)}
        if "timbre_critic" in rise:
            guess = self.critics.judge_structure(outcome.structure, outcome.timbre, group, rise["timbre_critic"])
            terms["timbre_critic"] = guess, 1.0
        if "pitch_critic" in rise:
            terms["pitch_critic"] = self._judge_timbre(outcome.timbre, batch, rise["pitch_critic"]), 1.0
        if "correlation" in rise:
            weight = rise["correlation"] * parting.correlation
            terms["correlation"] = correlation_term(outcome.structure, outcome.timbre, group), weight
        if "cycle" in rise:
            term = cycle_term(self.model, batch, outcome, generator, self.place, self.items)
            terms["cycle"] = term, rise["cycle"] * parting.cycle
        return terms

    def _contrast(self, batch: Batch, rise: Mapping[str, float]) -> Terms:
        """Give the losses of the first stage."""
        timbre: Tensor = self.model.timbre_encoder(batch.timbre_latents.to(self.place))
        other: Tensor = self.model.timbre_encoder(batch.latents.to(self.place))
        temperature = self.settings.timbre_first.temperature
        loss = contrastive_loss(timbre, other, batch.group.to(self.place), temperature=temperature)
        terms: Terms = {"contrast": (loss, 1.0)}
        if "pitch_critic" in rise:
            terms["pitch_critic"] = self._judge_timbre(timbre, batch, rise["pitch_critic"]), 1.0
        return terms

    def _judge_timbre(self, timbre: Tensor, batch: Batch, rise: float) -> Tensor:
        return self.critics.judge_timbre(timbre, batch.timbre_pitches.to(self.place), rise)
