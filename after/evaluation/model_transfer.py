"""Transfer between the instruments of a store: the melody of one, the timbre of another, for all pairs."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from after.data.loading.excerpts import Excerpts
from after.errors import DataError
from after.evaluation.bootstrap import Interval, bootstrap_recordings
from after.evaluation.model_trials import Audio, ModelTrial
from after.features.agreement import pitch_agreement

_TIMBRE_EXCERPTS = 16
_BATCH = 16


@dataclass(frozen=True, slots=True)
class TransferMatrices:
    """Rows are whose melody is played, columns in whose timbre.

    Attributes:
        names: N instruments.
        pitch: [N, N], share of the source's voiced frames that keep their pitch; NaN where none is voiced.
        timbre: [N, N], share of the results that a classifier of recordings takes for the instrument asked for; NaN for
            one that it could not learn.
        across_pitch: over all pairs of different instruments; the interval is over the recordings of the melodies.
        across_timbre: likewise.
    """

    names: tuple[str, ...]
    pitch: NDArray[np.float64]
    timbre: NDArray[np.float64]
    across_pitch: Interval
    across_timbre: Interval


@dataclass(frozen=True, slots=True)
class Melodies:
    """Excerpts of one instrument: latents [B, L, D], structure [B, L, S], and the recording that each is from."""

    latents: Tensor
    structure: Tensor
    origins: tuple[int, ...]


def check_names(trial: ModelTrial, names: Sequence[str]) -> None:
    """Refuse a single instrument, and those without recordings on both sides of the store.

    Raises:
        DataError: if there are such.
    """
    if len(names) == 1:
        raise DataError(f"{names[0]} alone makes no pair: name two instruments or more, or none")
    for what, there in (("held-out", trial.held_out.groups), ("training", trial.train.groups)):
        unknown = sorted(set(names) - set(there))
        if unknown:
            raise DataError(f"no {what} recordings of {', '.join(unknown)}; there are {', '.join(there)}")


def draw_melodies(excerpts: Excerpts, names: Sequence[str], count: int, seed: int = 0) -> dict[str, Melodies]:
    """Draw as many excerpts of each instrument, from as many of its recordings as random draws find."""
    found: dict[str, list[tuple[int, int, Tensor, Tensor]]] = {name: [] for name in names}
    turns: Counter[int] = Counter()
    number = 0
    while any(len(rows) < 2 * count for rows in found.values()):
        batch = excerpts.batch(number, _BATCH, seed)
        number += 1
        for row, group in enumerate(batch.group):
            name, origin = excerpts.groups[int(group)], int(batch.origin[row])
            if name in found:
                found[name].append((turns[origin], origin, batch.latents[row], batch.structure[row]))
                turns[origin] += 1
    # the first excerpt of each recording, then the second of each
    chosen = {name: sorted(rows, key=lambda row: row[0])[:count] for name, rows in found.items()}
    return {
        name: Melodies(torch.stack([row[2] for row in rows]), torch.stack([row[3] for row in rows]),
                       tuple(row[1] for row in rows))
        for name, rows in chosen.items()
    }  # fmt: skip


def measure_matrices(
    trial: ModelTrial, names: Sequence[str], per_pair: int, progress: Callable[[int, int], None] | None = None
) -> TransferMatrices:
    """Play held-out excerpts of each instrument in the mean timbre of each.

    Raises:
        DataError: as `check_names`.
    """
    check_names(trial, names)
    with torch.inference_mode():
        timbres = [
            trial.trained.model.timbre_encoder(trial.train.timbre_excerpts(name, _TIMBRE_EXCERPTS)).mean(0)
            for name in names
        ]
    melodies = draw_melodies(trial.held_out, names, per_pair, trial.trials.seed)
    kept = np.full((len(names), len(names), per_pair), np.nan)
    hits = np.full_like(kept, np.nan)
    for row, melody in enumerate(melodies.values()):
        originals = trial.decode(melody.latents)
        for column, (name, timbre) in enumerate(zip(names, timbres, strict=True)):
            made = trial.decode(
                trial.generate(melody.structure, timbre.expand(per_pair, -1), trial.trials.num_steps[-1])
            )
            kept[row, column] = _pitches_kept(originals, made, trial.trained.codec.sample_rate)
            hits[row, column] = [trial.recognition.hit(audio, name) for audio in made]
            if progress is not None:
                progress(row * len(names) + column + 1, len(names) ** 2)
    is_across = ~np.eye(len(names), dtype=bool)
    origins = np.broadcast_to(np.array([melody.origins for melody in melodies.values()])[:, None], kept.shape)
    across = [
        bootstrap_recordings(values[is_across].ravel().tolist(), origins[is_across].ravel().tolist())
        for values in (kept, hits)
    ]
    return TransferMatrices(tuple(names), _known_mean(kept), _known_mean(hits), *across)


def _pitches_kept(originals: Sequence[Audio], made: Sequence[Audio], sample_rate: int) -> list[float]:
    """Give the share of each original's voiced frames whose pitch is kept; NaN without any."""
    found = [pitch_agreement(a, b, sample_rate) for a, b in zip(originals, made, strict=True)]
    return [float("nan") if value is None else value for value in found]


def _known_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average [N, N, B] over what is not NaN, [N, N]; NaN where there is nothing else."""
    known = np.isfinite(values)
    counts = known.sum(axis=-1)
    return np.where(counts > 0, np.where(known, values, 0.0).sum(axis=-1) / np.maximum(counts, 1), np.nan)
