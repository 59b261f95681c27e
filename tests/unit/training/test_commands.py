import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from after.cli.train import command as train
from after.cli.train_autoencoder import command as train_autoencoder
from after.errors import ConfigError

ROOT = Path(__file__).parents[3]


def test_dry_run_shows_preset_then_overrides_then_iterations(tmp_path: Path) -> None:
    arguments = [str(tmp_path), "--out", "run", "--preset", "codec_tiny", "--set", "training.batch_size=3"]
    result = CliRunner().invoke(train_autoencoder, [*arguments, "--iterations", "7", "--dry-run"])
    assert result.exit_code == 0, result.output
    shown = json.loads(result.output)
    assert shown["settings"]["training"]["batch_size"] == 3
    assert shown["settings"]["training"]["iterations"] == 7
    assert shown["out"] == "run"
    assert not (tmp_path / "run").exists()


def test_a_wrong_override_names_its_key(tmp_path: Path) -> None:
    arguments = [str(tmp_path), "--out", "run", "--preset", "codec_tiny", "--set", "training.batch=3"]
    result = CliRunner().invoke(train_autoencoder, arguments)
    assert isinstance(result.exception, ConfigError)
    assert "training.batch" in str(result.exception)


@pytest.mark.parametrize("wrong", [["--time-limit", "0"], ["--iterations", "0"], ["--threads", "-1"]])
def test_ranges_are_refused(tmp_path: Path, wrong: list[str]) -> None:
    result = CliRunner().invoke(train_autoencoder, [str(tmp_path), "--out", "run", *wrong])
    assert result.exit_code == 2
    assert wrong[0] in result.output


def test_train_needs_a_codec(tmp_path: Path) -> None:
    result = CliRunner().invoke(train, [str(tmp_path), "--out", "run"])
    assert result.exit_code == 2
    assert "--codec" in result.output


def test_help_has_examples_and_loads_no_torch() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from after.cli.train import command as a; "
        "from after.cli.train_autoencoder import command as b; "
        "print([CliRunner().invoke(c, ['--help']).output for c in (a, b)]); assert 'torch' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "after train data/store --codec runs/codec --out runs/piano" in result.stdout
