"""`after bench`: finite figures, an exact stream, and a refusal of what does not stream."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from after.cli import group
from after.evaluation.bench import compare_stream
from after.evaluation.bench_input import bench_notes
from after.evaluation.onset_delay import find_onset, measure_delay
from after.instrument import Instrument
from tests.tiny_file import TIMBRES, write_tiny_file
from tests.tiny_instrument import make_tiny_instrument

RATE = 44100


class Echo:
    """Plays a click `delay` samples after each event, and a hiss throughout."""

    sample_rate, hop_length, plays_audio = RATE, 1024, False

    def __init__(self, delay: int) -> None:
        self.delay = delay

    def set_timbre(self, timbre: str) -> None:
        self.level = {"loud": 0.5, "mute": 0.0}[timbre]

    def reset(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)

    def process(self, num_samples, events=()):
        audio = 1e-4 * self.rng.standard_normal((1, num_samples), dtype=np.float32)
        for event in events:
            start = event.offset_samples + self.delay
            audio[:, start : start + 2000] += self.level
        return audio


class Follower(Echo):
    """Gives what it hears back, `delay` samples later."""

    plays_audio = True

    def process_audio(self, audio):
        later = np.pad(audio, ((0, 0), (self.delay, 0)))[:, : audio.shape[1]]
        return self.process(audio.shape[1]) + np.float32(self.level) * later


class Drifting(Instrument):
    """Its noise goes on from one performance to the next, so a stream never equals a render."""

    def reset(self, seed: int = 0) -> None:
        self.count = getattr(self, "count", 0) + 1
        super().reset(seed + self.count)


@pytest.fixture
def tiny() -> Path:
    return write_tiny_file(Path("tiny.safetensors"))


def bench(*arguments: object, loader=None):
    return CliRunner().invoke(group, ["bench", *map(str, arguments)], obj=loader)


def test_figures_are_finite_and_the_stream_is_exact(tiny: Path) -> None:
    result = bench(tiny, "--seconds", 0.3, "--json", "bench.json")
    assert result.exit_code == 0, result.output
    figures = json.loads(Path("bench.json").read_text())
    assert {(row["block_size"], row["num_steps"]) for row in figures["speeds"]} == {
        (size, steps) for size in (1024, 2048, 8192) for steps in (1, 2, 4)
    }
    for row in figures["speeds"] + figures["decoder"]:
        assert 0 < row["median_factor"] <= row["worst_factor"] < math.inf
    assert set(figures["stream_errors"]) == {"1024", "2048", "8192"}
    assert max(figures["stream_errors"].values()) < 1e-5
    assert [row["timbre"] for row in figures["delays"]] == list(TIMBRES)
    assert figures["latency_samples"] == 1536
    assert 50 < figures["peak_memory_mb"] < 1e5
    assert figures["machine"]["threads"] == 1
    assert figures["machine"]["cpu"]
    assert "1536 (  34.8 ms)" in result.stdout


def test_an_instrument_that_does_not_stream_is_found_out(tiny: Path) -> None:
    result = bench("--seconds", 0.2, loader=lambda path: Drifting.load(tiny))
    assert result.exit_code == 1
    assert "DIFFERENT" in result.stdout
    assert "does not stream" in result.stderr


def test_not_a_number_is_not_equal(tiny: Path) -> None:
    instrument = Instrument.load(tiny)
    render = instrument.render
    instrument.render = lambda *arguments, **options: np.nan * render(*arguments, **options)
    result = bench("--seconds", 0.2, "--json", "bench.json", loader=lambda path: instrument)
    assert result.exit_code == 1
    assert json.loads(Path("bench.json").read_text())["stream_errors"]["1024"] is None


def test_odd_block_sizes_are_compared_too(tiny: Path) -> None:
    errors = compare_stream(Instrument.load(tiny), (65, 1000, 3 * RATE), 1.0)
    assert max(errors.values()) < 1e-5


def test_the_steps_are_as_before_afterwards(tiny: Path) -> None:
    instrument = Instrument.load(tiny)
    assert instrument.attributes.num_steps == 2
    assert bench("--seconds", 0.1, loader=lambda path: instrument).exit_code == 0
    assert instrument.attributes.num_steps == 2


def test_wrong_files_are_one_line() -> None:
    Path("text.safetensors").write_text("no weights")
    for name in ("text.safetensors", "missing.safetensors"):
        result = bench(name)
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("delay", [0, 100, 1536, 5000])
def test_the_delay_of_a_click_is_found(delay: int) -> None:
    measured = measure_delay(Echo(delay), "loud")
    assert measured.change_samples == delay
    assert abs(measured.audible_samples - delay) <= 132  # the first window that reaches into the click


@pytest.mark.parametrize("delay", [0, 1536, 5000])
def test_the_delay_of_a_follower_is_found(delay: int) -> None:
    measured = measure_delay(Follower(delay), "loud")
    assert 0 < measured.change_samples - delay < 100  # a tone begins softly
    assert abs(measured.audible_samples - delay) < 220


@pytest.mark.parametrize("kind", ["pitch_loudness", "learned"])
def test_an_instrument_that_audio_plays_is_measured_too(kind: str) -> None:
    made = make_tiny_instrument(model=(f"model.structure.kind={kind}", "model.structure.code_width=16"))
    path = made.write("audio.safetensors", attributes={"num_steps": 1})
    result = bench(path, "--seconds", 0.2, "--json", "bench.json")
    assert result.exit_code == 0, result.output
    figures = json.loads(Path("bench.json").read_text())
    assert max(figures["stream_errors"].values()) < 1e-4
    assert [row["timbre"] for row in figures["delays"]] == list(TIMBRES)
    # nothing is heard before a frame is complete, and the windows of the synthesis fade in
    assert 0 < min(row["change_samples"] for row in figures["delays"]) <= figures["latency_samples"]
    assert max(compare_stream(Instrument.load(path), (65, 1000), 0.5).values()) < 1e-4


def test_a_mute_timbre_has_no_onset() -> None:
    measured = measure_delay(Echo(100), "mute")
    assert (measured.change_samples, measured.audible_samples) == (None, None)


def test_silence_before_a_swell_is_not_an_onset() -> None:
    swell = np.concatenate([np.zeros(1000), np.linspace(0, 1, 2000)]).astype(np.float32)
    assert 1000 < find_onset(swell, np.zeros(1000, np.float32), window=50) < 1300
    assert find_onset(np.zeros(1000, np.float32), np.zeros(1000, np.float32), window=50) is None


def test_bench_notes_start_between_frames_and_repeat() -> None:
    notes = bench_notes(4.0)
    assert notes == bench_notes(4.0)
    assert len({round(note.onset_s * RATE) % 1024 for note in notes}) > 10
