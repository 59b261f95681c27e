"""Two processes under torchrun train as one process does, stop together and leave a run that others go on with."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from after.checkpoint import list_checkpoints
from after.config import load_settings
from after.errors import ConfigError
from after.settings import CodecTrainingSettings, DiffusionTrainingSettings
from after.training.codec_loop import train_codec
from after.training.diffusion_loop import train_diffusion
from after.training.distributed import Launch, process_group, read_launch, share
from tests.foreign_codec import Convolving, write_foreign
from tests.unit.training.tiny_data import final_tensors, make_store

ROOT = Path(__file__).parents[3]
COMMON = ("training.batch_size=4", "training.precision=fp32", "training.log_every=1", "training.validate_every=3",
          "training.optimizer.warmup_iterations=0", "training.optimizer.final_ratio=1")  # fmt: skip
CODEC = ("crop_samples=8192", *COMMON)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("torchrun"))


def torchrun(*arguments: object) -> subprocess.Popen[str]:
    start = ("-m", "torch.distributed.run", "--standalone", "--local-addr", "127.0.0.1", "--nproc-per-node", "2", "-m")
    # gloo otherwise listens where the machine's name leads to
    loopback = {"GLOO_SOCKET_IFNAME": "lo"} if sys.platform == "linux" else {}
    command = [sys.executable, *start, *map(str, arguments)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, env=os.environ | loopback
    )


def train(command: str, *arguments: object, changes: tuple[str, ...]) -> subprocess.Popen[str]:
    overrides = [word for change in changes for word in ("--set", change)]
    return torchrun("after", command, *arguments, "--device", "cpu", *overrides)


def metrics_of(run: Path, having: str = "") -> list[dict[str, float]]:
    lines = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    return [line for line in lines if not having or having in line]


def assert_same_curve(run: Path, expected: Path, *, having: str = "", rel: float = 1e-4) -> None:
    """Every figure of every update, up to the order in which float32 numbers are added."""
    lines, expected_lines = metrics_of(run, having), metrics_of(expected, having)
    assert [line.keys() for line in lines] == [line.keys() for line in expected_lines]
    for line, other in zip(lines, expected_lines, strict=True):
        assert line == pytest.approx(other, rel=rel), line["iteration"]


def assert_trained_alike(run: Path, expected: Path, *, having: str = "") -> None:
    """The same curve, and the weights that AdamW, which makes much of small gradients, makes of it."""
    assert_same_curve(run, expected, having=having)
    tensors, others = final_tensors(run), final_tensors(expected)
    assert tensors.keys() == others.keys()
    for name in (name for name in tensors if name.startswith(("modules.", "emas."))):
        torch.testing.assert_close(tensors[name], others[name], rtol=1e-3, atol=1e-4, msg=name)


def test_ranks_agree_share_and_average(store: Path, tmp_path: Path) -> None:
    (tmp_path / "store").symlink_to(store)
    write_foreign(tmp_path / "codec.ts", Convolving())
    process = torchrun("tests.unit.training.two_ranks", tmp_path)
    _, errors = process.communicate(timeout=120)
    assert (tmp_path / "done").exists(), errors


LEARNED = ("codec.analysis=spectrum", "codec.synthesis=istft", "codec.encoder_width=8", "codec.encoder_blocks=[1, 1]",
           "adversarial.start_iteration=2", "adversarial.stft_scales=[256]")  # fmt: skip


# a norm of gradients through discriminators magnifies the order of sums: 1e-4 becomes some 1e-3 within updates
@pytest.mark.parametrize(("kind", "rel"), [((), 1e-4), (LEARNED, 1e-2)], ids=["fixed", "learned, adversarial"])
def test_two_processes_train_the_codec_as_one_does(
    store: Path, tmp_path: Path, kind: tuple[str, ...], rel: float
) -> None:
    changes = (*CODEC, *kind, "training.iterations=5")
    process = train("train_autoencoder", store, "--out", tmp_path / "run", "--preset", "codec_tiny", changes=changes)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert output == f"finished: 5 of 5 iterations, saved in {tmp_path / 'run'}\n"
    train_codec(load_settings(CodecTrainingSettings, "codec_tiny", changes), store, "alone", device="cpu")
    assert_same_curve(tmp_path / "run", Path("alone"), rel=rel)
    if not kind:  # small gradients through discriminators have either sign, and AdamW takes the sign
        assert_trained_alike(tmp_path / "run", Path("alone"))


def test_a_run_goes_on_in_any_number_of_processes(store: Path, tmp_path: Path) -> None:
    """One process starts, two go on until they are asked to stop, one ends it: as one process would all along."""
    run, codec = tmp_path / "run", tmp_path / "codec"
    settings = load_settings(CodecTrainingSettings, "codec_tiny", (*CODEC, "training.iterations=1"))
    train_codec(settings, store, codec, device="cpu")
    bare = shutil.copytree(store, tmp_path / "bare")  # without latents: the first rank encodes it
    train_alone(store, codec, run, iterations=2)
    process = train("train", bare, "--out", run, "--codec", codec, "--preset", "tiny", "--iterations", 5000,
                    changes=COMMON)  # fmt: skip
    while metrics_of(run)[-1]["iteration"] <= 2:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 1  # torchrun's own code for all that is no success
    assert output.startswith("stopped (SIGTERM received): "), errors
    stopped = int(list_checkpoints(run)[-1].stem)
    assert [line["iteration"] for line in metrics_of(run, "loss")] == list(range(1, stopped + 1))
    for folder in (run, tmp_path / "alone"):
        train_alone(store, codec, folder, iterations=stopped + 2)
    assert_trained_alike(run, tmp_path / "alone", having="loss")


PARTING = ("model.structure.kind=learned", "model.structure.code_width=16", "disentangling.timbre_critic=1.0",
           "disentangling.cycle=1.0", "disentangling.length=2")  # fmt: skip


def test_two_processes_part_structure_and_timbre_as_one_does(store: Path, tmp_path: Path) -> None:
    """Each item has its own noise and the timbre of the item before, also where ranks meet."""
    codec, changes = tmp_path / "codec", (*COMMON, *PARTING)
    train_codec(load_settings(CodecTrainingSettings, "codec_tiny", (*CODEC, "training.iterations=1")), store, codec,
                device="cpu")  # fmt: skip
    process = train("train", store, "--out", tmp_path / "run", "--codec", codec, "--preset", "tiny", "--iterations", 4,
                    changes=changes)  # fmt: skip
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    settings = load_settings(DiffusionTrainingSettings, "tiny", (*changes, "training.iterations=4"))
    train_diffusion(settings, store, tmp_path / "alone", codec=codec, device="cpu")
    assert_same_curve(tmp_path / "run", tmp_path / "alone", having="cycle", rel=1e-3)


def train_alone(store: Path, codec: Path, run: Path, iterations: int) -> None:
    settings = load_settings(DiffusionTrainingSettings, "tiny", (*COMMON, f"training.iterations={iterations}"))
    train_diffusion(settings, store, run, codec=codec, device="cpu")


def test_a_process_on_its_own_has_the_whole_batch() -> None:
    assert share(5) == range(5)
    assert read_launch({"WORLD_SIZE": "8"}) is None
    with process_group("cpu") as place:
        assert place == torch.device("cpu")
    with pytest.raises(ConfigError, match="use auto, cpu or cuda"), process_group("abacus"):
        pass


def test_torchrun_says_who_a_process_is() -> None:
    said = {"RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
    assert read_launch(said) == Launch(rank=3, local_rank=1, world_size=4)
