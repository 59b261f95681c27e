import json

import numpy as np
import pytest
from click.testing import CliRunner

from after.cli import group
from after.evaluation.likeness import build_judge
from after.evaluation.performance import PerformanceSettings
from after.evaluation.phrases import Phrase
from after.evaluation.real_recordings import RealRecordings, describe_recordings
from after.evaluation.report import matrix_rows
from after.evaluation.transfer import Pair, Transfer, measure_transfer
from after.midi import Note
from tests.tiny_instrument import make_tiny_instrument
from tests.toy_orchestra import FALLOFFS, Orchestra, phrase_notes, write_recordings


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    real = RealRecordings.find(write_recordings(tmp_path_factory.mktemp("real")))
    return build_judge(describe_recordings(real, leave_out=(), per_instrument=24, max_s=8.0), real)


def transfer_with(player, judge):
    melodies = {name: [Phrase(f"p{index}", phrase_notes(50 + index))] for index, name in enumerate(FALLOFFS)}
    settings = PerformanceSettings(pitch_model="tiny")
    return measure_transfer(player, melodies, dict.fromkeys(FALLOFFS, (60, 71)), judge, settings=settings)


def test_a_true_instrument_plays_every_melody_in_every_timbre(judge):
    transfer = transfer_with(Orchestra(), judge)
    assert (transfer.pitch_matrix() > 0.9).all()
    np.testing.assert_array_equal(transfer.timbre_matrix(), np.ones((3, 3)))
    summary = transfer.summarise()
    assert summary["transfer_timbre_accuracy"].value == 1.0
    assert (summary["transfer_pitch_accuracy"].num_items, summary["own_melody_pitch_accuracy"].num_items) == (6, 3)


def test_one_timbre_for_all_fills_one_column(judge):
    transfer = transfer_with(Orchestra(only="mellow", shift=2), judge)
    np.testing.assert_array_equal(transfer.timbre_matrix(), np.tile([0.0, 1.0, 0.0], (3, 1)))
    assert (transfer.pitch_matrix() < 0.05).all()


def test_melodies_are_moved_into_range(judge):
    notes = tuple(Note(0.4 * i, 36 + i, 80, 0.3) for i in range(3))
    settings = PerformanceSettings(pitch_model="tiny")
    transfer = measure_transfer(
        Orchestra(), {"dark": [Phrase("low", notes)]}, {"dark": (60, 71)}, judge, settings=settings
    )
    assert transfer.pairs[0].octaves == 2
    assert transfer.pairs[0].pitch_accuracy > 0.9


def test_matrices_average_phrases_and_keep_gaps():
    pairs = [Pair("a", "b", "x", 0, 1.0, "b"), Pair("a", "b", "y", 0, 0.5, "a"), Pair("b", "a", "z", 0, np.nan, "")]
    transfer = Transfer(("a", "b"), tuple(pairs))
    np.testing.assert_array_equal(transfer.pitch_matrix(), [[np.nan, 0.75], [np.nan, np.nan]])
    np.testing.assert_array_equal(transfer.timbre_matrix(), [[np.nan, 0.5], [0.0, np.nan]])
    assert matrix_rows(transfer, of_timbre=False) == (("melody", "a", "b"), [("a", "-", "75"), ("b", "-", "-")])


def test_command_measures_an_instrument_and_its_pairs(tmp_path):
    write_recordings(tmp_path / "real", num=5, names=("bright", "dark"))
    make_tiny_instrument().write("tiny.safetensors")
    arguments = ["--instrument", "tiny.safetensors", "--recordings", "real", "--pairs", "--per-timbre", "1"]
    arguments += ["--pitch-model", "tiny", "--max-seconds", "1", "--steps", "1", "--json", "f.json", "--html", "f.html"]
    result = CliRunner().invoke(group, ["evaluate", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    report = json.loads((tmp_path / "f.json").read_text())
    assert [trial["timbre"] for trial in report["trials"]] == ["bright", "dark"]
    assert report["timbre_classifier"]["num_recordings"] == 8
    assert report["timbre_classifier"]["cross_validated_accuracy"]["value"] == 1.0
    assert np.shape(report["transfer"]["timbre_accuracy"]) == (2, 2)
    assert report["transfer"]["summary"]["transfer_pitch_accuracy"]["num_items"] <= 2
    assert "timbre recognised, %" in result.output
    assert "Melodies of one" in (tmp_path / "f.html").read_text()
