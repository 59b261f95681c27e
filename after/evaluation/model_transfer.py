"""Transfer between the instruments of a store: the melody of one, the timbre of another, for all pairs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from after.errors import DataError
from after.evaluation.bootstrap import Interval, bootstrap_values
from after.evaluation.model_trials import ModelTrial, heard_as
from after.features.agreement import pitch_agreement

_TIMBRE_EXCERPTS = 16


@dataclass(frozen=True, slots=True)
class TransferMatrices:
    """Rows are whose melody is played, columns in whose timbre.

    Attributes:
        names: N instruments.
        pitch: [N, N], share of the source's voiced frames that keep their pitch.
        timbre: [N, N], share of the results that a classifier of recordings takes for the instrument asked for.
        across_pitch: over all pairs of different instruments.
        across_timbre: likewise.
    """

    names: tuple[str, ...]
    pitch: NDArray[np.float64]
    timbre: NDArray[np.float64]
    across_pitch: Interval
    across_timbre: Interval


def check_names(trial: ModelTrial, names: Sequence[str]) -> None:
    """Refuse instruments without held-out recordings.

    Raises:
        DataError: if there are such.
    """
    unknown = sorted(set(names) - set(trial.held_out.groups))
    if unknown:
        raise DataError(f"no held-out recordings of {', '.join(unknown)}; there are {', '.join(trial.held_out.groups)}")


def measure_matrices(
    trial: ModelTrial, names: Sequence[str], per_pair: int, progress: Callable[[int, int], None] | None = None
) -> TransferMatrices:
    """Play held-out excerpts of each instrument in the mean timbre of each.

    Raises:
        DataError: if an instrument has no held-out recordings.
    """
    check_names(trial, names)
    model, rate, num_steps = trial.trained.model, trial.trained.codec.sample_rate, trial.trials.num_steps[-1]
    classifier = trial.classifier
    with torch.inference_mode():
        timbres = {
            name: model.timbre_encoder(trial.train.timbre_excerpts(name, _TIMBRE_EXCERPTS)).mean(0) for name in names
        }
    pitch = np.full((len(names), len(names)), np.nan)
    timbre = np.full_like(pitch, np.nan)
    across: tuple[list[float], list[float]] = ([], [])
    for row, melody in enumerate(names):
        latents, structure = trial.held_out.of_group(melody, per_pair, seed=trial.trials.seed)
        originals = trial.decode(latents)
        for column, name in enumerate(names):
            made = trial.decode(trial.generate(structure, timbres[name].expand(len(structure), -1), num_steps))
            kept = [pitch_agreement(a, b, rate) for a, b in zip(originals, made, strict=True)]
            pitches = [value for value in kept if value is not None]
            hits = [float(heard_as(classifier, audio, rate) == name) for audio in made]
            pitch[row, column] = np.mean(pitches) if pitches else np.nan
            timbre[row, column] = np.mean(hits)
            if row != column:
                across[0].extend(pitches)
                across[1].extend(hits)
            if progress is not None:
                progress(row * len(names) + column + 1, len(names) ** 2)
    return TransferMatrices(tuple(names), pitch, timbre, bootstrap_values(across[0]), bootstrap_values(across[1]))
