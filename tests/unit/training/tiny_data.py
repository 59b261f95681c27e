"""A tiny prepared store and what the tests of both training loops ask of a run folder."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from after.checkpoint import list_checkpoints, read_checkpoint
from after.data.prepare.run import prepare
from after.data.prepare.settings import PrepareJob
from after.midi import Note, write_midi
from after.training.outcome import Outcome
from tests.unit.data.audio_folder import save, sine

CHUNK_SAMPLES = 20 * 1_024


def make_store(folder: Path, *, midi: bool = True, sample_rate: int = 44_100) -> Path:
    """Two instruments, soft and bright, three files each; one of each three validates or none at all."""
    for group, harmonics in (("soft", (1,)), ("bright", (1, 2, 3, 4))):
        for number in range(3):
            notes = [Note(0.25 * k, 60 + 3 * number + 2 * k, 60 + 20 * k, 0.2) for k in range(4)]
            tones = [
                sum(sine(440 * 2 ** ((note.pitch - 69) / 12) * h, 0.25, level=note.velocity / 400) for h in harmonics)
                for note in notes
            ]
            save(folder / f"set/{group}/{number}.wav", np.concatenate(tones))
            if midi:
                write_midi(folder / f"set/{group}/{number}.mid", notes)
    prepare(
        PrepareJob(inputs=(folder / "set",), out=folder / "store", workers=0),
        {"chunk_samples": CHUNK_SAMPLES, "validation": 0.35, "min_seconds": 0.1, "sample_rate": sample_rate},
    )
    return folder / "store"


def iterations_of(run: Path) -> list[int]:
    return [int(path.stem) for path in list_checkpoints(run)]


def final_tensors(run: Path) -> dict[str, torch.Tensor]:
    """The newest checkpoint without the generators of Python and NumPy, which no training loop draws from."""
    tensors, _ = read_checkpoint(list_checkpoints(run)[-1])
    return {name: tensor for name, tensor in tensors.items() if not name.startswith("random.numpy")}


def differing(first: Path, second: Path) -> list[str]:
    """Names of the tensors in which two runs ended differently: weights, averages, optimiser, torch's generator."""
    one, other = final_tensors(first), final_tensors(second)
    assert one.keys() == other.keys()
    return [name for name in one if not torch.equal(one[name], other[name])]


def logged(run: Path, name: str) -> list[float]:
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [line[name] for line in lines if name in line]


def train_in_pieces(train: Callable[[float], Outcome], iterations: int) -> int:
    """Call the training with a short time limit until it is done; gives the number of calls that stopped early."""
    for stops in range(100):
        outcome = train(0.004)
        if outcome.reason is None:
            assert outcome.iteration == iterations
            return stops
        assert "time limit" in outcome.reason
    raise AssertionError("a hundred calls were not enough")
