"""The updates of a codec: spectral losses alone at first, then beside discriminators that learn as well."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from after.checkpoint import load_into
from after.codec.adversarial import Balancer, discriminator_loss, feature_loss, generator_loss
from after.codec.autoencoder import Codec
from after.codec.discriminators import Discriminators, Judgement, level_gain
from after.codec.losses import AmplitudeLoss, LevelLoss, MelLoss, SpectralLoss
from after.settings import AdversarialSettings, CodecTrainingSettings
from after.training.device import autocast, compiled
from after.training.distributed import mean_over_ranks
from after.training.ema import Ema
from after.training.state import TrainState
from after.training.stop import check_finite
from after.training.updates import Learner

logger = logging.getLogger(__name__)
Figures = dict[str, Tensor | float]


@dataclass(frozen=True, slots=True)
class CodecBatch:
    """Audio [B, 1, T], and per item a seed of the noise that training adds, [B] int64."""

    audio: Tensor
    seeds: Tensor

    def to(self, place: torch.device) -> "CodecBatch":
        """Move it to a device."""
        return CodecBatch(self.audio.to(place), self.seeds.to(place))


def build_loss(settings: CodecTrainingSettings) -> SpectralLoss:
    """Build the spectral loss from its settings."""
    loss = settings.loss
    return SpectralLoss(loss.scales, floor=loss.floor, linear_weight=loss.linear_weight, log_weight=loss.log_weight)


class Reconstruction:
    """How far a reconstruction is from the recording, by the spectral losses."""

    def __init__(self, settings: CodecTrainingSettings, codec: Codec) -> None:
        loss, place = settings.loss, next(codec.parameters()).device
        self.settings = settings
        self.spectral = build_loss(settings).to(place)
        self.mel = MelLoss(loss.mel_scales, sample_rate=settings.codec.sample_rate, floor=loss.mel_floor).to(place)
        self.level = LevelLoss().to(place)
        self.amplitude: AmplitudeLoss | None = None
        if codec.source is not None:
            self.amplitude = AmplitudeLoss(
                codec.source.frequencies,
                frame_size=settings.codec.decoder_window,
                hop=settings.codec.frame_hop,
                size=loss.amplitude_scale,
            ).to(place)

    def of_sound(self, result: Tensor, audio: Tensor, iteration: int) -> Tensor:
        """Give the loss of sound [B, 1, T] against the recording."""
        loss = self.settings.loss
        value: Tensor = self.spectral(result, audio, draw_scales(self.settings, iteration))
        if loss.mel_weight > 0:
            value = value + loss.mel_weight * self.mel(result, audio)
        if loss.level_weight > 0:
            value = value + loss.level_weight * self.level(result, audio)
        return value

    def of_levels(self, levels: Tensor | None, audio: Tensor) -> Tensor | None:
        """Give the loss of the amplitudes that the sound was made from, where there are such."""
        if self.amplitude is None or levels is None:
            return None
        value: Tensor = self.settings.loss.amplitude_weight * self.amplitude(levels, audio)
        return value


def draw_scales(settings: CodecTrainingSettings, iteration: int) -> tuple[int, ...]:
    """Choose the scales of one update: a pure function of seed and iteration."""
    count = settings.loss.scales_per_iteration
    if count == 0 or count >= len(settings.loss.scales):
        return settings.loss.scales
    generator = np.random.default_rng([settings.training.seed, iteration, 1])
    return tuple(int(s) for s in generator.choice(settings.loss.scales, size=count, replace=False))


class CodecUpdates:
    """Updates of a codec, and from `adversarial.start_iteration` on also of its discriminators.

    With discriminators, a `Balancer` decides which share each loss has in what reaches the decoder. Both optimisers
    follow schedules of their own; the discriminators' begins where they come in.
    """

    def __init__(self, settings: CodecTrainingSettings, codec: Codec) -> None:
        training, adversarial = settings.training, settings.adversarial
        self.settings = settings
        self.codec = codec
        self.place = next(codec.parameters()).device
        self.network = compiled(codec, training.compile, self.place)
        self.reconstruction = Reconstruction(settings, codec)
        self.learner = Learner(codec, training.optimizer, training.iterations)
        self.ema = Ema(codec, training.optimizer.ema_decay)
        self.state = TrainState(
            modules={"model": codec}, optimizers={"model": self.learner.optimizer}, emas={"model": self.ema}
        )
        self.critics: Critics | None = None
        if adversarial.start_iteration >= training.iterations:
            logger.warning(
                "adversarial.start_iteration is %d and training.iterations %d: the run ends before discriminators come",
                adversarial.start_iteration,
                training.iterations,
            )
        elif adversarial.start_iteration:
            self.critics = Critics(adversarial, training.iterations, self.place)
            self.state.modules = {**self.state.modules, **self.critics.modules}
            self.state.optimizers = {**self.state.optimizers, "discriminators": self.critics.learner.optimizer}
            self.state.optional = frozenset(("discriminators", "balancer"))

    def make(self, batch: CodecBatch, iteration: int) -> Mapping[str, Tensor | float]:
        """Make one update; give losses, gradient norms and learning rates."""
        batch = batch.to(self.place)
        critics = self.critics if iteration >= self.settings.adversarial.start_iteration else None
        if critics is not None:
            self._admit(critics, iteration)
        rate = self.learner.begin(iteration)
        with autocast(self.place, self.settings.training.precision):
            result, levels = self.network(batch.audio, batch.seeds)
        sound = self.reconstruction.of_sound(result, batch.audio, iteration)
        of_levels = self.reconstruction.of_levels(levels, batch.audio)
        figures: Figures = {"loss": mean_over_ranks(sound if of_levels is None else sound + of_levels)}
        check_finite(figures["loss"], iteration)
        if critics is None:
            torch.autograd.backward(sound if of_levels is None else sound + of_levels)
        else:
            figures |= self._confront(critics, batch.audio, result, sound, of_levels, iteration)
        figures["gradient_norm"] = self.learner.gather(iteration)
        self.learner.optimizer.step()
        if critics is not None:
            critics.learner.optimizer.step()
        self.ema.update(iteration + 1)
        return {**figures, "learning_rate": rate}

    def _admit(self, critics: "Critics", iteration: int) -> None:
        """Let discriminators in; when they come, averaged and trained encoder become one, and stay it if wanted.

        A run remembers when that was, so that going on later is going on.
        """
        frozen = self.settings.adversarial.freeze_encoder
        if frozen and self.state.is_new("discriminators"):
            load_into(self.codec.encoder, self.ema.state_dict(), "encoder.")
        critics.learner.start_at(self.state.since("discriminators", iteration))
        self.codec.encoder.requires_grad_(not frozen)
        self.codec.encoder.train(not frozen)

    def _confront(
        self,
        critics: "Critics",
        audio: Tensor,
        result: Tensor,
        sound: Tensor,
        of_levels: Tensor | None,
        iteration: int,
    ) -> Figures:
        """Let discriminators judge a reconstruction, and send the balanced gradient of all losses back through it."""
        with autocast(self.place, self.settings.training.precision):
            figures, losses, gain = critics.judge(audio, result, iteration)
        gradient = critics.balancer({"spectral": sound, **losses}, result, gain)
        tensors, gradients = [result], [gradient]
        if of_levels is not None:  # as much as the spectral losses count
            tensors.append(of_levels)
            gradients.append(critics.spectral_share().to(of_levels.dtype))
        torch.autograd.backward(tensors, gradients)
        return figures


class Critics:
    """The discriminators of a training, what teaches them, and the balance of the losses."""

    def __init__(self, settings: AdversarialSettings, iterations: int, place: torch.device) -> None:
        self.settings = settings
        self.discriminators = Discriminators(settings.stft_scales, settings.periods, width=settings.width).to(place)
        weights = {
            "spectral": settings.spectral_weight,
            "adversarial": settings.adversarial_weight,
            "feature": settings.feature_weight,
        }
        self.balancer = Balancer(weights, mean_over_ranks=mean_over_ranks).to(place)
        self.learner = Learner(self.discriminators, settings.optimizer, iterations, start=settings.start_iteration)
        self.modules = {"discriminators": self.discriminators, "balancer": self.balancer}

    def judge(self, audio: Tensor, result: Tensor, iteration: int) -> tuple[Figures, dict[str, Tensor], Tensor]:
        """Gather the discriminators' gradients, and give the figures to log, the decoder's losses, and the gain.

        Raises:
            TrainingError: if a loss or a gradient is not finite.
        """
        rate = self.learner.begin(iteration)
        gain = level_gain(audio)
        self.discriminators.requires_grad_(True)
        real: list[Judgement] = self.discriminators(audio * gain)
        loss = discriminator_loss(real, self.discriminators(result.detach() * gain))
        figures: Figures = {"discriminator_loss": mean_over_ranks(loss)}
        check_finite(figures["discriminator_loss"], iteration, "discriminators' loss")
        torch.autograd.backward(loss)
        figures["discriminator_gradient_norm"] = self.learner.gather(iteration, "discriminators' gradient norm")
        self.discriminators.requires_grad_(False)
        fake: list[Judgement] = self.discriminators(result * gain)
        losses = {"adversarial": generator_loss(fake), "feature": feature_loss(real, fake)}
        for name, value in losses.items():
            figures[f"{name}_loss"] = mean_over_ranks(value)
            check_finite(figures[f"{name}_loss"], iteration, f"{name} loss")
        return {**figures, "discriminator_learning_rate": rate}, losses, gain

    def spectral_share(self) -> Tensor:
        """Give the factor by which the balance scales the spectral losses."""
        total = sum(self.balancer.weights.values())
        return self.balancer.weights["spectral"] / total / self.balancer.norms()["spectral"].clamp_min(1e-12)
