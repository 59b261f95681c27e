"""A trained model on held-out excerpts of its store: how near it comes to them, and what leaks.

Works on every kind of structure alike, as structure and timbre come from the store: what is compared with a recording
is the model's latents, decoded, beside the recording's own latents, decoded.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from after.conditioning.adversary import mean_pitch
from after.conditioning.probes import ProbeScore, pool_over_time, probe_groups, probe_value
from after.data.loading.excerpts import Batch, Excerpts, ExcerptSettings
from after.data.store import Split, Store
from after.evaluation.bootstrap import Interval, bootstrap_values
from after.evaluation.classifier import TimbreClassifier
from after.evaluation.loudness_error import measure_loudness_error
from after.features.agreement import pitch_agreement
from after.features.mel import log_mel_distance
from after.features.mfcc import mfcc_statistics
from after.trained import Trained
from after.units import db_to_gain

Audio = NDArray[np.float32]
Progress = Callable[[int, int], None]

_BATCH = 8
_SILENCE_DB = -70.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelTrials:
    """What is measured.

    Attributes:
        num_items: held-out excerpts.
        num_steps: sampler steps, one row for each.
        guidance_structure: strength.
        guidance_timbre: strength.
        crop_frames: length of an excerpt.
        per_group: training excerpts of each group that the classifier learns from.
        seed: of the excerpts and the noise.
    """

    num_items: int = 64
    num_steps: tuple[int, ...] = (4,)
    guidance_structure: float = 1.0
    guidance_timbre: float = 1.0
    crop_frames: int = 172
    per_group: int = 24
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """What one number of sampler steps gives, over all excerpts."""

    num_steps: int
    log_mel: Interval
    same_pitch: Interval
    loudness_db: Interval
    timbre: Interval


@dataclass(frozen=True, slots=True)
class ModelReport:
    """Rows by sampler steps; the accuracy of the classifier on the decoded recordings; what probes read."""

    rows: tuple[Row, ...]
    timbre_of_recordings: Interval
    probes: dict[str, ProbeScore]


def heard_as(classifier: TimbreClassifier, audio: Audio, sample_rate: int) -> str | None:
    """Tell which instrument a sound [T] is taken for; None where there is nothing to hear (below -70 dBFS)."""
    if np.abs(audio).max() < db_to_gain(_SILENCE_DB):
        return None
    return next(iter(classifier.rank(mfcc_statistics(audio, sample_rate))), None)


class ModelTrial:
    """One trained model, and the store it is tried on."""

    def __init__(self, trained: Trained, store: Store, trials: ModelTrials) -> None:
        """Index the store.

        Raises:
            DataError: if the store lacks the latents, or what structure is made of.
        """
        self.trained = trained
        self.trials = trials
        self._store = store
        self.held_out = self._excerpts("validation")
        self.train = self._excerpts("train")

    def run(self, progress: Progress | None = None) -> ModelReport:
        """Generate every excerpt with its own structure, in the timbre of another excerpt of its group."""
        classifier = self.classifier
        batches = list(self._batches())
        originals = [audio for batch in batches for audio in self.decode(batch.latents)]
        groups = [int(group) for batch in batches for group in batch.group]
        rows = []
        for index, num_steps in enumerate(self.trials.num_steps):
            latents = (self._generate(batch, num_steps, number) for number, batch in enumerate(batches))
            made = [audio for rows_of_batch in latents for audio in self.decode(rows_of_batch)]
            rows.append(self._row(num_steps, made, originals, groups, classifier))
            if progress is not None:
                progress(index + 1, len(self.trials.num_steps))
        truth = self._recognised(originals, groups, classifier)
        return ModelReport(tuple(rows), bootstrap_values(truth), self._probes(batches))

    @cached_property
    def classifier(self) -> TimbreClassifier:
        """A classifier of instruments, trained on decoded training excerpts when it is first asked."""
        rate = self.trained.codec.sample_rate
        statistics = {}
        for group in self.train.groups:
            latents = self.train.timbre_excerpts(group, self.trials.per_group, seed=1)
            statistics[group] = [mfcc_statistics(audio, rate) for audio in self.decode(latents)]
        return TimbreClassifier.fit(statistics)

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> list[Audio]:
        """Give the sound [T] of latents [B, L, D]."""
        audio = self.trained.codec.decode(latents.float().transpose(1, 2))
        return [row[0].numpy() for row in audio]

    @torch.inference_mode()
    def generate(self, structure: Tensor, timbre: Tensor, num_steps: int, *, first: int = 0) -> Tensor:
        """Give latents [B, L, D] for structure as the store has it, in timbres [B, E]; `first` numbers the items."""
        model, trials = self.trained.model, self.trials
        made: Tensor = model.generate(
            structure if model.code is None else model.code(structure),
            timbre,
            seeds=torch.arange(len(structure)) + first + trials.seed,
            num_steps=num_steps,
            guidance_structure=trials.guidance_structure,
            guidance_timbre=trials.guidance_timbre,
        )
        return made

    @torch.inference_mode()
    def _generate(self, batch: Batch, num_steps: int, number: int) -> Tensor:
        timbre = self.trained.model.timbre_encoder(batch.timbre_latents)
        return self.generate(batch.structure, timbre, num_steps, first=number * _BATCH)

    def _batches(self) -> Iterator[Batch]:
        for number in range(-(-self.trials.num_items // _BATCH)):
            left = min(_BATCH, self.trials.num_items - number * _BATCH)
            yield self.held_out.batch(number, left, seed=self.trials.seed)

    def _excerpts(self, split: Split) -> Excerpts:
        codec = self.trained.codec
        return Excerpts(
            self._store,
            split,
            ExcerptSettings(
                latents_name=self.trained.latents_name,
                crop_frames=self.trials.crop_frames,
                timbre_frames=self.trials.crop_frames,
                frame_rate=codec.sample_rate / codec.hop_length,
                kinds=("recording",),
                structure=self.trained.settings.structure.kind,
                with_pitches=True,
            ),
        )

    def _recognised(self, sounds: Sequence[Audio], groups: Sequence[int], classifier: TimbreClassifier) -> list[float]:
        rate = self.trained.codec.sample_rate
        wanted = (self.held_out.groups[group] for group in groups)
        return [float(heard_as(classifier, audio, rate) == name) for audio, name in zip(sounds, wanted, strict=True)]

    def _row(
        self,
        num_steps: int,
        made: Sequence[Audio],
        originals: Sequence[Audio],
        groups: Sequence[int],
        classifier: TimbreClassifier,
    ) -> Row:
        rate = self.trained.codec.sample_rate
        pairs = list(zip(made, originals, strict=True))
        pitches = [pitch_agreement(original, audio, rate) for audio, original in pairs]
        return Row(
            num_steps,
            bootstrap_values([log_mel_distance(audio, original, rate) for audio, original in pairs]),
            bootstrap_values([value for value in pitches if value is not None]),
            bootstrap_values([measure_loudness_error(audio, original, rate).rmse_db for audio, original in pairs]),
            bootstrap_values(self._recognised(made, groups, classifier)),
        )

    @torch.inference_mode()
    def _probes(self, batches: Sequence[Batch]) -> dict[str, ProbeScore]:
        """Probe the structure for the instrument, and the timbre for pitch and instrument; not of one alone."""
        model = self.trained.model
        timbre = np.concatenate([model.timbre_encoder(batch.timbre_latents).numpy() for batch in batches])
        columns = [torch.cat([getattr(b, name) for b in batches]).numpy() for name in ("group", "origin", "source")]
        group, origin, source = (column.tolist() for column in columns)
        probes: dict[str, ProbeScore] = {}
        if min(map(len, map(set, (group, origin, source)))) < 2:
            return probes
        structures = [b.structure if model.code is None else model.code(b.structure) for b in batches]
        pooled = np.concatenate([pool_over_time(structure.numpy()) for structure in structures])
        probes["instrument in structure"] = probe_groups(pooled, group, sources=origin)
        probes["instrument in timbre"] = probe_groups(timbre, group, sources=source)
        pitch = mean_pitch(torch.cat([batch.timbre_pitches for batch in batches])).double().numpy()
        known = pitch > 0
        if known.sum() > 8:
            kept = [number for number, is_known in zip(source, known, strict=True) if is_known]
            probes["pitch in timbre"] = probe_value(timbre[known], pitch[known], sources=kept)
        return probes
