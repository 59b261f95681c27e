"""What comes and goes while a run goes on: the two stages, critics and penalties, over stops and changed settings."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from after.data.loading.excerpts import Batch
from after.data.prepare.run import prepare
from after.data.prepare.settings import PrepareJob
from after.errors import CheckpointError, ConfigError, DataError
from after.training.diffusion_loop import train_diffusion
from after.training.model_losses import Pass, cycle_term
from after.training.model_updates import ModelUpdates
from after.training.optim import Schedule, learning_rate
from tests.unit.training.test_diffusion_loop import settings, train_small_codec
from tests.unit.training.test_model_updates import batch_of, updates_with
from tests.unit.training.tiny_data import CHUNK_SAMPLES, differing, logged, make_store, train_in_pieces

PARTING = ("model.structure.kind=learned", "model.structure.code_width=16", "disentangling.correlation=4.0",
           "disentangling.timbre_critic=1.0", "disentangling.pitch_critic=1.0", "disentangling.cycle=1.0",
           "disentangling.length=4")  # fmt: skip


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A store with silence and a codec."""
    folder = tmp_path_factory.mktemp("stages")
    make_store(folder)
    store = folder / "silent"
    prepare(
        PrepareJob(inputs=(folder / "set",), out=store, workers=0),
        {"chunk_samples": CHUNK_SAMPLES, "validation": 0.35, "min_seconds": 0.1, "silent_share": 0.5},
    )
    train_small_codec(store, folder / "codec")
    return store, folder / "codec"


def resumed(old: ModelUpdates, *overrides: str) -> ModelUpdates:
    """Go on with other settings, as the same run does with another `--set`."""
    new = updates_with(*overrides)
    new.state.restore(*copy.deepcopy(old.state.capture()))
    return new


@pytest.mark.parametrize("first", [0, 5])
def test_with_all_losses_and_stages_a_stopped_run_ends_with_the_same_weights(
    given: tuple[Path, Path], first: int, tmp_path: Path
) -> None:
    store, codec = given
    overrides = (*PARTING, f"timbre_first.iterations={first}")

    def train(run: Path, time_limit_s: float | None = None) -> object:
        return train_diffusion(
            settings(*overrides), store, run, codec=codec, time_limit_s=time_limit_s, device="cpu"
        )  # fmt: skip

    train(tmp_path / "straight")
    assert train_in_pieces(lambda limit_s: train(tmp_path / "run", limit_s), 12) > 0  # type: ignore[arg-type, return-value]
    assert differing(tmp_path / "run", tmp_path / "straight") == []
    assert len(logged(tmp_path / "straight", "contrast")) == first
    assert len(logged(tmp_path / "straight", "loss")) == len(logged(tmp_path / "straight", "cycle")) == 12 - first


def test_silence_has_no_part_in_the_contrast(
    given: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence is one sequence of latents, whatever its group."""
    store, codec = given
    seen: list[tuple[int, Tensor]] = []
    make = ModelUpdates.make

    def recording(self: ModelUpdates, batch: Batch, iteration: int) -> object:
        seen.extend((iteration, latents) for latents in batch.latents)
        return make(self, batch, iteration)

    monkeypatch.setattr(ModelUpdates, "make", recording)
    train_diffusion(
        settings("timbre_first.iterations=20", "training.iterations=40"), store, tmp_path / "run", codec=codec,
        device="cpu",
    )  # fmt: skip
    is_constant = [(iteration, bool(latents.std(dim=0).max() < 1e-3)) for iteration, latents in seen]
    assert not any(constant for iteration, constant in is_constant if iteration < 20)
    assert any(constant for iteration, constant in is_constant if iteration >= 20)


def test_pitches_that_no_recording_has_cannot_be_fought_over(tmp_path: Path) -> None:
    store = make_store(tmp_path, midi=False)
    train_small_codec(store, tmp_path / "codec")
    with pytest.raises(DataError, match=r"pitch_critic is 1, but .* has no pitches: prepare it with --feature pitch"):
        train_diffusion(settings(*PARTING), store, tmp_path / "run", codec=tmp_path / "codec", device="cpu")


def test_the_second_stage_warms_up_anew() -> None:
    run = ("training.optimizer.warmup_iterations=4", "training.iterations=40", "training.optimizer.ema_decay=0.999")
    updates = updates_with("timbre_first.iterations=10", *run)
    rates = [float(updates.make(batch_of(n), n)["learning_rate"]) for n in range(16)]
    settings = updates.settings.training.optimizer

    def expected(iteration: int, iterations: int) -> float:
        schedule = Schedule(
            learning_rate=settings.learning_rate,
            iterations=iterations,
            warmup_iterations=4,
            final_ratio=settings.final_ratio,
        )
        return learning_rate(iteration, schedule)

    assert rates == pytest.approx([expected(n, 40) for n in range(10)] + [expected(n, 30) for n in range(6)])


def test_the_average_of_the_second_stage_begins_with_it() -> None:
    """With a decay of 0.999 and no warm-up, a network of six updates would be averaged with its fresh weights."""
    run = ("training.optimizer.warmup_iterations=0", "training.iterations=4000", "training.optimizer.ema_decay=0.999")
    late, alone = updates_with("timbre_first.iterations=1000", *run), updates_with(*run)
    for number, start in ((0, 1000), (1, 1001), (2, 1002)):
        late.make(batch_of(number), start)
        alone.make(batch_of(number), number)
    shares = []
    for updates in (late, alone):
        fresh = updates_with(*run).model.denoiser.project_out.weight.detach()
        moved = updates.model.denoiser.project_out.weight.detach() - fresh
        averaged = updates.ema.state_dict()["denoiser.project_out.weight"] - fresh
        shares.append(float((averaged * moved).sum() / moved.square().sum()))
    assert shares[0] == pytest.approx(shares[1], rel=0.05)


@pytest.mark.parametrize(("before", "after"), [(0, 3), (20, 3)])
def test_a_first_stage_that_ends_otherwise_than_planned_leaves_its_average(before: int, after: int) -> None:
    run = ("training.iterations=40", "training.optimizer.ema_decay=0.9")
    old = updates_with(f"timbre_first.iterations={before}", *run)
    for number in range(6):
        old.make(batch_of(number), number)
    new = resumed(old, f"timbre_first.iterations={after}", *run)
    new.make(batch_of(6), 6)
    for name, value in new.model.timbre_encoder.state_dict().items():
        torch.testing.assert_close(value, old.ema.state_dict()[f"timbre_encoder.{name}"])


@pytest.mark.parametrize("term", ["timbre_critic", "pitch_critic", "correlation", "cycle"])
def test_what_a_run_takes_in_later_rises_from_there(term: str) -> None:
    old = updates_with()
    old.make(batch_of(0), 3000)
    plain, fought = resumed(old), resumed(old, f"disentangling.{term}=50.0", "disentangling.length=10")
    strayed = []
    for iteration in (3001, 3002):
        for updates in (plain, fought):
            updates.make(batch_of(iteration), iteration)
        names = dict(plain.model.named_parameters())
        pairs = ((names[name].detach(), p.detach()) for name, p in fought.model.named_parameters())
        strayed.append(max(float((first - second).abs().max()) for first, second in pairs))
    assert strayed[0] < 1e-7
    assert strayed[1] > 1e-6


def test_what_a_run_leaves_out_is_dropped_and_may_come_back() -> None:
    fought = updates_with("disentangling.timbre_critic=1.0", "disentangling.pitch_critic=1.0")
    fought.make(batch_of(0), 0)
    fewer = resumed(fought, "disentangling.pitch_critic=1.0")
    assert set(fewer.state.modules) == {"model", "pitch_critic"}
    torch.testing.assert_close(fewer.critics.state_dict()["pitch.layers.0.weight"],
                               fought.critics.state_dict()["pitch.layers.0.weight"])  # fmt: skip
    assert "timbre_critic" not in fewer.make(batch_of(1), 1)
    again = resumed(fewer, "disentangling.timbre_critic=1.0", "disentangling.length=5")
    assert {"timbre_critic"} < set(again.make(batch_of(2), 2))
    assert again.state.since("timbre_critic", 99) == 2


def test_only_what_comes_and_goes_may_be_left_over() -> None:
    old = updates_with()
    old.state.modules = {**old.state.modules, "abacus": torch.nn.Linear(1, 1)}
    with pytest.raises(CheckpointError, match="also has modules abacus"):
        resumed(old)


@pytest.mark.parametrize("term", ["correlation", "cycle"])
def test_losses_are_logged_without_their_weights(term: str) -> None:
    figures = [updates_with(f"disentangling.{term}={weight}").make(batch_of(), 0) for weight in (0.5, 8.0)]
    assert float(figures[0][term]) == pytest.approx(float(figures[1][term]), rel=1e-6)
    assert float(figures[0][term]) > 0


@pytest.mark.parametrize("objective", ["flow", "epsilon", "edm"])
def test_cycles_begin_where_there_is_most_noise_among_what_is_trained(objective: str) -> None:
    updates = updates_with(f"model.objective.kind={objective}")
    path = updates.model.sampler.objective
    seen: list[Tensor] = []
    predict: Callable[..., Tensor] = updates.model.predict

    def recording(x_t: Tensor, t: Tensor, *others: Tensor) -> Tensor:
        seen.append(path.sigma(t) / path.alpha(t))
        return predict(x_t, t, *others)

    updates.model.predict = recording  # type: ignore[assignment, method-assign]
    batch = batch_of(count=64)
    outcome = Pass(torch.zeros(()), updates.model.code(batch.latents), updates.model.timbre_encoder(batch.latents))  # type: ignore[misc]
    cycle_term(updates.model, batch, outcome, torch.Generator().manual_seed(0), torch.device("cpu"))
    times = path.draw_times(100_000, torch.Generator().manual_seed(1))
    trained = path.sigma(times) / path.alpha(times)
    assert float(seen[0].min()) >= float(trained.quantile(0.745))
    assert float(seen[0].max()) <= float(trained.max()) * 1.001


def test_a_critic_begins_with_its_stage() -> None:
    """The timbre critic has nothing to judge in the first stage: schedule, warm-up and rise begin with the second."""
    run = ("timbre_first.iterations=30", "training.iterations=60", "disentangling.timbre_critic=1.0")
    updates = updates_with(*run)
    for number in range(28, 31):
        figures = updates.make(batch_of(number), number)
        assert ("timbre_critic" in figures) is (number == 30)
    assert updates.state.since("timbre_critic", 99) == 30
    assert updates.critics.learners["timbre_critic"].start == 30


def test_the_start_counts_from_where_a_loss_comes_in() -> None:
    old = updates_with()
    old.make(batch_of(0), 3000)
    waiting = ("disentangling.correlation=50.0", "disentangling.length=1", "disentangling.start=2")
    plain, fought = resumed(old), resumed(old, *waiting)
    strayed = []
    for iteration in range(3001, 3006):
        for updates in (plain, fought):
            updates.make(batch_of(iteration), iteration)
        pairs = zip(plain.model.parameters(), fought.model.parameters(), strict=True)
        strayed.append(max(float((a.detach() - b.detach()).abs().max()) for a, b in pairs))
    assert max(strayed[:3]) < 1e-7
    assert strayed[4] > 1e-6


def test_one_item_for_a_process_is_too_few_to_compare() -> None:
    with pytest.raises(ConfigError, match=r"gives each process 1: .* at least 2"):
        updates_with("disentangling.correlation=1.0", batch_size=1)


def test_a_critic_of_another_size_is_explained() -> None:
    old = updates_with("disentangling.timbre_critic=1.0")
    with pytest.raises(CheckpointError, match="the stored timbre critic has another size"):
        resumed(old, "disentangling.timbre_critic=1.0", "disentangling.critic_width=16")


def test_one_group_has_nothing_to_contrast_with(tmp_path: Path) -> None:
    folder = make_store(tmp_path).parent
    prepare(
        PrepareJob(inputs=(folder / "set" / "soft",), out=folder / "one", workers=0),
        {"chunk_samples": CHUNK_SAMPLES, "validation": 0.35, "min_seconds": 0.1},
    )
    train_small_codec(folder / "one", folder / "codec")
    with pytest.raises(DataError, match=r"has one group .*: contrast needs two"):
        train_diffusion(
            settings("timbre_first.iterations=5"), folder / "one", folder / "run", codec=folder / "codec", device="cpu"
        )
