"""Training the generative model: it learns, goes on exactly after any stop, and refuses what does not fit."""

import os
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

from after.checkpoint import list_checkpoints, load_into, read_snapshot, read_weights
from after.config import from_dict, load_settings
from after.data.loading.excerpts import Excerpts, ExcerptSettings
from after.data.store import Store
from after.errors import CheckpointError, DataError, TrainingError
from after.model import build_model
from after.settings import CodecTrainingSettings, DiffusionTrainingSettings, DropoutSettings, ModelSettings
from after.training.codec_loop import train_codec
from after.training.diffusion_loop import train_diffusion
from after.training.model_losses import compute_loss, draw_conditions
from after.training.outcome import Outcome
from tests.unit.training.tiny_data import differing, final_tensors, iterations_of, logged, make_store, train_in_pieces


@dataclass(frozen=True)
class Given:
    """A prepared store, a trained codec, and a run of twelve iterations without interruption."""

    store: Path
    codec: Path
    straight: Path


def settings(*overrides: str) -> DiffusionTrainingSettings:
    small = ("training.precision=fp32", "training.iterations=12", "training.save_every=5", "training.validate_every=6")
    return load_settings(DiffusionTrainingSettings, "tiny", (*small, *overrides))


def differing_names(first: Path, second: Path) -> set[str]:
    return final_tensors(first).keys() ^ final_tensors(second).keys()


def stored_names(store: Path) -> list[str]:
    with Store.open(store) as opened:
        return opened.names(opened.keys()[0])


def train_small_codec(store: Path, run: Path, *overrides: str) -> None:
    small = ("crop_samples=8192", "training.iterations=1", "training.precision=fp32")
    train_codec(load_settings(CodecTrainingSettings, "codec_tiny", (*small, *overrides)), store, run, device="cpu")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    folder = tmp_path_factory.mktemp("diffusion")
    store = make_store(folder)
    train_small_codec(store, folder / "codec")
    given = Given(store, folder / "codec", folder / "straight")
    outcome = train(given, given.straight)
    assert (outcome.iteration, outcome.iterations, outcome.reason) == (12, 12, None)
    return given


def train(given: Given, run: str | Path, *overrides: str, time_limit_s: float | None = None) -> Outcome:
    return train_diffusion(
        settings(*overrides), given.store, run, codec=given.codec, time_limit_s=time_limit_s, device="cpu"
    )


def test_a_run_leaves_checkpoints_metrics_and_a_model(given: Given) -> None:
    assert iterations_of(given.straight) == [10, 12]
    assert len(logged(given.straight, "loss")) == 12
    assert len(logged(given.straight, "validation/loss")) == 2
    tensors, snapshot = read_weights(given.straight)
    assert snapshot["kind"] == "diffusion"
    stored = from_dict(ModelSettings, snapshot["model"])  # type: ignore[arg-type]
    assert stored == settings().model
    load_into(build_model(stored, snapshot["codec"]["num_latents"]), tensors)  # type: ignore[index]


def test_the_store_keeps_the_latents(given: Given) -> None:
    _, snapshot = read_weights(given.straight)
    with Store.open(given.store) as store:
        for key in store.keys("train") + store.keys("validation"):
            assert store.read(key, (str(snapshot["latents"]),))[str(snapshot["latents"])].shape == (20, 8)


def test_the_loss_falls(given: Given) -> None:
    train(given, "run", "training.iterations=60", "training.optimizer.learning_rate=1e-2", "training.batch_size=8",
          "training.optimizer.warmup_iterations=5", "training.validate_every=60", "training.save_every=60")  # fmt: skip
    losses = logged(Path("run"), "loss")
    assert sum(losses[-10:]) < 0.85 * sum(losses[:10])


def test_a_fresh_model_starts_at_the_loss_of_predicting_nothing(given: Given) -> None:
    """It predicts zero, so the first loss is the power of data - noise, which is 1 + that of the data."""
    _, snapshot = read_weights(given.straight)
    with Store.open(given.store) as store:
        rows = [store.read(key, (str(snapshot["latents"]),)) for key in store.keys("train")]
    power = torch.cat([torch.from_numpy(r[str(snapshot["latents"])]).float().square().flatten() for r in rows]).mean()
    assert logged(given.straight, "loss")[0] == pytest.approx(1 + power.item(), rel=0.5)


def test_stopped_and_continued_it_ends_with_the_same_weights(given: Given) -> None:
    assert train_in_pieces(lambda limit_s: train(given, "run", time_limit_s=limit_s), 12) > 0
    assert differing(Path("run"), given.straight) == []
    assert Path("run/metrics.jsonl").read_text() == (given.straight / "metrics.jsonl").read_text()


def test_mixed_precision_learns_the_same_in_less_detail(given: Given) -> None:
    train(given, "run", "training.precision=bf16")
    assert logged(Path("run"), "loss") == pytest.approx(logged(given.straight, "loss"), rel=0.05)
    assert all(tensor.dtype != torch.bfloat16 for tensor in read_weights("run")[0].values())


def test_what_is_compiled_is_what_learns(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    really_compile, asked = torch.compile, []

    def compile_eagerly(module: torch.nn.Module) -> object:
        asked.append(type(module).__name__)
        return really_compile(module, backend="eager")

    monkeypatch.setattr(torch, "compile", compile_eagerly)
    train(given, "run", "training.compile=yes", "training.iterations=2")
    assert asked == ["Model"]
    assert logged(Path("run"), "loss") == pytest.approx(logged(given.straight, "loss")[:2], rel=1e-5)
    assert differing_names(Path("run"), given.straight) == set()


def test_a_seed_decides_everything(given: Given) -> None:
    for run in ("run", "again"):
        train(given, run, "training.seed=1", "training.iterations=2")
    assert differing(Path("run"), Path("again")) == []
    assert logged(Path("run"), "loss") != logged(given.straight, "loss")[:2]


def test_a_finished_run_does_nothing_more(given: Given) -> None:
    newest = list_checkpoints(given.straight)[-1]
    before = newest.stat().st_mtime_ns
    assert train(given, given.straight).iteration == 12
    assert newest.stat().st_mtime_ns == before


def test_a_signal_saves_and_stops(given: Given) -> None:
    def send_when_under_way() -> None:
        while not Path(run, "metrics.jsonl").exists():
            time.sleep(0.002)
        os.kill(os.getpid(), signal.SIGTERM)

    run = Path("run").absolute()
    before = signal.signal(signal.SIGTERM, lambda *_: None)  # should it come late, it must not end the tests
    try:
        sender = threading.Thread(target=send_when_under_way, daemon=True)
        sender.start()
        outcome = train(given, run, "training.iterations=500", "training.save_every=500")
        sender.join()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert outcome.reason == "SIGTERM received"
    assert iterations_of(run) == [outcome.iteration]
    assert 0 < outcome.iteration < 500


def test_a_loss_that_is_no_number_stops_and_spares_the_checkpoint(given: Given) -> None:
    train(given, "run", "training.iterations=3")
    (path,) = list_checkpoints("run")
    before = path.read_bytes()
    with pytest.raises(TrainingError, match="The last checkpoint is good"):
        train(given, "run", "training.optimizer.learning_rate=1e30", "training.save_every=50")
    assert iterations_of(Path("run")) == [3]
    assert path.read_bytes() == before
    assert train(given, "run", "training.iterations=4").iteration == 4


def test_another_model_or_codec_needs_another_folder(given: Given) -> None:
    with pytest.raises(CheckpointError, match=r"model\.denoiser\.width was 32, now 16.*new folder"):
        train(given, given.straight, "model.denoiser.width=16")
    train_small_codec(given.store, Path("other codec"), "training.seed=5")
    before = stored_names(given.store)
    with pytest.raises(CheckpointError, match=r"gives other latents than .* name that one, or a new folder"):
        train(Given(given.store, Path("other codec"), given.straight), given.straight)
    assert stored_names(given.store) == before  # refused before the store is encoded
    with pytest.raises(CheckpointError, match="codec is a run of after train_autoencoder: name another folder"):
        train(given, given.codec)


def test_crops_that_do_not_fit_are_refused_before_the_store_is_encoded(given: Given) -> None:
    train_small_codec(given.store, Path("other codec"), "training.seed=6")
    before = stored_names(given.store)
    with pytest.raises(DataError, match="crops of 21 and 16 frames do not fit into chunks of 20"):
        train(Given(given.store, Path("other codec"), given.straight), "run", "crop_frames=21", "timbre_frames=16")
    assert stored_names(given.store) == before


def test_a_validation_that_gives_no_number_counts_as_not_measured(
    given: Given, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("after.training.model_validation.Validation.__call__", lambda self, iteration: float("nan"))
    assert train(given, "run", "training.iterations=2").iteration == 2
    (path,) = list_checkpoints("run")
    assert read_snapshot(path)["training_state"]["metric"] is None  # type: ignore[index]
    assert "validation at iteration 2 gives nan, which counts as not measured" in caplog.text


def test_what_is_no_codec_is_refused(given: Given) -> None:
    with pytest.raises(CheckpointError, match="holds no codec"):
        train(Given(given.store, given.straight, given.straight), "run")
    Path("empty").mkdir()
    with pytest.raises(CheckpointError, match="holds no checkpoint yet"):
        train(Given(given.store, Path("empty"), given.straight), "run")
    with pytest.raises(CheckpointError, match="is missing"):
        train(Given(given.store, Path("nowhere"), given.straight), "run")
    assert not Path("run").exists()


def test_stores_that_do_not_fit_are_refused(given: Given, tmp_path: Path) -> None:
    for name, message in (
        ("silent", "prepare it with MIDI beside the audio"),
        ("slow", "22050 Hz, the codec runs at 44100 Hz"),
    ):
        rate = 22_050 if name == "slow" else 44_100
        store = make_store(tmp_path / name, midi=name == "slow", sample_rate=rate)
        with pytest.raises(DataError, match=message):
            train(Given(store, given.codec, given.straight), "run")
        assert not Path("run").exists()
        with Store.open(store) as untouched:
            assert not any(name.startswith("latents/") for name in untouched.names(untouched.keys()[0]))
    with pytest.raises(DataError, match="do not fit into chunks of 20"):
        train(given, "run", "crop_frames=32")


def test_a_store_that_has_its_latents_is_only_read(given: Given, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, really_open = [], Store.open
    monkeypatch.setattr(Store, "open", lambda path, mode="r": opened.append(mode) or really_open(path, mode))
    train(given, "run", "training.iterations=1")
    assert set(opened) == {"r"}


def test_a_missing_store_is_refused_and_not_made(given: Given, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="after prepare_dataset"):
        train(Given(tmp_path / "nowhere", given.codec, given.straight), "run")
    assert not (tmp_path / "nowhere").exists()


def test_a_limit_that_ends_with_the_last_update_is_no_stop(given: Given) -> None:
    outcome = train(given, "run", "training.iterations=1", "training.batch_size=64", time_limit_s=0.005)
    assert (outcome.reason is None) is (outcome.iteration == 1)


def test_weights_that_are_no_numbers_are_never_saved(given: Given) -> None:
    """With this rate the loss stays finite one update longer than its gradient."""
    with pytest.raises(TrainingError):
        train(given, "run", "training.optimizer.learning_rate=1e4", "training.optimizer.warmup_iterations=0",
              "training.save_every=1", "training.validate_every=100")  # fmt: skip
    tensors = final_tensors(Path("run"))
    assert [name for name, t in tensors.items() if t.is_floating_point() and not torch.isfinite(t).all()] == []


@pytest.mark.parametrize(("structure", "timbre", "both"), [(0.05, 0.1, 0.05), (0.5, 0.0, 0.2), (0.0, 0.0, 0.0)])
def test_conditions_are_dropped_as_often_as_asked(structure: float, timbre: float, both: float) -> None:
    dropout = DropoutSettings(structure=structure, timbre=timbre, both=both)
    keep_structure, keep_timbre = draw_conditions(40_000, dropout, torch.Generator().manual_seed(0))

    def share(items: torch.Tensor) -> float:
        return items.float().mean().item()

    assert share(~keep_structure) == pytest.approx(1 - (1 - structure) * (1 - both), abs=0.01)
    assert share(~keep_timbre) == pytest.approx(1 - (1 - timbre) * (1 - both), abs=0.01)
    expected = both + (1 - both) * structure * timbre
    assert share(~keep_structure & ~keep_timbre) == pytest.approx(expected, abs=0.01)


@torch.no_grad()
def test_validation_measures_the_averaged_weights_on_held_out_files(given: Given) -> None:
    tensors, snapshot = read_weights(given.straight)
    model = build_model(settings().model, snapshot["codec"]["num_latents"]).eval()  # type: ignore[index]
    load_into(model, tensors)
    losses = []
    with Store.open(given.store) as store:
        drawn = ExcerptSettings(
            latents_name=str(snapshot["latents"]), crop_frames=16, timbre_frames=16, frame_rate=44_100 / 1_024
        )
        held_out = Excerpts(store, "validation", drawn)
        for number in range(4):
            batch, generator = held_out.batch(number, 2, seed=1), torch.Generator().manual_seed(number)
            losses.append(compute_loss(model, batch, settings(), generator, torch.device("cpu")).item())
    assert logged(given.straight, "validation/loss")[-1] == pytest.approx(sum(losses) / 4, rel=1e-5)
