"""A trained model beside what its store holds out: the figures of a perfect model and of wrong ones are known."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
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
from after.data.loading.excerpts import Excerpts
from after.data.prepare.run import prepare
from after.data.prepare.settings import PrepareJob
from after.data.store import Store
from after.errors import DataError
from after.evaluation.bootstrap import bootstrap_recordings, bootstrap_values
from after.evaluation.model_transfer import check_names, draw_melodies, measure_matrices
from after.evaluation.model_trials import ModelTrial, ModelTrials
from after.features.mel import log_mel_distance
from after.settings import ModelSettings, StructureSettings
from after.trained import Trained
from tests.unit.data.audio_folder import save

TRIALS = ModelTrials(num_items=36, num_probed=36, num_steps=(2,), crop_frames=43, per_group=24)
FEW = replace(TRIALS, num_items=8, per_group=8)
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
def tones(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trials") / "set"
    for name, partials in GROUPS.items():
        for number in range(8):
            save(folder / f"{name}/{number}.wav", tone(57 + 2 * number, partials))
    return folder


def prepare_store(tones: Path, out: Path, **given: object) -> Path:
    prepare(
        PrepareJob(inputs=(tones,), out=out, workers=0, features={"latents": {}}),
        {"validation": 0.4, **given},
    )
    return out


@pytest.fixture(scope="module")
def store_path(tones: Path) -> Path:
    return prepare_store(tones, tones.parent / "store")


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


def trial_of(store: Store, make: Callable[[Tensor, Tensor], Tensor], trials: ModelTrials = TRIALS) -> ModelTrial:
    codec, _ = open_codec(BUNDLED_CODEC)
    settings = ModelSettings(structure=StructureSettings(kind="learned"))
    snapshot = {"latents": f"latents/{codec_hash(codec)}", "model": to_dict(settings)}
    return ModelTrial(Trained(Stand(make), codec, snapshot, 0, 0), store, trials)  # type: ignore[arg-type]


def silence_of(store: Store) -> Tensor:
    """Give the latents of silence, [1, 43, D]."""
    codec = trial_of(store, lambda structure, timbre: structure).trained.codec
    return codec.encode(torch.zeros(1, 1, 43 * 1024)).transpose(1, 2)


def test_a_perfect_model_has_no_error(store: Store) -> None:
    report = trial_of(store, lambda structure, timbre: structure).run()
    (row,) = report.rows
    assert row.num_steps == 2
    assert row.log_mel.value == row.loudness_db.value == 0.0
    assert row.same_pitch.value == 1.0
    assert row.timbre == report.timbre_of_recordings
    assert report.timbre_of_recordings.value > 0.6
    assert report.probes["instrument in structure"].num_items == 36
    assert report.left_out == ("probe of pitch in timbre: pitches are known of 0 excerpts; a probe needs more than 8",)


def test_probes_read_more_excerpts_than_are_generated(store: Store) -> None:
    report = trial_of(store, lambda structure, timbre: structure, replace(FEW, num_items=2, num_probed=60)).run()
    assert report.rows[0].log_mel.num_items == 2
    assert report.probes["instrument in timbre"].num_items == 60


def test_intervals_are_over_recordings_not_excerpts(store: Store) -> None:
    trial = trial_of(store, lambda structure, timbre: torch.zeros_like(structure), replace(FEW, num_items=24))
    (row,), rate = (report := trial.run()).rows, trial.trained.codec.sample_rate
    batches = [trial.held_out.batch(number, 8, seed=0) for number in range(3)]
    origins = [int(origin) for batch in batches for origin in batch.origin]
    distances = [
        log_mel_distance(made, original, rate)
        for batch in batches
        for made, original in zip(
            trial.decode(torch.zeros_like(batch.latents)), trial.decode(batch.latents), strict=True
        )
    ]
    assert report.num_recordings == len(set(origins)) < 24
    assert row.log_mel == bootstrap_recordings(distances, origins)
    assert row.log_mel.high - row.log_mel.low > bootstrap_values(distances).high - bootstrap_values(distances).low


def test_one_instrument_is_measured_but_for_who_plays(tones: Path, tmp_path: Path) -> None:
    with Store.open(prepare_store(tones / "soft", tmp_path / "store")) as store:
        report = trial_of(store, lambda structure, timbre: structure, FEW).run()
        assert report.rows[0].log_mel.value == report.rows[0].loudness_db.value == 0.0
        assert report.rows[0].same_pitch.value == 1.0
        assert np.isnan([report.rows[0].timbre.value, report.timbre_of_recordings.value]).all()
        assert report.probes == {}
        assert [gap.partition(":")[0] for gap in report.left_out] == [
            "instrument",
            "probe of instrument in structure",
            "probe of instrument in timbre",
            "probe of pitch in timbre",
        ]
        assert "two instruments" in report.left_out[0]


def test_instruments_that_only_the_held_out_part_has_are_not_judged(tones: Path, tmp_path: Path) -> None:
    with Store.open(prepare_store(tones, tmp_path / "store", split_by="group")) as store:
        trial = trial_of(store, lambda structure, timbre: structure, FEW)
        report = trial.run()
        assert set(trial.held_out.groups).isdisjoint(trial.train.groups)
        assert np.isnan(report.rows[0].timbre.value)
        assert report.rows[0].timbre.num_items == 0
        assert any(gap.startswith("instrument: ") for gap in report.left_out)
        with pytest.raises(DataError, match=r"no (held-out|training) recordings of"):
            check_names(trial, tuple(GROUPS))


def test_melodies_come_from_different_recordings_of_their_instrument(store: Store) -> None:
    held_out = trial_of(store, lambda structure, timbre: structure).held_out
    whose = {origin: group for group, origin in pairs_of(held_out)}
    num_recordings = {group: list(whose.values()).count(group) for group in whose.values()}
    melodies = draw_melodies(held_out, ("soft", "bright"), 3)
    assert list(melodies) == ["soft", "bright"]
    for name, melody in melodies.items():
        assert melody.latents.shape[:2] == melody.structure.shape[:2] == (3, 43)
        assert {whose[origin] for origin in melody.origins} == {name}
        assert len(set(melody.origins)) == min(3, num_recordings[name])


def pairs_of(held_out: Excerpts) -> Iterator[tuple[str, int]]:
    for number in range(40):
        batch = held_out.batch(number, 8, seed=9)
        yield from ((held_out.groups[int(g)], int(o)) for g, o in zip(batch.group, batch.origin, strict=True))


def test_silence_is_no_instrument_and_has_no_pitch(store: Store) -> None:
    silent = silence_of(store)
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


def test_intervals_across_instruments_are_over_the_melodies_recordings(store: Store) -> None:
    """A model that ignores the timbre keeps a melody in all of them or in none: they count as one."""
    names = tuple(GROUPS)
    silent = silence_of(store)
    melodies = draw_melodies(trial_of(store, lambda structure, timbre: structure).held_out, names, 3)
    origins = [origin for melody in melodies.values() for origin in melody.origins]
    keys = torch.cat([melody.latents for melody in melodies.values()]).mean((1, 2))
    limit = keys.median()

    def keep_some(structure: Tensor, timbre: Tensor) -> Tensor:
        is_kept = structure.mean((1, 2), keepdim=True) > limit
        return torch.where(is_kept, structure, silent.expand_as(structure))

    matrices = measure_matrices(trial_of(store, keep_some), names, 3)
    expected = bootstrap_recordings((keys > limit).double().tolist(), origins)
    assert 0.0 < expected.low < expected.high < 1.0
    across = matrices.across_pitch
    assert (across.value, across.low, across.high) == pytest.approx((expected.value, expected.low, expected.high))
    assert across.num_items == 18


def test_the_command_measures_a_run_and_writes_json(store_path: Path, run: Path, tmp_path: Path) -> None:
    asked = ["--items", "4", "--steps", "1,2", "--pairs", "bright,soft", "--per-pair", "1", "--references", "4"]
    given = ["evaluate_model", str(run), "--store", str(store_path), *asked, "--json", str(tmp_path / "figures.json")]
    result = CliRunner().invoke(group, given)
    assert result.exit_code == 0, result.output
    assert "same pitch, melody of the row in the timbre of the column" in result.output
    assert not re.search(r"\]\d", result.output)  # columns are apart
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert [row["num_steps"] for row in figures["report"]["rows"]] == [1, 2]
    assert np.shape(figures["transfer"]["pitch"]) == (2, 2)
    assert figures["iterations"] == 2
    assert figures["report"]["left_out"]


def test_a_run_that_trained_on_what_is_held_out_is_refused(store_path: Path, run: Path, tmp_path: Path) -> None:
    given = ["evaluate_model", str(tmp_path / "run"), "--store", str(store_path), "--items", "2", "--references", "2"]
    shutil.copytree(run, tmp_path / "run")
    note = tmp_path / "run" / "recordings.json"
    note.unlink(missing_ok=True)
    unknown = CliRunner().invoke(group, given)
    assert unknown.exit_code == 0, unknown.output
    assert "is taken on trust" in unknown.output
    with Store.open(store_path) as store:
        (first, *_) = [record for record in store.sources() if record.split == "validation"]
    note.write_text(json.dumps({"complete": True, "hashes": [first.audio.content_hash]}))
    refused = CliRunner().invoke(group, given)
    assert refused.exit_code == 2, refused.output
    assert f"trained {tmp_path / 'run'} ({first.source})" in refused.output


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["--steps", "1,x"], "is no list of numbers"),
        (["--pairs", "bright,harp"], "no held-out recordings of harp"),
        (["--pairs", "bright,bright"], "bright alone makes no pair"),
        (["--json", "/proc/nowhere/x.json"], "nowhere"),
    ],
)
def test_wrong_options_are_one_line(store_path: Path, run: Path, asked: list[str], said: str) -> None:
    given = ["evaluate_model", str(run), "--store", str(store_path), "--items", "2", *asked]
    result = CliRunner().invoke(group, given)
    assert result.exit_code == 2, result.output
    assert said in result.output
