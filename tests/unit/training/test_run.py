import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from after.checkpoint import list_checkpoints, read_weights
from after.config import to_dict
from after.errors import CheckpointError
from after.settings import CodecTrainingSettings, DiffusionTrainingSettings
from after.training.run import Run
from after.training.state import TrainState

SNAPSHOT = {"model": {"width": 8, "kernels": (3, 5)}, "training": {"iterations": 100}}


@pytest.fixture
def state() -> TrainState:
    return TrainState(modules={"model": nn.Linear(2, 2)})


def iterations(folder: Path) -> list[int]:
    return [int(path.stem) for path in list_checkpoints(folder)]


def test_keeps_the_newest_two_and_the_best(tmp_path: Path, state: TrainState) -> None:
    with Run.open(tmp_path / "run", SNAPSHOT) as run:
        for iteration, metric in ((10, 3.0), (20, 1.0), (30, 2.0), (40, 5.0), (50, None)):
            run.save(iteration, state, metric)
        assert iterations(run.folder) == [20, 40, 50]
        best = run.best()
        assert best is not None
        assert best.stem == "00000020"


def test_other_model_settings_are_refused_by_name(tmp_path: Path, state: TrainState) -> None:
    with Run.open(tmp_path / "run", SNAPSHOT) as run:
        run.save(1, state)
    changed = {"model": {"width": 16, "kernels": [3, 5]}, "training": {"iterations": 100}}
    with pytest.raises(CheckpointError, match=r"model\.width was 8, now 16"):
        Run.open(tmp_path / "run", changed)
    assert json.loads((tmp_path / "run/settings.json").read_text())["model"]["width"] == 8


def test_settings_that_an_older_version_did_not_have_are_what_they_were(tmp_path: Path, state: TrainState) -> None:
    with Run.open(tmp_path / "run", SNAPSHOT) as run:
        run.save(1, state)
    model = {"width": 8, "kernels": [3, 5]}
    defaults = {"model": {"width": 32, "objective": {"kind": "flow"}}, "sampler": "euler"}
    newer = {**SNAPSHOT, "model": {**model, "objective": {"kind": "flow"}}, "sampler": "euler"}
    with Run.open(tmp_path / "run", newer, defaults=defaults) as run:
        assert run.restore(state) == 1
    other = {**newer, "model": {**model, "objective": {"kind": "edm"}}}
    with pytest.raises(CheckpointError, match=r"model\.objective\.kind was flow, now edm"):
        Run.open(tmp_path / "run", other, defaults=defaults)


def test_training_settings_may_change(tmp_path: Path, state: TrainState) -> None:
    with Run.open(tmp_path / "run", SNAPSHOT) as run:
        run.save(1, state)
    longer = {**SNAPSHOT, "training": {"iterations": 500}}
    with Run.open(tmp_path / "run", longer) as run:
        assert run.restore(state) == 1
    assert json.loads((tmp_path / "run/settings.json").read_text())["training"] == {"iterations": 500}


@pytest.mark.parametrize("cls", [CodecTrainingSettings, DiffusionTrainingSettings])
def test_of_all_settings_only_those_of_the_model_are_fixed(cls: type, tmp_path: Path, state: TrainState) -> None:
    snapshot = to_dict(cls())
    with Run.open(tmp_path / "run", snapshot) as run:
        run.save(1, state)
    for key in snapshot.keys() - {"codec", "model"}:
        Run.open(tmp_path / "run", {**snapshot, key: "another"}).close()
    for key in snapshot.keys() & {"codec", "model"}:
        with pytest.raises(CheckpointError, match=key):
            Run.open(tmp_path / "run", {**snapshot, key: "another"})


def test_a_folder_without_checkpoint_takes_new_settings(tmp_path: Path, state: TrainState) -> None:
    Run.open(tmp_path / "run", SNAPSHOT).close()
    with Run.open(tmp_path / "run", {"model": {"width": 9}}) as run:
        assert run.restore(state) == 0


def test_no_resume_refuses_a_used_folder(tmp_path: Path, state: TrainState) -> None:
    with Run.open(tmp_path / "run", SNAPSHOT) as run:
        run.save(1, state)
    with pytest.raises(CheckpointError, match="already holds a run"):
        Run.open(tmp_path / "run", SNAPSHOT, resume=False)


def test_two_runs_cannot_share_a_folder(tmp_path: Path) -> None:
    with Run.open(tmp_path / "run", SNAPSHOT), pytest.raises(CheckpointError, match="in use by another process"):
        Run.open(tmp_path / "run", SNAPSHOT)
    Run.open(tmp_path / "run", SNAPSHOT).close()


def test_a_truncated_checkpoint_is_skipped(tmp_path: Path, state: TrainState, caplog: pytest.LogCaptureFixture) -> None:
    with Run.open(tmp_path / "run", SNAPSHOT) as run:
        run.save(1, state)
        newest = run.save(2, state)
        newest.write_bytes(newest.read_bytes()[:-5])
        assert run.restore(state) == 1
    assert "truncated" in caplog.text


def test_only_unreadable_checkpoints_is_an_error(tmp_path: Path, state: TrainState) -> None:
    with Run.open(tmp_path / "run", SNAPSHOT) as run:
        run.save(1, state).write_bytes(b"")
        with pytest.raises(CheckpointError, match="none of the 1 checkpoints"):
            run.restore(state)


def test_metrics_are_json_lines_and_rewound_on_restore(tmp_path: Path, state: TrainState) -> None:
    with Run.open(tmp_path / "run", SNAPSHOT) as run:
        run.log(1, {"loss": torch.tensor(0.5), "speed": 2})
        run.save(1, state)
        run.log(2, {"loss": float("nan")})
        with run.metrics.path.open("a") as file:
            file.write('{"iterat')
    lines = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines[:2]] == [
        {"iteration": 1, "loss": 0.5, "speed": 2.0},
        {"iteration": 2, "loss": None},
    ]
    with Run.open(tmp_path / "run", SNAPSHOT) as run:
        assert run.restore(state) == 1
        run.log(2, {"loss": 0.25})
    lines = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["iteration"] for line in lines] == [1, 2]


def test_tensorboard_gets_scalars_audio_and_images(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Run.open(tmp_path / "run", SNAPSHOT) as run:
            run.log(5, {"loss": 0.5})
            run.audio(5, "example", torch.sin(torch.arange(2048) / 10)[None] * 2, 44100)
            run.image(5, "spectrogram", np.random.default_rng(0).random((8, 9)))
            run.image(5, "colours", np.zeros((8, 9, 3), np.uint8))
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(tmp_path / "run/events"))
        events.Reload()
    assert events.Scalars("loss")[0].step == 5
    assert events.Scalars("loss")[0].value == 0.5
    assert {"audio", "images"} <= events.Tags().keys()
    assert events.Tags()["audio"] == ["example"]
    assert sorted(events.Tags()["images"]) == ["colours", "spectrogram"]


def test_weights_can_be_read_from_a_run(tmp_path: Path, state: TrainState) -> None:
    with Run.open(tmp_path / "run", SNAPSHOT) as run:
        with pytest.raises(CheckpointError, match="no checkpoint yet"):
            read_weights(run.folder)
        path = run.save(1, state)
        for source in (run.folder, path):
            tensors, snapshot = read_weights(source)
            assert tensors.keys() == {"weight", "bias"}
            assert snapshot["model"] == {"width": 8, "kernels": [3, 5]}
        with pytest.raises(CheckpointError, match="no module 'codec'; it has model"):
            read_weights(run.folder, "codec")


def test_leftovers_of_a_crash_are_removed(tmp_path: Path) -> None:
    leftover = tmp_path / "run/checkpoints/.00000001.safetensors.77.tmp"
    leftover.parent.mkdir(parents=True)
    leftover.write_bytes(b"half")
    Run.open(tmp_path / "run", SNAPSHOT).close()
    assert not leftover.exists()
