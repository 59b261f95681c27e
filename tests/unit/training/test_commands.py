import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from after.cli import group
from after.cli.train_autoencoder import command as train_autoencoder
from after.config import from_dict, list_presets, load_settings, to_dict
from after.errors import ConfigError
from after.settings import CodecTrainingSettings, DiffusionTrainingSettings
from tests.unit.training.tiny_data import make_store

ROOT = Path(__file__).parents[3]


def test_dry_run_shows_preset_then_overrides_then_iterations(tmp_path: Path) -> None:
    arguments = [str(tmp_path), "--out", "run", "--preset", "codec_tiny", "--set", "training.batch_size=3"]
    result = CliRunner().invoke(train_autoencoder, [*arguments, "--iterations", "7", "--dry-run"])
    assert result.exit_code == 0, result.output
    shown = json.loads(result.output)
    assert shown["settings"]["training"]["batch_size"] == 3
    assert shown["settings"]["training"]["iterations"] == 7
    assert shown["out"] == "run"
    cost = shown["cost"]
    assert cost["latency_samples"] == 512
    assert cost["decode_gflop_per_s"] > 0
    assert cost["training_memory_mb"]["spectral"] > 5 * 4 * cost["decode_parameters"] / 1e6
    assert cost["discriminators_come_at_iteration"] is None
    assert set(cost["real_time_factor"]) == {"encode", "decode"}
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


def test_help_has_examples_and_loads_no_torch() -> None:
    code = (
        "import sys; from click.testing import CliRunner; from after.cli.train import command as a; "
        "from after.cli.train_autoencoder import command as b; "
        "print([CliRunner().invoke(c, ['--help']).output for c in (a, b)]); assert 'torch' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "after train data/store --codec runs/codec --out runs/piano" in result.stdout


def after(*arguments: str) -> Result:
    return CliRunner().invoke(group, list(arguments))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("commands"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--preset", "nope"], "no preset 'nope'"),
        (["--preset", "missing.toml"], "missing.toml"),
        (["--set", "training.batch=3"], "unknown key training.batch: did you mean training.batch_size?"),
        (["--set", "training.batch_size=many"], "it takes int"),
        (["--set", "nonsense"], "is not an assignment"),
        (["--set", "crop_samples=1000"], "multiple of the codec's hop length"),
        (["--set", "training.precision=fp8"], "choose auto, bf16 or fp32"),
        (["--device", "abacus"], "use auto, cpu or cuda"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_code_2(store: Path, arguments: list[str], message: str) -> None:
    result = after("train-autoencoder", str(store), "--out", "run", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    assert not Path("run/checkpoints").exists()


@pytest.mark.parametrize("command", ["train_autoencoder", "train"])
def test_a_folder_that_is_no_store_is_one_line_and_exit_code_2(tmp_path: Path, store: Path, command: str) -> None:
    Path("empty").mkdir()
    small = ("--preset", "codec_tiny", "--iterations", "1", "--set", "crop_samples=8192")
    codec = ("--codec", "codec") if command == "train" else ()
    if codec:
        assert after("train_autoencoder", str(store), "--out", "codec", *small).exit_code == 0
    for wrong in ("empty", "nowhere"):
        result = after(command, wrong, "--out", "run", *codec)
        assert result.exit_code == 2
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1
        assert f"after prepare_dataset INPUT --out {wrong}" in result.stderr
    assert not list(Path("empty").iterdir())
    assert not Path("nowhere").exists()


def test_a_missing_codec_is_one_line_and_exit_code_2(store: Path) -> None:
    Path("empty").mkdir()
    for wrong, message in (("nowhere", "nowhere is missing"), ("empty", "holds no checkpoint yet")):
        result = after("train", str(store), "--codec", wrong, "--out", "run")
        assert result.exit_code == 2
        assert message in result.stderr
        assert result.stderr.startswith("error: ")
        assert result.stderr.count("\n") == 1


def test_training_ends_with_a_line_and_an_exit_code(store: Path) -> None:
    """0 when finished, another one when stopped before, so that a script knows whether to call again."""
    codec = ("train_autoencoder", str(store), "--out", "codec", "--preset", "codec_tiny", "--set", "crop_samples=8192",
             "--set", "training.batch_size=1")  # fmt: skip
    stopped = after(*codec, "--iterations", "5000", "--time-limit", "0.2")
    assert stopped.exit_code == 75
    assert stopped.stdout.startswith("stopped (time limit of 0.2 s reached): ")
    done = int(stopped.stdout.split(": ")[1].split()[0])
    finished = after(*codec, "--iterations", str(done + 1), "--threads", "1")
    assert finished.exit_code == 0, finished.output
    assert finished.stdout == f"finished: {done + 1} of {done + 1} iterations, saved in codec\n"
    trained = after("train", str(store), "--codec", "codec", "--out", "run", "--preset", "tiny", "--iterations", "2")
    assert trained.exit_code == 0, trained.output
    assert trained.stdout == "finished: 2 of 2 iterations, saved in run\n"


@pytest.mark.parametrize(
    ("command", "cls"), [("train_autoencoder", CodecTrainingSettings), ("train", DiffusionTrainingSettings)]
)
def test_help_names_units_and_examples_that_work(command: str, cls: type) -> None:
    text = " ".join(after(command, "--help").output.split())
    for words in ("--time-limit SECONDS", "[x>0]", "--iterations N", "--threads N", "auto|cpu|cuda", "exit code 75"):
        assert words in text
    changes = re.findall(r"--set ([a-z_.]+=\d+)", text)
    assert changes
    for change in changes:
        load_settings(cls, "tiny" if command == "train" else "codec_tiny", (change,))


def test_every_preset_and_recipe_is_valid() -> None:
    recipes = sorted((ROOT / "after/recipes").rglob("*.toml"))
    trainings = [path for path in recipes if path.stem in ("codec", "model")]
    for preset in [*list_presets(), *trainings]:
        name = preset.stem if isinstance(preset, Path) else preset
        cls = CodecTrainingSettings if name.startswith("codec") else DiffusionTrainingSettings
        settings = load_settings(cls, preset)
        assert from_dict(cls, to_dict(settings)) == settings
