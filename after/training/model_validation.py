"""What a model is measured by while it learns: its loss, what leaks between structure and timbre, and how it sounds."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from after.codec.load import AnyCodec
from after.conditioning.adversary import mean_pitch
from after.conditioning.probes import pool_over_time, probe_groups, probe_value
from after.data.loading.excerpts import Batch, Excerpts
from after.errors import DataError
from after.features.agreement import pitch_agreement
from after.features.mel import log_mel
from after.model import Model
from after.settings import DiffusionTrainingSettings
from after.training.model_losses import compute_loss
from after.training.run import Run

_LOSS_BATCHES = 4
_PROBE_ITEMS = 256
_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Validation:
    """What is validated, on what, and where it is logged."""

    model: Model
    codec: AnyCodec
    held_out: Excerpts
    run: Run
    settings: DiffusionTrainingSettings

    @torch.no_grad()
    def __call__(self, iteration: int) -> float:
        """Log all figures; give the objective's loss on held-out recordings, with fixed noise."""
        self.model.eval()
        with torch.random.fork_rng():  # building CREPE draws weights before it loads them
            loss = self._loss()
            self.run.log(iteration, {"validation/loss": loss, **self._leakage(), **self._examples(iteration)})
        self.model.train()
        return loss

    def _loss(self) -> float:
        place = next(self.model.parameters()).device
        settings = replace(self.settings, level_weight=1.0)  # which a run may change, and best is best of all
        losses = []
        for number in range(_LOSS_BATCHES):
            batch = self.held_out.batch(number, self.settings.training.batch_size, seed=1)
            generator = torch.Generator().manual_seed(number)
            losses.append(float(compute_loss(self.model, batch, settings, generator, place)))
        return float(np.mean(losses))

    def _leakage(self) -> dict[str, float]:
        """Probe the structure for the group, and the timbre for the mean pitch; a probe without a base is left out."""
        place = next(self.model.parameters()).device
        size = max(self.settings.training.batch_size, 8)
        batches = [self.held_out.batch(1000 + n, size, seed=1) for n in range(-(-_PROBE_ITEMS // size))]
        timbre = _joined([self.model.timbre_encoder(batch.timbre_latents.to(place)) for batch in batches])
        columns = (_joined([getattr(batch, name) for batch in batches]) for name in ("group", "origin", "source"))
        group, origin, source = columns
        pitch = mean_pitch(torch.cat([batch.timbre_pitches for batch in batches])).double().numpy()
        known = pitch > 0
        probes: dict[str, Callable[[], float]] = {
            "pitch_in_timbre": lambda: probe_value(timbre[known], pitch[known], sources=source[known].tolist()).leakage,
            "group_in_timbre": lambda: probe_groups(timbre, group.tolist(), sources=source.tolist()).score,
        }
        if self.model.code is not None:
            code = _joined([self.model.code(batch.structure.to(place)) for batch in batches])
            pooled = pool_over_time(code)
            probes["timbre_in_structure"] = lambda: (
                probe_groups(pooled, group.tolist(), sources=origin.tolist()).leakage
            )
        figures: dict[str, float] = {}
        for name, probe in probes.items():
            with suppress(DataError):  # too few groups or recordings to probe
                figures[f"validation/{name}"] = probe()
        return figures

    def _examples(self, iteration: int) -> dict[str, float]:
        """Generate a few excerpts, log them beside the recordings, and measure how far they are apart."""
        batch = self.held_out.batch(0, _EXAMPLES, seed=1)
        made = self._generate(batch)
        rate = self.codec.sample_rate
        distances, agreements = [], []
        for index in range(_EXAMPLES):
            pair = []
            for name, rows in (("original", batch.latents.to(made.device)), ("generated", made)):
                audio = self.codec.decode(rows[index : index + 1].transpose(1, 2))[0]
                self.run.audio(iteration, f"audio/{index}/{name}", audio, rate)
                pair.append(audio[0].float().cpu().numpy())
            distances.append(float(np.abs(log_mel(pair[0], rate) - log_mel(pair[1], rate)).mean()))
            agreements.append(pitch_agreement(pair[0], pair[1], rate))
        figures = {"validation/log_mel": float(np.mean(distances))}
        measured = [agreement for agreement in agreements if agreement is not None]
        return {**figures, "validation/same_pitch": float(np.mean(measured))} if measured else figures

    def _generate(self, batch: Batch) -> Tensor:
        place = next(self.model.parameters()).device
        structure = batch.structure.to(place)
        made: Tensor = self.model.generate(
            structure if self.model.code is None else self.model.code(structure),
            self.model.timbre_encoder(batch.timbre_latents.to(place)),
            seeds=torch.arange(_EXAMPLES, device=place),
            num_steps=self.settings.validation_steps,
        )
        return made


def _joined(parts: list[Tensor]) -> NDArray[np.float64]:
    return torch.cat(parts).double().cpu().numpy()
