import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from after.errors import CheckpointError
from after.training.run import Run
from after.training.state import TrainState
from tests.unit.training.regression import SNAPSHOT, Regression, train

ROOT = Path(__file__).parents[3]


def assert_same(first: TrainState, second: TrainState) -> None:
    (tensors, values), (other_tensors, other_values) = first.capture(), second.capture()
    assert tensors.keys() == other_tensors.keys()
    assert all(torch.equal(tensors[name], other_tensors[name]) for name in tensors)
    assert values == other_values


def draw_from_global_generators() -> tuple[float, float, float]:
    return torch.rand(1).item(), random.random(), float(np.random.rand())  # noqa: NPY002


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_ten_and_ten_iterations_equal_twenty(tmp_path: Path, device: str) -> None:
    straight = train(tmp_path / "straight", 20, device=device)
    straight_end = straight.state.capture()
    train(tmp_path / "split", 10, device=device)
    draw_from_global_generators()
    resumed = train(tmp_path / "split", 20, device=device)
    tensors, values = resumed.state.capture()
    assert any(name.startswith("optimizers.model.0.exp_avg") for name in tensors)
    # Python's and NumPy's own generators are not seeded here: only what the run itself drew must agree.
    own = [name for name in tensors if name != "random.numpy.keys"]
    assert [name for name in own if not torch.equal(tensors[name], straight_end[0][name])] == []
    assert values["optimizers"] == straight_end[1]["optimizers"]


def test_global_generators_go_on_where_they_were(tmp_path: Path) -> None:
    state = TrainState(modules={"model": torch.nn.Linear(1, 1)})
    with Run.open(tmp_path / "run", SNAPSHOT) as run:
        run.save(1, state)
        expected = draw_from_global_generators()
        draw_from_global_generators()
        run.restore(state)
    assert draw_from_global_generators() == expected


def test_sigterm_saves_and_a_new_process_goes_on_exactly(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.unit.training.regression", str(tmp_path / "killed"), "20"]
    process = subprocess.Popen([*command, "0.05"], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    while process.stdout.readline().strip() != "3":
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "SIGTERM received" in output
    resumed = train(tmp_path / "killed", 20)
    straight = train(tmp_path / "straight", 20)
    tensors, straight_tensors = resumed.state.capture()[0], straight.state.capture()[0]
    assert all(torch.equal(tensors[name], straight_tensors[name]) for name in tensors if "numpy" not in name)


def test_restore_gives_back_what_was_captured(tmp_path: Path) -> None:
    job = Regression()
    job.iterate(0)
    job.state.extra["discriminator_started"] = True
    with Run.open(tmp_path / "run", SNAPSHOT) as run:
        run.save(1, job.state)
        other = Regression(seed=8)
        other.iterate(0)
        assert run.restore(other.state) == 1
        assert_same(job.state, other.state)
        assert other.state.extra == {"discriminator_started": True}


def test_another_model_is_refused(tmp_path: Path) -> None:
    job = Regression()
    with Run.open(tmp_path / "run", SNAPSHOT) as run:
        run.save(1, job.state)
        wider = TrainState(modules={"model": torch.nn.Linear(3, 3)})
        with pytest.raises(CheckpointError, match="emas model"):
            run.restore(wider)
        renamed = TrainState(modules={"net": job.model}, optimizers={"model": job.optimizer}, emas={"model": job.ema})
        with pytest.raises(CheckpointError, match="modules model"):
            run.restore(renamed)
