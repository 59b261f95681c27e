import csv

import numpy as np
import pytest
import soundfile

from after.midi import Note, write_midi

SAMPLE_RATE = 44_100
LEAD_S = 0.02
TUNING_CENTS = 30.0


def tone(pitch, velocity, seconds=1.0, *, is_sustained=False, cents=0.0):
    """A harmonic tone after 20 ms of near silence; the louder layer is brighter, not only louder."""
    times = np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    hz = 440 * 2 ** ((pitch + cents / 100 - 69) / 12)
    brightness = velocity / 127
    sound = sum(brightness ** (k - 1) / k * np.sin(2 * np.pi * hz * k * times) for k in (1, 2, 3))
    sound *= 0.3 * brightness * (np.minimum(1, (seconds - times) / 0.02) if is_sustained else np.exp(-times / 0.5))
    sound *= np.minimum(1, times / 0.002)
    return np.concatenate([1e-5 * np.ones(int(LEAD_S * SAMPLE_RATE)), sound]).astype(np.float32)


def write_library(folder, *, is_sustained=False, name="pluck", cents=0.0, family="plucked"):
    """Three pitches of two layers, with a manifest beside the folder."""
    folder.mkdir(parents=True)
    rows = []
    for pitch in (57, 62, 67):
        for velocity in (48, 96):
            path = folder / f"{name}_m{pitch:03d}_x_l_v{velocity:03d}.wav"
            audio = tone(pitch, velocity, is_sustained=is_sustained, cents=cents)
            soundfile.write(path, audio, SAMPLE_RATE, subtype="PCM_24")
            rows.append(
                {
                    "path": f"{folder.name}/{path.name}",
                    "instrument": name,
                    "family": family,
                    "midi": pitch,
                    "velocity": velocity,
                    "f0_cents": cents,
                    "f0_conf": 0.99,
                    "pitch_check": "ok",
                    "source": "test",
                    "licence": "CC0-1.0",
                    "layer_level": "natural",
                    "layer_span_db": 6.0,
                }
            )
    with (folder.parent / "manifest_instruments.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture
def plucked_folder(tmp_path):
    return write_library(tmp_path / "plucked" / "instruments", cents=TUNING_CENTS)


@pytest.fixture
def sustained_folder(tmp_path):
    return write_library(tmp_path / "sustained" / "instruments", is_sustained=True, name="pipe", family="woodwind")


@pytest.fixture
def midi_folder(tmp_path):
    folder = tmp_path / "midi"
    steps = (0, 4, 7, 5, 9, 12, 11, 7, 4, 2, 0, 0, 3, 8, 10, 1)
    for index in range(4):
        line = [Note(0.3 * i, 50 + index + s, 80, 0.28) for i, s in enumerate(steps)]
        chords = [Note(1.2 * i, 45 + index + s, 80, 1.1, 1, 1) for i in range(4) for s in (0, 4, 7)]
        drums = [Note(0.5 * i, 36, 100, 0.1, 9, 2) for i in range(8)]
        write_midi(folder / f"piece_{index}.mid", line + chords + drums)
    return folder
