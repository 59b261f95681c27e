import json

import numpy as np
import pytest
from click.testing import CliRunner

from after.audio import write_audio
from after.cli import group
from after.cli.evaluate import command
from after.evaluation.figures import compare_distributions, count_confusions, summarise
from after.evaluation.likeness import TimbreJudge, build_judge
from after.evaluation.performance import PerformanceSettings
from after.evaluation.phrases import Phrase
from after.evaluation.picture import draw_render
from after.evaluation.plan import plan_phrases, plan_recorded
from after.evaluation.real_recordings import RealRecordings, describe_recordings
from after.evaluation.report import Outcome, build_report
from after.evaluation.session import Request, evaluate
from after.evaluation.trials import Recording, Scorer, render_tasks, score_all
from after.midi import Note, write_midi
from tests.toy_orchestra import FALLOFFS, RATE, Orchestra, write_recordings

NOTES = tuple(Note(0.2 + 0.5 * i, 60 + step, 60 + 10 * i, 0.4) for i, step in enumerate((0, 4, 7, 5)))
TINY = PerformanceSettings(pitch_model="tiny")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_recordings(tmp_path_factory.mktemp("real"))


@pytest.fixture(scope="module")
def judged(folder):
    """Plan two phrases of each instrument, and a judge that has not heard them."""
    real = RealRecordings.find(folder)
    tasks = plan_recorded(real, list(FALLOFFS), per_timbre=2, max_s=8.0)
    played = {task.reference_path for task in tasks}
    described = describe_recordings(real, leave_out=played, per_instrument=24, max_s=8.0)
    return tasks, build_judge(described, real)


def score(judged, player, *, every=1):
    tasks, judge = judged
    return score_all(Scorer(settings=TINY, judge=judge), render_tasks(player, tasks[::every]))


def test_the_recorded_instruments_themselves_score_perfectly(judged):
    scored = score(judged, Orchestra())
    figures = summarise([s.trial for s in scored])
    for name in ("pitch_fraction_of_reference", "onset_f1_fraction_of_reference", "timbre_classifier_accuracy"):
        assert figures[name].value.value == pytest.approx(1.0)
    for name in ("log_mel_distance", "loudness_rmse_db", "loudness_offset_db", "timbre_distance_to_reference"):
        assert figures[name].value.value == pytest.approx(0.0, abs=0.05)  # recordings are stored in 16 bits
    for name in ("raw_pitch_accuracy", "onset_f1", "frame_f1", "timbre_relative_distance", "velocity_correlation"):
        assert figures[name].value.value == pytest.approx(figures[name].real.value, abs=1e-3)
    assert figures["raw_pitch_accuracy"].value.value > 0.95
    assert figures["onset_f1"].value.num_items == 6
    frechet = compare_distributions(scored, judged[1])
    assert frechet.value.value == pytest.approx(frechet.real.value, rel=0.02)
    confusion = count_confusions([s.trial for s in scored])
    np.testing.assert_array_equal(confusion.counts, 2 * np.eye(3))


def test_a_transposed_render_is_out_of_tune(judged):
    figures = summarise([s.trial for s in score(judged, Orchestra(shift=1), every=2)])
    assert figures["raw_pitch_accuracy"].value.value < 0.05
    assert figures["onset_f1"].value.value < 0.2
    assert figures["loudness_rmse_db"].value.value < 2.0


def test_one_timbre_for_all_is_recognised_at_chance_and_far_away(judged):
    scored = score(judged, Orchestra(only="dark"), every=2)
    figures = summarise([s.trial for s in scored])
    assert figures["timbre_classifier_accuracy"].value.value == pytest.approx(1 / 3)
    assert figures["timbre_accuracy"].value.value == pytest.approx(1 / 3, abs=0.34)
    assert figures["raw_pitch_accuracy"].value.value > 0.9
    assert figures["timbre_relative_distance"].value.value > 0.3
    frechet = compare_distributions(scored, judged[1])
    assert frechet.value.value > 1.3 * frechet.real.value


def test_silence_and_unknown_timbres_in_the_figures(judged):
    tasks, judge = judged
    phrase, audio = tasks[0].phrase, np.zeros((1, 2 * RATE), dtype=np.float32)
    organ = Orchestra()
    organ.set_timbre("dark")
    scorer = Scorer(settings=TINY, judge=judge)
    silent = scorer.score(Recording(phrase, "dark", audio, RATE)).trial
    unknown = scorer.score(Recording(phrase, "gong", organ.render(phrase.notes, 2.0), RATE)).trial
    assert summarise([silent])["timbre_classifier_accuracy"].value.value == 0.0
    assert "timbre_classifier_accuracy" not in summarise([unknown])
    assert count_confusions([silent, unknown]).heard == ("dark", "gong", "silence")


def test_report_is_strict_json():
    tasks = plan_phrases([Phrase("tune", NOTES)], ["bright"])
    trials = [s.trial for s in score_all(Scorer(settings=TINY, judge=TimbreJudge()), render_tasks(Orchestra(), tasks))]
    outcome = Outcome(settings={"seed": 0}, trials=trials, figures=summarise(trials))
    report = json.loads(json.dumps(build_report(outcome), allow_nan=False))
    assert "log_mel_distance" not in report["summary"]
    assert report["summary"]["raw_pitch_accuracy"]["value"] > 0.95
    assert report["summary"]["raw_pitch_accuracy"]["low"] is None  # one recording has no spread
    assert report["trials"][0]["real"] is None
    assert (report["confusion"], report["timbre_classifier"]) == (None, None)


def test_every_figure_is_the_same_again(folder):
    request = Request(
        audio=[folder / "dark" / "dark_0.flac"], midi=[folder / "dark" / "dark_0.mid"], timbres=["dark"],
        recordings=folder, pitch_model="tiny",
    )  # fmt: skip
    first, again = (json.dumps(build_report(evaluate(request))) for _ in range(2))
    assert first == again
    assert json.loads(first)["summary"]["log_mel_distance"]["value"] == 0.0


def test_command_scores_a_recording(tmp_path):
    organ = Orchestra()
    organ.set_timbre("bright")
    audio = organ.render(NOTES, 3.5)
    write_midi(tmp_path / "song.mid", NOTES)
    write_audio(tmp_path / "real" / "bright" / "song.wav", audio, RATE)
    write_audio(tmp_path / "real" / "noise" / "song.wav", np.random.default_rng(0).normal(0, 0.1, audio.shape), RATE)
    write_audio(tmp_path / "render.wav", audio, RATE)
    arguments = ["--audio", "render.wav", "--midi", "song.mid", "--timbre", "bright", "--pitch-model", "tiny"]
    arguments += ["--recordings", "real", "--json", "figures.json", "--save", "kept", "--html", "page.html"]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "raw_pitch_accuracy" in result.output
    summary = json.loads((tmp_path / "figures.json").read_text())["summary"]
    assert summary["timbre_accuracy"]["value"] == 1.0
    assert summary["pitch_fraction_of_reference"]["value"] == 1.0
    assert summary["log_mel_distance"]["value"] == 0.0
    assert (tmp_path / "kept" / "song_bright.png").read_bytes()[:4] == b"\x89PNG"
    assert "<audio" in (tmp_path / "page.html").read_text()


def test_command_makes_centroids(tmp_path):
    write_audio(tmp_path / "real" / "noise" / "a.wav", np.random.default_rng(0).normal(0, 0.1, (1, RATE)), RATE)
    result = CliRunner().invoke(command, ["--make-centroids", "real", "--out", "c.json"], catch_exceptions=False)
    assert "1 instruments from 1 recordings" in result.output
    assert (tmp_path / "c.json").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--audio", "a.wav"], "--audio needs --midi"),
        (["--make-centroids", "real"], "needs --out"),
        (["--out", "c.json"], "--make-centroids"),
        (["--pairs"], "--pairs needs --recordings"),
        (["--rename", "a=b"], "--rename needs --recordings"),
        (["--timbre", "cello", "--reference", "a", "--reference", "b"], "2 references for 1 recordings"),
        (["--pairs", "--recordings", "real", "--audio", "a", "--midi", "m"], "leave --audio away"),
        (["--recordings", "nowhere"], "nowhere is not a folder"),
        (["--recordings", "real", "--rename", "x=y"], "no sub-folder x"),
        (["--recordings", "real"], "name the sub-folders after the timbres"),
        (["--recordings", "real", "--rename", "noise=cello"], "no MIDI beside the recordings of cello"),
        (["--recordings", "real", "--timbre", "cello"], "no recordings of 'cello'"),
        (["--timbre", "celo"], "no timbre 'celo'; did you mean cello?"),
        (["--instrument", "none.ts"], "there is no instrument at none.ts"),
        (["--midi", "none.mid"], "none.mid is not a file"),
        (["--json", "real"], "real"),
        (["--audio", "a", "--audio", "b", "--audio", "c", "--midi", "m.mid", "--midi", "m.mid"], "one for each"),
        (
            ["--audio", "a.wav", "--midi", "m.mid", "--reference", "b", "--reference", "c"],
            "2 references for 1 recordings",
        ),
    ],
)
def test_command_refuses_what_does_not_fit(tmp_path, arguments, message):
    write_audio(tmp_path / "real" / "noise" / "a.wav", np.random.default_rng(0).normal(0, 0.1, (1, RATE)), RATE)
    write_midi(tmp_path / "m.mid", NOTES)
    result = CliRunner().invoke(group, ["evaluate", *arguments])
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize("num_samples", [1, 8193])
def test_picture_of_little_and_of_silence(tmp_path, num_samples):
    draw_render(tmp_path / "p.png", np.zeros((1, num_samples), dtype=np.float32), RATE, [], "silence")
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"
