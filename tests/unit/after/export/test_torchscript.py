"""`after export` and `after export_autoencoder`: files that hosts load, or one line saying why not."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from after.audio import write_audio
from after.cli import group
from after.errors import ExportError
from after.export.check import check_operators, check_protocol, measure_stream
from after.export.check_instrument import check_instrument
from after.export.torchscript import InstrumentJob, export_autoencoder, export_instrument
from after.instrument import Instrument
from after.manifest import read_manifest
from after.midi import Note
from after.streamer import Streamer
from after.streaming.archive import compile_module, pack, unpack
from tests.tiny_instrument import HOP, RATE, make_tiny_instrument
from tests.tiny_runs import make_tiny_runs


def run(*arguments: object):
    return CliRunner().invoke(group, [str(argument) for argument in arguments])


def assert_one_line(result, *words: str) -> None:
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if not line.endswith("...")]
    assert len(lines) == 1, result.stderr
    for word in words:
        assert word in lines[0]
    assert not list(Path().glob("*.ts")) + list(Path().glob(".*"))


def test_the_manifest_says_what_hosts_need_to_know(tiny_export, tiny):
    manifest = read_manifest(tiny_export)
    assert manifest["kind"] == "instrument"
    assert (manifest["sample_rate"], manifest["hop_length"]) == (RATE, HOP)
    assert manifest["latency_samples"] == HOP + tiny.codec.latency_samples
    forward = manifest["methods"]["forward"]
    assert (forward["in_channels"], forward["in_ratio"]) == (16 + tiny.model.timbre_size, 1)
    assert (forward["out_channels"], forward["out_ratio"]) == (1, 1)
    assert forward["input_labels"][:2] == ["pitch 1", "velocity 1"]
    assert forward["latency_samples"] == tiny.codec.latency_samples
    assert manifest["attributes"]["num_steps"] == 2
    assert manifest["controls"]["num_steps"]["maximum"] == 64
    assert manifest["timbres"]["dark"] == pytest.approx(tiny.timbres["dark"].tolist(), abs=1e-6)
    assert manifest["description"] == {"license": "CC0-1.0"}
    assert manifest["codec"]["num_latents"] == tiny.codec.num_latents
    errors = manifest["verification"]["max_error"]
    assert set(errors) == {"encode", "decode", "timbre", "generate", "forward"}
    assert max(errors.values()) <= 1e-4
    assert set(manifest["verification"]["real_time_factor"]) == {"1024", "2048", "8192"}


def test_torch_reads_the_manifest_too(tiny_export):
    extra = {"manifest.json": ""}
    torch.jit.load(tiny_export, _extra_files=extra)
    assert json.loads(extra["manifest.json"]) == read_manifest(tiny_export)


def test_a_fresh_process_needs_torch_alone(tiny_export, tiny):
    program = f"""
import sys, torch
model = torch.jit.load({str(tiny_export)!r})
with torch.inference_mode():
    x = torch.zeros(1, {16 + tiny.model.timbre_size}, 2048)
    x[:, 0], x[:, 1] = 60, 100
    print(float(model(x).abs().max()), model.get_num_steps(), model.set_num_steps(3), model(x).shape)
assert not any(name.split(".")[0] == "after" for name in sys.modules)
"""
    result = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    level, rest = result.stdout.split(" ", 1)
    assert float(level) > 0
    assert rest.strip() == "(2,) 0 torch.Size([1, 1, 2048])"


def test_the_file_names_no_path_of_this_machine(tiny_export, repository):
    data = tiny_export.read_bytes()
    with zipfile.ZipFile(tiny_export) as archive:
        names = archive.namelist()
        assert not [name for name in names if name.endswith(".debug_pkl")]
        data += b"".join(archive.read(name) for name in names)
        offsets = [info.header_offset + 30 + len(info.filename) + len(info.extra) for info in archive.infolist()]
    assert {offset % 64 for offset in offsets} == {0}
    for path in (repository, Path(sys.prefix), Path.home(), tiny_export.parent):
        assert str(path).encode() + b"/" not in data


def test_an_export_of_the_same_weights_is_the_same_file_but_for_its_figures(tiny):
    scripted = compile_module(Streamer(tiny.codec, tiny.model))
    assert pack(scripted, {"a": 1}) == pack(scripted, {"a": 1})


def test_a_codec_is_exported_by_itself(tiny):
    result = run("export_autoencoder", tiny.write_codec("codec.safetensors"), "--out", "codec.ts")
    assert result.exit_code == 0, result.output
    assert "computing / playing time" in result.stdout
    manifest = read_manifest("codec.ts")
    assert manifest["kind"] == "codec"
    assert manifest["latency_samples"] == tiny.codec.latency_samples
    assert manifest["verification"]["latency_samples"] == tiny.codec.latency_samples
    assert manifest["verification"]["max_error"].keys() == {"encode", "decode", "forward"}
    loaded = torch.jit.load("codec.ts")
    audio = 0.1 * torch.randn(1, 1, 8 * HOP)
    with torch.inference_mode():
        wanted = tiny.codec.decode(tiny.codec.encode(audio))
        lag = tiny.codec.latency_samples
        played = torch.cat([loaded(block) for block in audio.split(2 * HOP, dim=2)], dim=2)
    torch.testing.assert_close(played[:, :, lag:], wanted[:, :, :-lag], rtol=0, atol=1e-4)
    assert loaded.get_methods() == ["encode", "decode", "forward"]
    assert loaded.get_attributes() == ["reset"]


def test_a_run_and_its_codec_become_an_instrument(tmp_path):
    runs = make_tiny_runs(tmp_path / "runs")
    seconds = np.arange(RATE) / RATE
    write_audio("tone.wav", 0.3 * np.sin(2 * np.pi * 440 * seconds)[None].astype(np.float32), RATE)
    arguments = ("export", runs.model, "--codec", runs.codec, "--timbre", "tone=tone.wav", "--license", "CC0-1.0")
    result = run(*arguments, "--out", "piano.ts")
    assert result.exit_code == 0, result.output
    assert "latency" in result.stdout
    instrument = Instrument.load("piano.ts")
    assert instrument.timbres == ("tone",)
    description = instrument.manifest["description"]
    assert (description["license"], description["iterations"], description["codec_iterations"]) == ("CC0-1.0", 2, 2)
    assert np.isfinite(instrument.render([Note(0.0, 60, 100, 0.2)], 0.3)).all()
    (tmp_path / "elsewhere").mkdir()
    assert "needs its codec" in run("export", runs.model, "--out", "elsewhere/piano.ts").stderr
    write_audio("click.wav", np.zeros((1, 1000), np.float32), RATE)
    short = run("export", runs.model, "--codec", runs.codec, "--timbre", "a=click.wav", "--out", "elsewhere/piano.ts")
    assert short.exit_code == 2
    assert "too short for a timbre" in short.stderr
    assert not list(Path("elsewhere").iterdir())


def test_what_cannot_be_exported_is_said_in_one_line(tiny, tiny_file, tiny_export):
    assert_one_line(run("export", "nowhere", "--codec", "nowhere", "--out", "out.ts"), "nowhere")
    assert_one_line(run("export", "nowhere.safetensors", "--out", "out.ts"), "nowhere.safetensors")
    assert_one_line(run("export_autoencoder", "nowhere", "--out", "out.ts"), "nowhere")
    assert_one_line(run("export", tiny.write_codec("codec.safetensors"), "--out", "out.ts"), "--codec")
    assert_one_line(run("export", tiny_export, "--out", "out.ts"), "exported already")
    assert_one_line(run("export_autoencoder", tiny_file, "--out", "out.ts"), "holds no codec")
    Path("garbage.safetensors").write_text("garbage")
    assert_one_line(run("export", "garbage.safetensors", "--out", "out.ts"), "not a safetensors file")
    assert_one_line(run("export", tiny_file, "--out", "out.pt"), "out.pt", ".ts")
    assert_one_line(run("export", tiny_file, "--out", "sr.ts"), "three characters")
    assert_one_line(run("export", tiny_file, "--timbre", "bright", "--out", "out.ts"), "NAME=AUDIO")
    assert_one_line(run("export", tiny_file, "--timbre", "a=b", "--timbre", "a=c", "--out", "out.ts"), "twice")


def test_a_folder_that_cannot_be_written_to_is_said_and_nothing_is_left(tiny):
    Path("file").write_text("in the way")
    result = run("export_autoencoder", tiny.write_codec("codec.safetensors"), "--out", "file/codec.ts")
    assert_one_line(result, "cannot write file/codec.ts")


def test_a_hop_that_is_no_power_of_two_is_refused():
    odd = make_tiny_instrument("codec.latent_stride=3", "crop_samples=15360")
    with pytest.raises(ExportError, match="ratio 1536; hosts need powers of two"):
        export_instrument(InstrumentJob(source=odd.write("odd.safetensors")), "odd.ts")
    with pytest.raises(ExportError, match="ratio 1536"):
        export_autoencoder(odd.write_codec("codec.safetensors"), "codec.ts")
    assert not list(Path().glob("*.ts"))


class Leaky(torch.nn.Module):
    """A stream that remembers across a reset, or does not stream at all."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain
        self.count = 0.0

    def decode(self, x: torch.Tensor) -> torch.Tensor:
        self.count += self.gain
        return x * x.size(2) + self.count

    def set_reset(self, value: int) -> int:
        return 0


def test_a_stream_that_differs_from_the_whole_is_refused():
    x = torch.ones(1, 1, 16)
    with pytest.raises(ExportError, match="decode streamed differs from the whole sequence by"):
        measure_stream(Leaky(0.0), "decode", x, 16 * x)
    with pytest.raises(ExportError, match="decode gives something else after a reset"):
        measure_stream(Leaky(1.0), "decode", x, 16 * x)


class Interpolated(torch.nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.interpolate(x, scale_factor=2.0)


def test_an_operator_that_libtorch_2_5_lacks_is_refused():
    with pytest.raises(ExportError, match=r"could not load the file: .*lanczos"):
        check_operators(compile_module(Interpolated()))


def test_a_broken_protocol_is_refused(tiny):
    loaded = unpack(pack(compile_module(Streamer(tiny.codec, tiny.model)), {}))
    check_protocol(loaded, 1, HOP)
    loaded.forward_params[2] = 2
    with pytest.raises(ExportError, match="method forward gives"):
        check_protocol(loaded, 1, HOP)


@pytest.mark.parametrize("name", ["export", "export-autoencoder"])
def test_the_help_has_an_example_and_units(name):
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"after {name.replace('-', '_')} " in result.stdout
    assert "playing time" in " ".join(result.stdout.split())


def test_an_instrument_transposed_out_of_the_range_is_checked_too(tiny):
    streamer = Streamer(tiny.codec, tiny.model).eval()
    streamer.set_num_steps(1)
    streamer.set_transpose(48)
    assert max(check_instrument(streamer, tiny.codec, tiny.model).values()) <= 1e-4
