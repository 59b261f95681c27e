"""The adversarial part of codec training: it begins when asked, leaves latents alone, goes on exactly after a stop."""

import shutil
from pathlib import Path

import pytest
import torch

from after.checkpoint import read_checkpoint
from after.config import load_settings
from after.errors import ConfigError, TrainingError
from after.settings import CodecTrainingSettings
from after.training.codec_loop import train_codec
from tests.unit.training.tiny_data import differing, logged, make_store, train_in_pieces

START, END = 4, 10


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("adversarial"))


def settings(*overrides: str) -> CodecTrainingSettings:
    small = ("crop_samples=8192", "codec.frame_hop=256", "codec.latent_stride=4", "codec.encoder_window=1024",
             "codec.encoder_short_window=1024", "codec.encoder_fall=64", "codec.decoder_window=512",
             "training.precision=fp32",
             f"training.iterations={END}", "training.save_every=2", "training.validate_every=10", "training.keep=9",
             "training.optimizer.warmup_iterations=2", "adversarial.width=4", "adversarial.stft_scales=[512, 256]",
             "adversarial.periods=[3]", f"adversarial.start_iteration={START}",
             "adversarial.optimizer.warmup_iterations=1", "codec.analysis=spectrum", "codec.synthesis=istft",
             "codec.encoder_width=8", "codec.encoder_blocks=[1, 1]")  # fmt: skip
    return load_settings(CodecTrainingSettings, "codec_tiny", (*small, *overrides))


@pytest.fixture(scope="module")
def run(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "run"
    train_codec(settings(), store, folder, device="cpu")
    return folder


def weights(run: Path, iteration: int, part: str) -> dict[str, torch.Tensor]:
    tensors, _ = read_checkpoint(run / f"checkpoints/{iteration:08d}.safetensors")
    return {name: tensor for name, tensor in tensors.items() if name.startswith(part)}


def moved(run: Path, part: str, before: int, after: int) -> list[str]:
    one, other = weights(run, before, part), weights(run, after, part)
    return [name for name in one if not torch.equal(one[name], other[name])]


def test_discriminators_come_when_they_are_asked_to(run: Path) -> None:
    for name in ("discriminator_loss", "adversarial_loss", "feature_loss", "discriminator_gradient_norm"):
        assert len(logged(run, name)) == END - START
    assert len(logged(run, "loss")) == END
    # 2 is the loss of a judge that cannot tell; at first they cannot
    assert logged(run, "discriminator_loss")[0] == pytest.approx(2.0, abs=0.3)


def test_both_schedules_move(run: Path) -> None:
    rates = logged(run, "learning_rate")
    assert rates[0] < rates[1] > rates[-1]
    late = logged(run, "discriminator_learning_rate")
    assert late[0] == pytest.approx(5e-4)
    assert late == sorted(late, reverse=True)
    assert late[-1] < late[0]


def test_the_encoder_learns_before_and_stays_afterwards(run: Path) -> None:
    assert moved(run, "modules.model.encoder", 2, 4)
    # the averaged encoder takes the trained one's place when the discriminators come at 4; from 5 on both are the same
    assert moved(run, "modules.model.encoder", 8, 10) == []
    assert moved(run, "emas.model.encoder", 4, 10) == []
    trained, averaged = weights(run, 10, "modules.model.encoder"), weights(run, 10, "emas.model.encoder")
    assert all(torch.equal(trained[name], averaged[name.replace("modules", "emas")]) for name in trained)
    assert moved(run, "modules.model.decoder", 4, 8)
    assert moved(run, "modules.discriminators", 4, 8)
    assert moved(run, "modules.balancer", 4, 8)


def test_the_encoder_goes_on_learning_if_that_is_wanted(store: Path) -> None:
    train_codec(settings("adversarial.freeze_encoder=false"), store, "run", device="cpu")
    assert moved(Path("run"), "modules.model.encoder", 4, 8)


def test_stopped_and_continued_it_ends_with_the_same_weights(store: Path, run: Path) -> None:
    def train(time_limit_s: float):
        return train_codec(settings(), store, "run", time_limit_s=time_limit_s, device="cpu")

    assert train_in_pieces(train, END) > 0
    assert differing(Path("run"), run) == []
    assert Path("run/metrics.jsonl").read_text() == (run / "metrics.jsonl").read_text()


def test_discriminators_may_join_a_run_that_began_without_them(store: Path) -> None:
    alone = settings("adversarial.start_iteration=0", "training.iterations=4")
    train_codec(alone, store, "run", device="cpu")
    assert not weights(Path("run"), 4, "modules.discriminators")
    train_codec(settings(), store, "run", device="cpu")
    assert len(logged(Path("run"), "discriminator_loss")) == END - START
    assert moved(Path("run"), "emas.model.encoder", 4, 10) == []


def test_discriminators_that_would_come_too_late_are_said_to(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    train_codec(settings("training.iterations=3"), store, "run", device="cpu")
    assert "ends before discriminators come" in caplog.text
    assert not weights(Path("run"), 3, "modules.discriminators")


def test_their_schedule_begins_when_they_came(store: Path) -> None:
    train_codec(settings("adversarial.start_iteration=0", "training.iterations=6"), store, "run", device="cpu")
    late = settings("adversarial.start_iteration=2", "adversarial.optimizer.warmup_iterations=2")
    train_codec(late, store, "run", device="cpu")
    assert logged(Path("run"), "discriminator_learning_rate")[:2] == pytest.approx([2.5e-4, 5e-4])


def test_sines_get_a_gradient_from_their_amplitudes_too(store: Path) -> None:
    sines = ("codec.analysis=bands", "codec.synthesis=sines")
    # both go on from the same checkpoint, of the moment at which discriminators come
    train_codec(settings(*sines, f"training.iterations={START}"), store, "with", device="cpu")
    shutil.copytree("with", "without")
    train_codec(settings(*sines), store, "with", device="cpu")
    train_codec(settings(*sines, "loss.amplitude_weight=0.0"), store, "without", device="cpu")
    assert moved(Path("with"), "modules.model.decoder", 4, 8)
    assert any(
        not torch.equal(one, other)
        for one, other in zip(
            weights(Path("with"), 10, "modules.model").values(),
            weights(Path("without"), 10, "modules.model").values(),
            strict=True,
        )
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")
def test_a_compiled_run_has_the_losses_of_a_plain_one(store: Path) -> None:
    for compile_it in ("yes", "no"):
        chosen = settings(f"training.compile={compile_it}", "training.iterations=6", "codec.analysis=relative_bands",
                          "codec.synthesis=sines", "training.log_every=1")  # fmt: skip
        train_codec(chosen, store, compile_it, device="cpu")
    for name in ("loss", "feature_loss", "validation/spectral"):
        assert logged(Path("yes"), name) == pytest.approx(logged(Path("no"), name), rel=1e-3), name


def test_a_loss_that_is_no_number_stops_the_run_and_leaves_the_last_checkpoint(store: Path, run: Path) -> None:
    shutil.copytree(run, "run")
    Path("run/checkpoints/00000010.safetensors").unlink()
    before = sorted(Path("run/checkpoints").iterdir())
    with pytest.raises(TrainingError, match=r"(loss|gradient norm) is (nan|inf).*The last checkpoint is good"):
        train_codec(
            settings("adversarial.optimizer.learning_rate=1e30", "training.optimizer.learning_rate=1e30"),
            store,
            "run",
            device="cpu",
        )
    assert sorted(Path("run/checkpoints").iterdir()) == before


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("adversarial.start_iteration=-1", r"0 \(never\) or more"),
        ("adversarial.feature_weight=0.0", "must be above 0"),
        ("adversarial.spectral_weight=-1.0", "must be above 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings(override)
    with pytest.raises(ConfigError, match="name one discriminator at least"):
        settings("adversarial.stft_scales=[]", "adversarial.periods=[]")
