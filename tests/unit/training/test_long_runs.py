"""What happens to runs of many hours: full disks, kills, checkpoints that pile up."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from torch import nn

from after.checkpoint import list_checkpoints, read_snapshot
from after.cli import group
from after.errors import CheckpointError
from after.training.run import Run
from after.training.state import TrainState
from tests.unit.training.tiny_data import iterations_of, logged, make_store

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("long"))


def train(store: Path, iterations: int, *changes: str) -> Result:
    small = ("crop_samples=8192", "training.batch_size=1", "training.precision=fp32", *changes)
    overrides = [word for change in small for word in ("--set", change)]
    arguments = ["train_autoencoder", str(store), "--out", "run", "--preset", "codec_tiny", "--device", "cpu"]
    return CliRunner().invoke(group, [*arguments, "--iterations", str(iterations), *overrides])


@contextmanager
def no_room_beyond(size: int) -> Iterator[None]:
    """Let every write beyond so many bytes of a file fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_is_one_line_and_spares_the_checkpoint(store: Path) -> None:
    assert train(store, 2).exit_code == 0
    (path,) = list_checkpoints("run")
    before = path.read_bytes()
    with no_room_beyond(len(before) // 2):
        # a validation would log audio, which is larger than a checkpoint here
        failed = train(store, 6, "training.save_every=4", "training.validate_every=50")
    assert failed.exit_code == 2
    lines = failed.stderr.splitlines()
    assert lines[-1].startswith("error: cannot write run/checkpoints/00000004.safetensors: File too large; free some")
    assert sum(line.startswith("error: ") for line in lines) == 1
    assert list_checkpoints("run") == [path]
    assert path.read_bytes() == before
    assert not list(path.parent.glob(".*"))
    finished = train(store, 6, "training.save_every=4")
    assert finished.exit_code == 0, finished.output
    assert len(logged(Path("run"), "loss")) == 6


def test_examples_that_do_not_fit_are_one_line(store: Path) -> None:
    """Where examples are logged, TensorBoard's file is the first to be full; no thread of its own may die of it."""
    assert train(store, 2).exit_code == 0
    with no_room_beyond(60_000):
        failed = train(store, 4)
    assert failed.exit_code == 2
    assert failed.stderr.splitlines()[-1].startswith("error: cannot write metrics to run: File too large")


def test_metrics_that_do_not_fit_say_how_to_go_on() -> None:
    with Run.open("run", {}) as run:
        run.log(1, {"loss": 2.0})
        with no_room_beyond(0), pytest.raises(CheckpointError, match=r"to run: File too large.*same command again"):
            run.log(2, {"loss": 1.0})
    assert logged(Path("run"), "loss") == [2.0]


def test_killed_at_any_moment_a_run_goes_on_from_its_newest_checkpoint(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.unit.training.killed_saver", str(tmp_path / "run"), "12"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 12


def metrics_of_checkpoints(run: Path) -> dict[int, float | None]:
    states = {int(path.stem): read_snapshot(path)["training_state"] for path in list_checkpoints(run)}
    return {iteration: state["metric"] for iteration, state in states.items()}  # type: ignore[index]


def test_a_checkpoint_carries_the_metric_of_its_own_validation_only(store: Path) -> None:
    result = train(store, 7, "training.save_every=2", "training.validate_every=4", "training.keep=9")
    assert result.exit_code == 0, result.output
    validations = logged(Path("run"), "validation/spectral")
    assert metrics_of_checkpoints(Path("run")) == {2: None, 4: validations[0], 6: None, 7: validations[1]}


def test_as_many_checkpoints_stay_as_asked_and_the_best(store: Path) -> None:
    """Without learning all validations are equal, and the first of the best is kept."""
    result = train(store, 8, "training.save_every=1", "training.validate_every=2", "training.keep=3",
                   "training.optimizer.learning_rate=1e-30")  # fmt: skip
    assert result.exit_code == 0, result.output
    assert len(set(logged(Path("run"), "validation/spectral"))) == 1
    assert iterations_of(Path("run")) == [2, 6, 7, 8]
    refused = train(store, 8, "training.keep=0")
    assert refused.exit_code == 2
    assert "training.keep is 0; it must be at least 1" in refused.stderr


def test_a_follower_reads_and_writes_nothing() -> None:
    state = TrainState(modules={"model": nn.Linear(2, 2)})
    with Run.open("run", {}) as run:
        run.log(1, {"loss": 1.0})
        run.save(1, state)
        run.log(2, {"loss": 0.5})
        before = {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()}
        other = TrainState(modules={"model": nn.Linear(2, 2)})
        with Run.follow("run", {}) as follower:
            assert follower.restore(other) == 1
        assert torch.equal(other.modules["model"].weight, state.modules["model"].weight)
        assert {path: path.read_bytes() for path in Path("run").rglob("*") if path.is_file()} == before
        with pytest.raises(CheckpointError, match="in use by another process"):
            Run.open("run", {})
