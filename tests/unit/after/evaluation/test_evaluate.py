import json

import numpy as np
import pytest
from click.testing import CliRunner

from after.audio import write_audio
from after.cli.evaluate import command
from after.evaluation.performance import PerformanceSettings
from after.evaluation.picture import draw_render
from after.evaluation.report import build_report, summarise
from after.evaluation.trials import Phrase, Scorer, build_phrase, read_phrase, render_phrases, score_all
from after.midi import Note, write_midi

RATE = 44100
NOTES = tuple(Note(0.2 + 0.5 * i, 60 + step, 60 + 10 * i, 0.4) for i, step in enumerate((0, 4, 7, 5)))


class Organ:
    """Plays sums of sines, one timbre with a semitone too many."""

    sample_rate = RATE
    timbres = ("true", "sharp")

    def set_timbre(self, timbre):
        self.shift = int(timbre == "sharp")

    def render(self, notes, duration_s, *, seed=0):
        audio = np.zeros((1, round(duration_s * RATE)), dtype=np.float32)
        for note in notes:
            seconds = np.arange(round(note.duration_s * RATE)) / RATE
            hz = 440 * 2 ** ((note.pitch + self.shift - 69) / 12)
            envelope = np.minimum(1, seconds / 0.01) * np.minimum(1, seconds[::-1] / 0.03) * np.exp(-2 * seconds)
            start = round(note.onset_s * RATE)
            tone = sum(np.sin(2 * np.pi * hz * k * seconds) * k**-2.0 for k in range(1, 7))
            audio[0, start : start + seconds.size] += note.velocity / 400 * envelope * tone
        return audio


@pytest.fixture
def trials():
    scorer = Scorer(settings=PerformanceSettings(pitch_model="tiny"))
    return score_all(scorer, render_phrases(Organ(), [Phrase("tune", NOTES)], Organ.timbres))


def test_right_and_wrong_notes_are_told_apart(trials):
    right, wrong = trials
    assert right.performance.pitch.raw > 0.95
    assert right.performance.notes.f1 > 0.9
    assert right.performance.velocity_correlation > 0.9
    assert right.performance.rests_db == -120.0
    assert wrong.performance.pitch.raw < 0.05
    assert wrong.performance.notes.f1 < 0.1
    assert summarise(trials)["raw_pitch_accuracy"] == pytest.approx(0.5, abs=0.05)


def test_report_is_strict_json(trials):
    report = json.loads(json.dumps(build_report(trials, {"seed": 0}), allow_nan=False))
    assert report["summary"]["log_mel_distance"] is None
    assert [row["timbre"] for row in report["trials"]] == ["true", "sharp"]
    assert report["trials"][0]["timbre_ranks"] == []


def test_phrase_is_cut_and_has_no_drums(tmp_path):
    drum = Note(0.1, 36, 100, 0.1, midi_channel=9)
    write_midi(tmp_path / "song.mid", [*NOTES, drum])
    phrase = read_phrase(tmp_path / "song.mid", max_s=1.0)
    assert (phrase.name, [note.pitch for note in phrase.notes]) == ("song", [60, 64])
    assert phrase.duration_s == pytest.approx(1.0)
    assert len(build_phrase().notes) == 16


def test_command_scores_a_recording(tmp_path):
    organ = Organ()
    organ.set_timbre("true")
    audio = organ.render(NOTES, 3.5)
    write_midi(tmp_path / "song.mid", NOTES)
    write_audio(tmp_path / "real" / "true" / "song.wav", audio, RATE)
    write_audio(tmp_path / "real" / "noise" / "song.wav", np.random.default_rng(0).normal(0, 0.1, audio.shape), RATE)
    write_audio(tmp_path / "render.wav", audio, RATE)
    arguments = ["--audio", "render.wav", "--midi", "song.mid", "--timbre", "true", "--pitch-model", "tiny"]
    arguments += ["--reference-phrases", "real", "--json", "figures.json", "--save", "kept"]
    result = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "raw_pitch_accuracy: " in result.output
    summary = json.loads((tmp_path / "figures.json").read_text())["summary"]
    assert summary["timbre_accuracy"] == 1.0
    assert summary["pitch_fraction_of_reference"] == 1.0
    assert summary["log_mel_distance"] == 0.0
    assert (tmp_path / "kept" / "song_true.png").read_bytes()[:4] == b"\x89PNG"


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
        (["--audio", "a", "--audio", "b", "--audio", "c", "--midi", "a", "--midi", "b"], "one for each"),
    ],
)
def test_command_refuses_what_does_not_fit(arguments, message):
    result = CliRunner().invoke(command, arguments)
    assert message in str(result.exception)


@pytest.mark.parametrize("num_samples", [1, 8193])
def test_picture_of_little_and_of_silence(tmp_path, num_samples):
    draw_render(tmp_path / "p.png", np.zeros((1, num_samples), dtype=np.float32), RATE, [], "silence")
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"


def test_a_timbre_plays_what_its_reference_plays(tmp_path):
    write_midi(tmp_path / "low" / "tune.mid", [Note(0.0, 40, 90, 0.5)])
    player = Organ()
    recordings = render_phrases(player, [Phrase("tune", NOTES)], ("low", player.timbres[0]), reference_phrases=tmp_path)
    own, written = (recording.phrase.notes for recording in recordings)
    assert [note.pitch for note in own] == [40]
    assert written == NOTES
