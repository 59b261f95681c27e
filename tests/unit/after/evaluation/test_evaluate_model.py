"""A trained model beside what its store holds out: the figures of a perfect model and of wrong ones are known."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

from after.cli import group
from after.codec.load import BUNDLED_CODEC, open_codec
from after.config import to_dict
from after.data.extract.latents import codec_hash
from after.data.prepare.run import prepare
from after.data.prepare.settings import PrepareJob
from after.data.store import Store
from after.evaluation.model_transfer import measure_matrices
from after.evaluation.model_trials import ModelTrial, ModelTrials
from after.settings import ModelSettings, StructureSettings
from after.trained import Trained
from tests.unit.data.audio_folder import save

TRIALS = ModelTrials(num_items=36, num_steps=(2,), crop_frames=43, per_group=24)
GROUPS = {"bright": np.ones(12), "hollow": np.arange(1, 13) % 2, "soft": 0.25 ** np.arange(12)}


@dataclass
class Stand(nn.Module):
    """What stands in for a model: its structure is the latents, its timbre the group that it hears in them."""

    make: Callable[[Tensor, Tensor], Tensor]

    def __post_init__(self) -> None:
        super().__init__()

    def code(self, latents: Tensor) -> Tensor:
        return latents

    def timbre_encoder(self, latents: Tensor) -> Tensor:
        return latents.mean(dim=1)

    def generate(self, structure: Tensor, timbre: Tensor, **given: object) -> Tensor:
        return self.make(structure, timbre)


def tone(pitch: float, partials: np.ndarray, duration_s: float = 6.2) -> np.ndarray:
    time_s = np.arange(round(duration_s * 44_100)) / 44_100
    hz = 440.0 * 2.0 ** ((pitch - 69) / 12)
    waves = [level * np.sin(2 * np.pi * hz * (k + 1) * time_s) for k, level in enumerate(partials)]
    return 0.1 * np.sum(waves, axis=0) / np.sqrt(np.square(partials).sum())


@pytest.fixture(scope="module")
def store_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trials")
    for name, partials in GROUPS.items():
        for number in range(8):
            save(folder / f"set/{name}/{number}.wav", tone(57 + 2 * number, partials))
    prepare(
        PrepareJob(inputs=(folder / "set",), out=folder / "store", workers=0, features={"latents": {}}),
        {"validation": 0.4},
    )
    return folder / "store"


@pytest.fixture
def store(store_path: Path) -> Iterator[Store]:
    with Store.open(store_path) as opened:
        yield opened


@pytest.fixture(scope="module")
def run(store_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "run"
    options = ["--preset", "tiny", "--iterations", "2", "--set", "model.structure.kind=learned"]
    result = CliRunner().invoke(group, ["train", str(store_path), "--out", str(folder), *options])
    assert result.exit_code == 0, result.output
    return folder


def trial_of(store: Store, make: Callable[[Tensor, Tensor], Tensor]) -> ModelTrial:
    codec, _ = open_codec(BUNDLED_CODEC)
    settings = ModelSettings(structure=StructureSettings(kind="learned"))
    snapshot = {"latents": f"latents/{codec_hash(codec)}", "model": to_dict(settings)}
    return ModelTrial(Trained(Stand(make), codec, snapshot, 0, 0), store, TRIALS)  # type: ignore[arg-type]


def test_a_perfect_model_has_no_error(store: Store) -> None:
    report = trial_of(store, lambda structure, timbre: structure).run()
    (row,) = report.rows
    assert row.num_steps == 2
    assert row.log_mel.value == row.loudness_db.value == 0.0
    assert row.same_pitch.value == 1.0
    assert row.timbre == report.timbre_of_recordings
    assert report.timbre_of_recordings.value > 0.6
    assert report.probes["instrument in structure"].num_items == 36


def test_silence_is_no_instrument_and_has_no_pitch(store: Store) -> None:
    codec, _ = open_codec(BUNDLED_CODEC)
    silent = codec.encode(torch.zeros(1, 1, 43 * 1024)).transpose(1, 2)
    (row,) = trial_of(store, lambda structure, timbre: silent.expand_as(structure)).run().rows
    assert row.same_pitch.value == 0.0
    assert row.timbre.value == 0.0
    assert row.log_mel.value > 1.0
    assert row.loudness_db.value > 20.0


def test_without_regard_for_timbre_the_matrix_has_the_melodies_instruments(store: Store) -> None:
    names = tuple(GROUPS)
    matrices = measure_matrices(trial_of(store, lambda structure, timbre: structure), names, 3)
    np.testing.assert_array_equal(matrices.pitch, np.ones((3, 3)))
    np.testing.assert_allclose(matrices.timbre.sum(axis=1), np.ones(3))  # each sound is heard as one instrument
    assert np.trace(matrices.timbre) > 2.0
    assert matrices.across_pitch.value == 1.0
    assert matrices.across_timbre.value == pytest.approx((3.0 - np.trace(matrices.timbre)) / 6.0)
    assert matrices.across_timbre.num_items == 18


def test_the_command_measures_a_run_and_writes_json(store_path: Path, run: Path, tmp_path: Path) -> None:
    asked = ["--items", "4", "--steps", "1,2", "--pairs", "bright,soft", "--per-pair", "1", "--references", "4"]
    given = ["evaluate_model", str(run), "--store", str(store_path), *asked, "--json", str(tmp_path / "figures.json")]
    result = CliRunner().invoke(group, given)
    assert result.exit_code == 0, result.output
    assert "same pitch, melody of the row in the timbre of the column" in result.output
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [row["num_steps"] for row in figures["report"]["rows"]] == [1, 2]
    assert np.shape(figures["transfer"]["pitch"]) == (2, 2)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--steps", "1,x"], "is no list of numbers"),
        (["--pairs", "bright,harp"], "no held-out recordings of harp"),
        (["--json", "/proc/nowhere/x.json"], "nowhere"),
    ],
)
def test_wrong_options_are_one_line(store_path: Path, run: Path, asked: list[str], said: str) -> None:
    given = ["evaluate_model", str(run), "--store", str(store_path), "--items", "2", *asked]
    result = CliRunner().invoke(group, given)
    assert result.exit_code == 2, result.output
    assert said in result.output
