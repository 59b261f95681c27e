"""A tiny store, codec run and diffusion run, made by the commands themselves in a few seconds."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from click.testing import CliRunner

from after.audio import write_audio
from after.cli import group
from after.midi import Note, write_midi

RATE = 44100


@dataclass(frozen=True)
class TinyRuns:
    store: Path
    codec: Path
    model: Path


def after(*arguments: object) -> None:
    result = CliRunner().invoke(group, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


def write_recordings(folder: Path) -> None:
    """Three recordings of each of two instruments, with their MIDI: odd harmonics, and all of them."""
    for group_name, harmonics in (("sf_oboe", (1, 2, 3, 4)), ("clarinet", (1, 3, 5))):
        for number in range(3):
            notes = [Note(0.3 * i, 57 + 4 * number + 3 * i, 60 + 20 * i, 0.25) for i in range(4)]
            audio = np.zeros((1, round(1.3 * RATE)), dtype=np.float32)
            for note in notes:
                time_s = np.arange(round(note.duration_s * RATE)) / RATE
                hz = 440 * 2 ** ((note.pitch - 69) / 12)
                tone = sum(np.sin(2 * np.pi * hz * k * time_s) / k for k in harmonics)
                start = round(note.onset_s * RATE)
                audio[0, start : start + time_s.size] += note.velocity / 400 * tone * np.exp(-3 * time_s)
            write_audio(folder / group_name / f"{number}.wav", audio, RATE)
            write_midi(folder / group_name / f"{number}.mid", notes)


def make_tiny_runs(folder: Path) -> TinyRuns:
    runs = TinyRuns(folder / "store", folder / "codec", folder / "model")
    write_recordings(folder / "recordings")
    after("prepare_dataset", folder / "recordings", "--out", runs.store, "--chunk-seconds", 0.5,
          "--validation", 0.34, "--license", "CC0-1.0", "--workers", 0)  # fmt: skip
    after("train_autoencoder", runs.store, "--out", runs.codec, "--preset", "codec_tiny", "--iterations", 2,
          "--set", "crop_samples=8192")  # fmt: skip
    after("train", runs.store, "--codec", runs.codec, "--out", runs.model, "--preset", "tiny", "--iterations", 2)
    return runs
