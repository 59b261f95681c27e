"""How long the stages of a render take, beside a fixed piece of arithmetic that tells how fast the machine is now.

`make speed` runs it and prints a table of ratios to the history in docs/bench (see tests/bench/history.py).
"""

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture

from after.instrument import Instrument
from after.midi import Note
from render.daw import Lane, mix_lanes
from render.effects import apply_effects, load_effects
from render.loudness import match_loudness

pytestmark = pytest.mark.bench
RATE, SECONDS = 44100, 10.0
NOTES = [Note(0.25 * k, 55 + (7 * k) % 24, 60 + k, 0.25) for k in range(int(SECONDS * 4))]


@pytest.fixture(scope="module")
def instrument() -> Instrument:
    torch.set_num_threads(1)
    return Instrument.load()


@pytest.fixture(scope="module")
def audio() -> np.ndarray:
    return np.random.default_rng(0).uniform(-0.3, 0.3, (2, round(RATE * SECONDS))).astype(np.float32)


def test_yardstick(benchmark: BenchmarkFixture) -> None:
    """What other times are divided by: products of matrices of the model's sizes."""
    torch.set_num_threads(1)
    x, w = torch.ones(64, 256), torch.ones(256, 1024)

    def work() -> None:
        for _ in range(200):
            torch.mm(torch.mm(x, w), w.T)

    benchmark(work)


@pytest.mark.parametrize("num_steps", [1, 4, 8])
def test_instrument(benchmark: BenchmarkFixture, instrument: Instrument, num_steps: int) -> None:
    instrument.set(num_steps=num_steps, guidance_structure=1, guidance_timbre=1)
    benchmark.pedantic(lambda: instrument.render(NOTES, SECONDS), rounds=3, warmup_rounds=1)


def test_instrument_with_guidance(benchmark: BenchmarkFixture, instrument: Instrument) -> None:
    instrument.set(num_steps=4, guidance_structure=2, guidance_timbre=2)
    benchmark.pedantic(lambda: instrument.render(NOTES, SECONDS), rounds=3, warmup_rounds=1)


def test_mix_of_four_tracks(benchmark: BenchmarkFixture, audio: np.ndarray) -> None:
    lanes = [Lane(str(index), audio, -3.0) for index in range(4)]
    benchmark(lambda: mix_lanes(lanes, audio.shape[1], sample_rate=RATE))


@pytest.mark.parametrize("name", ["clean", "room", "plate", "tape", "wide"])
def test_effects(benchmark: BenchmarkFixture, audio: np.ndarray, name: str) -> None:
    chain = load_effects(name)
    benchmark(lambda: apply_effects(audio, chain, RATE))


def test_loudness(benchmark: BenchmarkFixture, audio: np.ndarray) -> None:
    benchmark(lambda: match_loudness(audio, RATE, target_lufs=-16.0, max_true_peak_dbtp=-1.0))
