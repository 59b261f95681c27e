"""A codec's weights as a file of their own: half the size, the same codec, refused in one line."""

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from after.checkpoint import read_snapshot
from after.cli import group
from after.codec.load import BUNDLED_CODEC, load_codec
from after.trained import count_iterations
from tests.tiny_instrument import TinyInstrument, make_tiny_instrument


@pytest.fixture(scope="module")
def tiny() -> TinyInstrument:
    return make_tiny_instrument()


def export(*arguments: object) -> Result:
    return CliRunner().invoke(group, ["export_autoencoder", *map(str, arguments)])


def test_the_file_is_the_codec_in_half_precision(tiny: TinyInstrument) -> None:
    source = tiny.write_codec("source.safetensors")
    result = export(source, "--out", "codec.safetensors", "--license", "CC0-1.0")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("codec.safetensors: 0.")
    codec, settings = load_codec("codec.safetensors")
    assert settings == tiny.codec_settings
    assert Path("codec.safetensors").stat().st_size < 0.7 * source.stat().st_size
    for name, tensor in codec.state_dict().items():
        torch.testing.assert_close(tensor, tiny.codec.state_dict()[name], rtol=1e-3, atol=1e-4)
    description = read_snapshot("codec.safetensors")["description"]
    assert isinstance(description, dict)
    assert description["license"] == "CC0-1.0"


def test_the_bundled_codec_says_how_long_it_was_trained() -> None:
    assert count_iterations(BUNDLED_CODEC) == 9800


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("nowhere", "--out", "codec.safetensors"), "nowhere"),
        (("source.safetensors", "--out", "codec.ts", "--license", "CC0"), "goes with a .safetensors file"),
        (("source.safetensors", "--out", "file/codec.safetensors"), "cannot write"),
    ],
)
def test_what_cannot_be_written_is_said_in_one_line(
    tiny: TinyInstrument, arguments: tuple[str, ...], message: str
) -> None:
    tiny.write_codec("source.safetensors")
    Path("file").write_text("in the way")
    result = export(*arguments)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr
