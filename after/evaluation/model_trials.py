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

from after.conditioning.probes import ProbeScore
from after.data.loading.excerpts import Batch, Excerpts, ExcerptSettings
from after.data.store import Split, Store
from after.evaluation.bootstrap import Interval, bootstrap_recordings
from after.evaluation.loudness_error import measure_loudness_error
from after.evaluation.model_probes import probe_model
from after.evaluation.model_recognition import Recognition
from after.features.agreement import pitch_agreement
from after.features.mel import log_mel_distance
from after.features.mfcc import mfcc_statistics
from after.trained import Trained

Audio = NDArray[np.float32]
Progress = Callable[[int, int], None]

_BATCH = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelTrials:
    """What is measured.

    Attributes:
        num_items: held-out excerpts that are generated.
        num_probed: held-out excerpts that the probes read, these first.
        num_steps: sampler steps, one row for each.
        guidance_structure: strength.
        guidance_timbre: strength.
        crop_frames: length of an excerpt.
        per_group: training excerpts of each group that the classifier learns from.
        seed: of the excerpts and the noise.
    """

    num_items: int = 64
    num_probed: int = 256
    num_steps: tuple[int, ...] = (4,)
    guidance_structure: float = 1.0
    guidance_timbre: float = 1.0
    crop_frames: int = 172
    per_group: int = 24
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """What one number of sampler steps gives, over all excerpts; intervals are over the recordings they are from."""

    num_steps: int
    log_mel: Interval
    same_pitch: Interval
    loudness_db: Interval
    timbre: Interval


@dataclass(frozen=True, slots=True)
class ModelReport:
    """What was measured.

    Attributes:
        rows: by sampler steps.
        timbre_of_recordings: accuracy of the classifier on the decoded recordings.
        probes: what they read.
        num_recordings: that the excerpts are from.
        left_out: what could not be measured, with the reason.
    """

    rows: tuple[Row, ...]
    timbre_of_recordings: Interval
    probes: dict[str, ProbeScore]
    num_recordings: int
    left_out: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Excerpt:
    """What a generated excerpt is compared with: the decoded latents, their recording and instrument."""

    audio: Audio
    origin: int
    group: str


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
        batches = list(self._batches(self.trials.num_items))
        excerpts = [excerpt for batch in batches for excerpt in self._decoded(batch)]
        rows = []
        for index, num_steps in enumerate(self.trials.num_steps):
            latents = (self._generate(batch, num_steps, number) for number, batch in enumerate(batches))
            made = [audio for rows_of_batch in latents for audio in self.decode(rows_of_batch)]
            rows.append(self._row(num_steps, made, excerpts))
            if progress is not None:
                progress(index + 1, len(self.trials.num_steps))
        truth = self._recognised([excerpt.audio for excerpt in excerpts], excerpts)
        groups = self.held_out.groups
        num_probed = max(self.trials.num_probed, self.trials.num_items)
        probes, gaps = probe_model(self.trained.model, list(self._batches(num_probed)), groups)
        left_out = (*self.recognition.describe_gaps(groups), *gaps)
        return ModelReport(tuple(rows), truth, probes, len({excerpt.origin for excerpt in excerpts}), left_out)

    @cached_property
    def recognition(self) -> Recognition:
        """Who names instruments: learns from decoded training excerpts when it is first asked."""
        rate = self.trained.codec.sample_rate
        statistics = {}
        for group in self.train.groups:
            latents = self.train.timbre_excerpts(group, self.trials.per_group, seed=1)
            statistics[group] = [mfcc_statistics(audio, rate) for audio in self.decode(latents)]
        return Recognition.learn(statistics, rate)

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

    def _batches(self, num_items: int) -> Iterator[Batch]:
        for number in range(-(-num_items // _BATCH)):
            left = min(_BATCH, num_items - number * _BATCH)
            yield self.held_out.batch(number, left, seed=self.trials.seed)

    def _decoded(self, batch: Batch) -> Iterator[_Excerpt]:
        for audio, origin, group in zip(self.decode(batch.latents), batch.origin, batch.group, strict=True):
            yield _Excerpt(audio, int(origin), self.held_out.groups[int(group)])

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

    def _recognised(self, sounds: Sequence[Audio], excerpts: Sequence[_Excerpt]) -> Interval:
        hits = [self.recognition.hit(audio, excerpt.group) for audio, excerpt in zip(sounds, excerpts, strict=True)]
        return bootstrap_recordings(hits, [excerpt.origin for excerpt in excerpts])

    def _row(self, num_steps: int, made: Sequence[Audio], excerpts: Sequence[_Excerpt]) -> Row:
        rate = self.trained.codec.sample_rate
        pairs = [(audio, excerpt.audio) for audio, excerpt in zip(made, excerpts, strict=True)]
        origins = [excerpt.origin for excerpt in excerpts]
        pitches = [pitch_agreement(original, audio, rate) for audio, original in pairs]
        return Row(
            num_steps,
            bootstrap_recordings([log_mel_distance(*pair, rate) for pair in pairs], origins),
            bootstrap_recordings([float("nan") if value is None else value for value in pitches], origins),
            bootstrap_recordings([measure_loudness_error(*pair, rate).rmse_db for pair in pairs], origins),
            self._recognised(made, excerpts),
        )
