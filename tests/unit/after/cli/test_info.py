from pathlib import Path

from click.testing import CliRunner

import after
from after.checkpoint import write_checkpoint
from after.cli import group
from tests.tiny_file import TIMBRES, write_tiny_file


def info(*arguments: object):
    return CliRunner().invoke(group, ["info", *map(str, arguments)])


def test_info_names_version_instrument_and_devices() -> None:
    result = info()
    assert result.exit_code == 0, result.output
    assert after.__version__ in result.output
    assert "torch" in result.output
    assert "instrument" in result.output or "midi.safetensors" in result.output
    assert "cpu (" in result.output


def test_info_describes_an_instrument_file(tmp_path: Path) -> None:
    path = write_tiny_file(tmp_path / "tiny.safetensors")
    result = info(path)
    assert result.exit_code == 0, result.output
    assert f"{path.stat().st_size / 1e6:.2f} MB" in result.output
    assert ", ".join(TIMBRES) in result.output
    assert "44100 Hz, 1024 samples per frame, 8 latents, latency 1536 samples (34.8 ms)" in result.output
    assert "num_steps 2" in result.output
    assert "CC0-1.0" in result.output
    assert "made by a test" in result.output


def test_info_refuses_other_files_in_one_line(tmp_path: Path) -> None:
    write_checkpoint(tmp_path / "codec.safetensors", {}, {"kind": "codec"})
    (tmp_path / "text.safetensors").write_text("no weights")
    for name, word in (("codec", "holds a codec"), ("text", "not a safetensors file"), ("missing", "no instrument")):
        result = info(tmp_path / f"{name}.safetensors")
        assert result.exit_code == 2
        assert result.stderr.count("\n") == 1
        assert word in result.stderr
