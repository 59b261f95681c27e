"""Those who look for timbre in the structure and for pitch in the timbre, each with an optimiser of its own."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from after.conditioning.adversary import (
    PitchCritic,
    TimbreCritic,
    group_loss,
    pitch_loss,
    reverse_gradient,
    timbre_regression_loss,
)
from after.model import structure_channels
from after.settings import DiffusionTrainingSettings, DisentanglingSettings, OptimizerSettings
from after.training.updates import Learner

CRITIC_NAMES = frozenset({"timbre_critic", "pitch_critic"})


class Critics(nn.Module):
    """The critics that the settings give a weight, and what teaches them.

    Args:
        settings: of the training.
        num_groups: groups in the data.
    """

    def __init__(self, settings: DiffusionTrainingSettings, num_groups: int) -> None:
        super().__init__()
        self.settings: DisentanglingSettings = settings.disentangling
        timbre_size, width = settings.model.timbre.size, settings.disentangling.critic_width
        channels = structure_channels(settings.model.structure)
        self.timbre: TimbreCritic | None = None
        self.pitch: PitchCritic | None = None
        if self.settings.timbre_critic > 0:
            self.timbre = TimbreCritic(channels, timbre_size=timbre_size, num_groups=num_groups, width=width)
        if self.settings.pitch_critic > 0:
            self.pitch = PitchCritic(timbre_size, width=width)
        self.learners = {
            name: Learner(
                critic,
                OptimizerSettings(learning_rate=self.settings.critic_learning_rate),
                settings.training.iterations,
            )
            for name, critic in self.by_name().items()
        }

    def by_name(self) -> dict[str, nn.Module]:
        """Give the critics that there are, by the names of their weights in the settings."""
        both = {"timbre_critic": self.timbre, "pitch_critic": self.pitch}
        return {name: critic for name, critic in both.items() if critic is not None}

    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """Give their optimisers by the same names."""
        return {name: learner.optimizer for name, learner in self.learners.items()}

    def begin(self, iteration: int, since: Mapping[str, int]) -> None:
        """Forget old gradients of critics and set their learning rates, by schedules that begin when they did."""
        for name, start in since.items():
            self.learners[name].start_at(start)
            self.learners[name].begin(iteration)

    def learn(self, iteration: int, names: Collection[str]) -> dict[str, Tensor]:
        """Make an update of critics from their gradients; give the norms, to log.

        Raises:
            TrainingError: if one is not finite, before any critic changes.
        """
        norms = {
            f"{name}_gradient_norm": self.learners[name].gather(iteration, f"{name.replace('_', ' ')}'s gradient norm")
            for name in names
        }
        for name in names:
            self.learners[name].optimizer.step()
        return norms

    def judge_structure(self, structure: Tensor, timbre: Tensor, group: Tensor, weight: float) -> Tensor:
        """Give the critic's loss on structure [B, L, S]; its gradient reaches the structure reversed and weighed."""
        assert self.timbre is not None
        guess, logits = self.timbre(reverse_gradient(structure, weight * self.settings.timbre_critic))
        return timbre_regression_loss(guess, timbre) + group_loss(logits, group)

    def judge_timbre(self, timbre: Tensor, pitches: Tensor, weight: float) -> Tensor:
        """Give the critic's loss on timbres [B, E]; its gradient reaches them reversed and weighed."""
        assert self.pitch is not None
        logits = self.pitch(reverse_gradient(timbre, weight * self.settings.pitch_critic))
        return pitch_loss(logits, pitches, octave_weight=self.settings.octave_share)
