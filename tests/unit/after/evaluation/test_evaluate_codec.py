"""`after evaluate_codec`: what it measures of streams, what it prints, and what it refuses in one line."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from after.audio import write_audio
from after.cli import group
from after.codec.streamer import CodecStreamer
from after.evaluation.codec_costs import measure_costs
from after.evaluation.codec_memory import measure_memory_mb
from after.evaluation.codec_stream import compare_streams, find_first_change, measure_latency
from after.evaluation.codec_systems import latent_kbps
from after.streaming.archive import compile_module, pack
from after.streaming.lag import find_lag
from tests.foreign_codec import Framing, write_foreign
from tests.signals import chord, noise
from tests.tiny_file import write_tiny_file
from tests.tiny_instrument import HOP, RATE, make_tiny_instrument


def evaluate(*arguments: object) -> Result:
    return CliRunner().invoke(group, ["evaluate_codec", *map(str, arguments)])


@pytest.fixture
def recordings() -> Path:
    for name, pitch in (("low", 45), ("high", 69)):
        for number in range(2):
            write_audio(Path("audio") / name / f"{number}.wav", chord([pitch + number], 0.6), RATE)
    return Path("audio")


def test_lag_of_a_shifted_signal() -> None:
    signal = noise(0.1)[0]
    assert find_lag(signal, np.roll(signal, 100)[:4000]) == 100
    assert find_lag(signal, signal[37:]) == -37


def test_streams_of_a_codec_equal_the_whole() -> None:
    codec = make_tiny_instrument().codec
    errors = compare_streams(codec)
    assert {(entry.run, entry.blocks) for entry in errors} == {
        (run, blocks)
        for run in ("Python", "TorchScript", "saved and loaded")
        for blocks in ("1024", "2048", "4096", "mixed")
    }
    assert max(entry.worst for entry in errors) < 1e-5


def test_a_wrongly_declared_latency_is_found_out() -> None:
    codec = make_tiny_instrument().codec
    codec.latency_samples += 1
    assert min(entry.both for entry in compare_streams(codec)) > 1e-4


def test_an_input_sample_changes_nothing_before_its_block() -> None:
    codec = make_tiny_instrument().codec
    first = find_first_change(codec)
    assert first is not None
    assert -HOP < first[0] <= first[1] <= codec.latency_samples
    assert measure_latency(codec).first_change_samples == first


@pytest.mark.slow
def test_memory_holds_the_weights() -> None:
    codec = make_tiny_instrument("codec.decoder_width=256").codec
    archive = pack(compile_module(CodecStreamer(codec)), {})
    weights_mb = sum(tensor.numel() * tensor.element_size() for tensor in codec.state_dict().values()) / 1e6
    assert weights_mb < measure_memory_mb(archive, HOP) < weights_mb + 100


def test_recordings_through_several_systems(recordings: Path) -> None:
    tiny = make_tiny_instrument()
    codec = tiny.write_codec("codec.safetensors")
    instrument = write_tiny_file(Path("piano.safetensors"))
    (recordings / "low" / "broken.wav").write_bytes(b"RIFF")
    write_audio(recordings / "low" / "short.wav", chord([60], 0.4), RATE)
    result = evaluate(codec, f"inside={instrument}", "--audio", recordings, "--opus", 24, "--seconds", 0.5,
                      "--no-cost", "--json", "out/figures.json")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.stderr.count("left out: ") == 2
    assert "short.wav: lasts 0.40 s, less than 0.5 s" in result.stderr
    figures = json.loads(Path("out/figures.json").read_text())["systems"]
    budget = f"{latent_kbps(tiny.codec, tiny.codec.latent_noise):.1f} kbit/s"
    assert list(figures) == ["codec", f"codec at {budget}", "inside", f"inside at {budget}", "opus 24"]
    clean, noisy = (figures[name]["reconstruction"]["overall"] for name in ("codec", f"codec at {budget}"))
    assert clean["kbps"] is None
    assert f"{noisy['kbps']:.1f} kbit/s" == budget
    assert clean["log_mel"] != noisy["log_mel"]
    for name, data in figures.items():
        assert name in result.stdout
        assert len(data["reconstruction"]["recordings"]) == 4
        assert set(data["reconstruction"]["groups"]) == {"low", "high"}
    alike = [figures[name]["reconstruction"]["overall"] for name in ("codec", "inside")]
    assert alike[0] == alike[1]
    assert alike[0]["pitch"] is not None
    torch.set_num_threads(1)


def test_the_first_recordings_of_each_group(recordings: Path) -> None:
    result = evaluate("--opus", 24, "--audio", recordings, "--per-group", 1, "--json", "figures.json")
    assert result.exit_code == 0, result.output
    data = json.loads(Path("figures.json").read_text())["systems"]["opus 24"]["reconstruction"]
    assert [(row["group"], row["name"]) for row in data["recordings"]] == [("high", "0"), ("low", "0")]


@pytest.mark.slow
def test_costs_of_a_codec() -> None:
    codec = make_tiny_instrument().write_codec("codec.safetensors")
    result = evaluate(codec, "--cost-seconds", 0.2, "--json", "figures.json")
    assert result.exit_code == 0, result.output
    cost = json.loads(Path("figures.json").read_text())["systems"]["codec"]["cost"]
    assert cost["streams_exactly"]
    assert cost["cost"]["latency_samples"] == 512
    assert len(cost["streams"]) == 12
    assert "512 (11.6 ms)" in result.stdout


def test_another_noise_than_that_of_training_has_another_budget(recordings: Path) -> None:
    codec = make_tiny_instrument().write_codec("codec.safetensors")
    result = evaluate(codec, "--audio", recordings, "--per-group", 1, "--latent-noise", 1, "--no-cost", "--json", "f")
    assert result.exit_code == 0, result.output
    budget = latent_kbps(make_tiny_instrument().codec, 1.0)
    assert list(json.loads(Path("f").read_text())["systems"]) == ["codec", f"codec at {budget:.1f} kbit/s"]


def test_a_rate_is_given_to_the_codecs_that_state_none(recordings: Path) -> None:
    module = Framing(1024)
    del module.sampling_rate
    foreign, own = write_foreign("a.ts", module), make_tiny_instrument().write_codec("codec.safetensors")
    arguments = (foreign, own, "--audio", recordings, "--per-group", 1, "--no-cost")
    assert "give it with --codec-sample-rate HZ" in evaluate(*arguments).stderr
    result = evaluate(*arguments, "--codec-sample-rate", 48000, "--json", "figures.json")
    assert result.exit_code == 0, result.output
    assert {"a", "codec"} <= set(json.loads(Path("figures.json").read_text())["systems"])


def test_a_folder_has_its_whole_name(recordings: Path) -> None:
    make_tiny_instrument().write_codec("codec.v2/checkpoints/00000001.safetensors")
    result = evaluate("codec.v2", "--audio", recordings, "--per-group", 1, "--no-cost")
    assert result.exit_code == 0, result.output
    assert "codec.v2 at " in result.stdout


@pytest.mark.slow
def test_costs_compile_a_codec_once(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 0

    def counted(codec: CodecStreamer) -> torch.jit.ScriptModule:
        nonlocal count
        count += 1
        return compile_module(codec)

    monkeypatch.setattr("after.codec.speed.compile_module", counted)
    measure_costs(make_tiny_instrument().codec, seconds=0.05)
    assert count == 1


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "nothing to measure"),
        (["missing"], "missing"),
        (["empty", "--audio", "audio"], "holds no checkpoint"),
        (["text.safetensors"], "not a safetensors file"),
        (["--opus", "24"], "--opus needs --audio"),
        (["--opus", "24", "--audio", "nowhere"], "nowhere does not exist"),
        (["--opus", "24", "--audio", "empty"], "no audio under empty"),
        (["--opus", "24", "--audio", "broken.wav"], "none of the 1 recordings"),
        (["--opus", "24", "--audio", "audio", "--opus", "24"], "--opus 24 is given twice"),
        (["codec.safetensors", "--no-cost"], "nothing to measure"),
        (["codec.safetensors", "--latent-noise", "0.1"], "--latent-noise needs --audio"),
        (["--opus", "24", "--audio", "audio", "--json", "text.safetensors/figures.json"], "text.safetensors"),
        (["x=codec.safetensors", "x=codec.safetensors"], "two codecs are called 'x'"),
    ],
)
def test_mistakes_are_one_line(arguments: list[str], complaint: str) -> None:
    Path("empty").mkdir()
    Path("text.safetensors").write_text("not weights")
    Path("broken.wav").write_bytes(b"RIFF")
    make_tiny_instrument().write_codec("codec.safetensors")
    write_audio("audio/a.wav", noise(0.6), RATE)
    result = evaluate(*arguments)
    assert result.exit_code == 2
    assert complaint in result.stderr
    assert [line for line in result.stderr.splitlines() if not line.startswith("left out")][1:] == []
