"""Training the codec: it learns, goes on exactly after any stop, and refuses what does not fit."""

import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from after.checkpoint import list_checkpoints
from after.codec.build import build_codec
from after.codec.load import load_codec
from after.config import load_settings
from after.data.extract.latents import codec_hash
from after.data.loading.crops import AudioCrops
from after.data.store import Store
from after.errors import CheckpointError, ConfigError, DataError, TrainingError
from after.settings import CodecTrainingSettings
from after.training.codec_loop import build_loss, train_codec, validate
from after.training.run import Run
from tests.unit.training.tiny_data import differing, iterations_of, logged, make_store, train_in_pieces


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("codec"))


def settings(*overrides: str) -> CodecTrainingSettings:
    """Small enough for a few milliseconds per update."""
    small = ("crop_samples=8192", "codec.frame_hop=256", "codec.latent_stride=4", "codec.encoder_window=1024",
             "codec.encoder_short_window=1024", "codec.encoder_fall=64", "codec.decoder_window=512",
             "loss.scales_per_iteration=1",
             "training.precision=fp32", "training.iterations=12", "training.save_every=5",
             "training.validate_every=6")  # fmt: skip
    return load_settings(CodecTrainingSettings, "codec_tiny", (*small, *overrides))


@pytest.fixture(scope="module")
def straight(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without interruption."""
    run = tmp_path_factory.mktemp("straight") / "run"
    outcome = train_codec(settings(), store, run, device="cpu")
    assert (outcome.iteration, outcome.iterations, outcome.reason) == (12, 12, None)
    return run


def test_a_run_leaves_checkpoints_metrics_and_a_codec(straight: Path) -> None:
    assert iterations_of(straight) == [10, 12]
    assert len(logged(straight, "loss")) == 12
    assert len(logged(straight, "validation/spectral")) == 2
    assert all(value > 0 for value in logged(straight, "gradient_norm"))
    codec, stored = load_codec(straight)
    assert stored == settings().codec
    with torch.no_grad():
        latents = codec.encode(torch.zeros(1, 1, 8192))
        assert latents.shape == (1, 8, 8)
        assert codec.decode(latents).shape == (1, 1, 8192)


def test_the_loss_falls(store: Path) -> None:
    quick = settings("training.iterations=40", "training.optimizer.learning_rate=5e-3", "training.batch_size=3",
                     "training.optimizer.warmup_iterations=5", "training.validate_every=40",
                     "loss.scales_per_iteration=0")  # fmt: skip
    train_codec(quick, store, "run", device="cpu")
    losses = logged(Path("run"), "loss")
    assert sum(losses[-10:]) < 0.85 * sum(losses[:10])


def test_stopped_and_continued_it_ends_with_the_same_weights(store: Path, straight: Path) -> None:
    def train(time_limit_s: float):
        return train_codec(settings(), store, "run", time_limit_s=time_limit_s, device="cpu")

    assert train_in_pieces(train, 12) > 0
    assert differing(Path("run"), straight) == []
    assert Path("run/metrics.jsonl").read_text() == (straight / "metrics.jsonl").read_text()


def test_each_update_draws_as_many_scales_as_asked(store: Path) -> None:
    """At a rate of almost zero only the scales differ: one of two gives now the one's loss, now the other's."""
    losses = {}
    for name, scales, count in (("short", "[256]", 0), ("long", "[1024]", 0), ("all", "[256, 1024]", 0),
                                ("drawn", "[256, 1024]", 1)):  # fmt: skip
        still = settings("training.iterations=8", "training.seed=1", "training.optimizer.learning_rate=1e-12",
                         f"loss.scales={scales}", f"loss.scales_per_iteration={count}")  # fmt: skip
        train_codec(still, store, name, device="cpu")
        losses[name] = np.array(logged(Path(name), "loss"))
    np.testing.assert_allclose(losses["all"], (losses["short"] + losses["long"]) / 2, rtol=1e-4)
    is_short, is_long = (np.isclose(losses["drawn"], losses[name], rtol=1e-4) for name in ("short", "long"))
    assert (is_short ^ is_long).all()
    assert is_short.any()
    assert is_long.any()


def test_latents_are_final_from_the_first_update(store: Path, straight: Path) -> None:
    first, last = (load_codec(path)[0] for path in (list_checkpoints(straight)[0], list_checkpoints(straight)[-1]))
    assert codec_hash(first) == codec_hash(last)
    for name, tensor in first.encoder.state_dict().items():
        assert torch.equal(tensor, last.encoder.state_dict()[name])


def test_mixed_precision_learns_the_same_in_less_detail(store: Path, straight: Path) -> None:
    train_codec(settings("training.precision=bf16"), store, "run", device="cpu")
    np.testing.assert_allclose(logged(Path("run"), "loss"), logged(straight, "loss"), rtol=0.05)
    assert all(tensor.dtype != torch.bfloat16 for tensor in load_codec("run")[0].state_dict().values())


def test_a_seed_decides_everything(store: Path, straight: Path) -> None:
    train_codec(settings("training.seed=1"), store, "run", device="cpu")
    changed = differing(Path("run"), straight)
    assert {name.split(".")[0] for name in changed} == {"modules", "emas", "optimizers", "random"}


def test_a_finished_run_does_nothing_more(store: Path, straight: Path) -> None:
    newest = list_checkpoints(straight)[-1]
    before = newest.stat().st_mtime_ns
    outcome = train_codec(settings(), store, straight, device="cpu")
    assert (outcome.iteration, outcome.reason) == (12, None)
    assert newest.stat().st_mtime_ns == before
    longer = train_codec(settings("training.iterations=13"), store, shutil.copytree(straight, "run"), device="cpu")
    assert longer.iteration == 13


def test_a_limit_that_ends_with_the_last_update_is_no_stop(store: Path) -> None:
    one = settings("training.iterations=1", "training.batch_size=16")
    outcome = train_codec(one, store, "run", time_limit_s=0.005, device="cpu")
    assert (outcome.reason is None) is (outcome.iteration == 1)


def send_when_under_way(run: Path, number: signal.Signals) -> threading.Thread:
    def watch() -> None:
        while not (run / "metrics.jsonl").exists():
            time.sleep(0.002)
        os.kill(os.getpid(), number)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_stops(store: Path, number: signal.Signals) -> None:
    before = signal.signal(number, lambda *_: None)  # should the signal come late, it must not end the tests
    try:
        sender = send_when_under_way(Path("run"), number)
        outcome = train_codec(settings("training.iterations=500", "training.save_every=500"), store, "run")
        sender.join()
    finally:
        signal.signal(number, before)
    assert outcome.reason == f"{number.name} received"
    assert 0 < outcome.iteration < 500
    assert iterations_of(Path("run")) == [outcome.iteration]


def test_a_loss_that_is_no_number_stops_and_spares_the_checkpoint(store: Path) -> None:
    train_codec(settings("training.iterations=3"), store, "run", device="cpu")
    (path,) = list_checkpoints("run")
    before = path.read_bytes()
    with pytest.raises(TrainingError, match="The last checkpoint is good"):
        train_codec(settings("training.optimizer.learning_rate=1e30", "training.save_every=50"), store, "run")
    assert iterations_of(Path("run")) == [3]
    assert path.read_bytes() == before
    assert train_codec(settings("training.iterations=5"), store, "run", device="cpu").iteration == 5


def test_another_codec_needs_another_folder(store: Path, straight: Path) -> None:
    with pytest.raises(CheckpointError, match=r"codec\.num_latents was 8, now 6.*new folder"):
        train_codec(settings("codec.num_latents=6"), store, straight)


def test_stores_that_do_not_fit_are_refused(store: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="after prepare_dataset"):
        train_codec(settings(), tmp_path / "nowhere", "run")
    other = make_store(tmp_path / "other", midi=False, sample_rate=22_050)
    with pytest.raises(DataError, match="prepared at 22050 Hz, the codec runs at 44100 Hz"):
        train_codec(settings(), other, "run")
    with pytest.raises(DataError, match="do not fit into chunks of 20480"):
        train_codec(settings("crop_samples=32768"), store, "run")
    Store.open(tmp_path / "empty", "a").close()
    with pytest.raises(DataError, match="empty"):
        train_codec(settings(), tmp_path / "empty", "run")


def test_a_device_that_is_not_there_is_refused(store: Path) -> None:
    with pytest.raises(ConfigError, match="use auto, cpu or cuda"):
        train_codec(settings(), store, "run", device="abacus")


@torch.no_grad()
def test_validation_measures_the_averaged_weights_on_held_out_files(store: Path, straight: Path) -> None:
    codec, _ = load_codec(straight)
    loss = build_loss(settings())
    with Store.open(store) as opened:
        batches = list(AudioCrops(opened, "validation", 8192).fixed(8, 48))
    expected = np.mean([loss(codec.decode(codec.encode(audio)), audio).item() for audio in batches])
    assert logged(straight, "validation/spectral")[-1] == pytest.approx(expected, rel=1e-5)


class HeldOut:
    """Held-out crops in given batches."""

    def __init__(self, *batches: torch.Tensor) -> None:
        self.batches = batches

    def fixed(self, batch: int, count: int) -> Iterator[torch.Tensor]:
        yield from self.batches


def validate_on(*batches: torch.Tensor) -> float:
    torch.manual_seed(0)
    codec = build_codec(settings().codec)
    with Run.open("run", {}) as run:
        return validate(codec, build_loss(settings()), HeldOut(*batches), run, 1)  # type: ignore[arg-type]


def test_every_held_out_item_counts_the_same() -> None:
    audio = torch.logspace(-3, 0, 4)[:, None, None] * torch.randn(4, 1, 8192)
    alone = [validate_on(item) for item in audio.split(1)]
    assert validate_on(audio[:3], audio[3:]) == pytest.approx(np.mean(alone), rel=1e-5)


def test_silent_held_out_files_have_a_loss_and_no_log_mel_distance() -> None:
    loss = validate_on(torch.zeros(2, 1, 8192), torch.zeros(1, 1, 8192))
    assert np.isfinite(loss)
    assert logged(Path("run"), "validation/spectral") == [loss]
    assert not logged(Path("run"), "validation/log_mel")
