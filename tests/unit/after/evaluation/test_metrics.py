import numpy as np
import pytest

from after.errors import AudioError
from after.evaluation.dynamics import correlate_velocity, find_rests, measure_rests_db
from after.evaluation.loudness_error import LoudnessError, measure_loudness_error
from after.evaluation.note_scores import score_notes
from after.evaluation.performance import PerformanceSettings, fraction_of, measure_performance
from after.evaluation.pitch_accuracy import find_lone_pitches, measure_pitch_accuracy
from after.midi import Note

RATE = 44100


def note(onset_s, pitch=60, duration_s=0.5, velocity=100):
    return Note(onset_s, pitch, velocity, duration_s)


def test_lone_pitches_away_from_edges():
    times_s = np.arange(0.05, 2.0, 0.1)
    notes = [note(0.0, 60, 1.0), note(0.5, 64, 1.0), note(0.5, 64, 1.0)]
    lone = find_lone_pitches(notes, times_s, edge_s=0.06)
    expected = {0.15: 60, 0.25: 60, 0.35: 60, 1.15: 64, 1.25: 64, 1.35: 64}
    for time_s, pitch in zip(times_s, lone, strict=True):
        want = expected.get(round(float(time_s), 2))
        assert np.isnan(pitch) if want is None else pitch == want


def test_lone_pitches_of_nothing():
    assert np.isnan(find_lone_pitches([], np.arange(3.0))).all()


def test_pitch_accuracy_by_hand():
    target = [60, 60, 60, 60, 60, np.nan]
    pitch = [60.5, 60.51, 71.9, np.nan, 60.0, 0.0]
    is_voiced = [True, True, True, True, False, True]
    accuracy = measure_pitch_accuracy(pitch, is_voiced, target)
    assert (accuracy.raw, accuracy.chroma, accuracy.overall) == (0.25, 0.5, 0.4)
    assert (accuracy.voiced, accuracy.num_frames) == (0.8, 5)


def test_pitch_accuracy_without_frames_or_voice():
    assert np.isnan(measure_pitch_accuracy([60], [True], [np.nan]).raw)
    assert measure_pitch_accuracy([60], [False], [60]).raw == 0.0


def test_note_scores_by_hand():
    asked = [note(0.0), note(1.0), note(2.0, 64), note(3.0)]
    heard = [note(0.05), note(1.051), note(2.0, 76), note(3.0, duration_s=0.7), note(4.0)]
    score = score_notes(asked, heard)
    assert (score.precision, score.recall) == (0.4, 0.5)
    assert score.f1 == pytest.approx(2 * 0.4 * 0.5 / 0.9)
    assert score.offset_f1 == pytest.approx(2 * 0.2 * 0.25 / 0.45)  # the note at 3 s rings 0.2 s too long
    assert (score.num_asked, score.num_heard) == (4, 5)


def test_frames_are_scored_by_the_pitches_that_sound():
    chord = [note(0.0, 60, 1.0), note(0.0, 64, 1.0)]
    assert score_notes(chord, chord).frame_f1 == 1.0
    assert score_notes(chord, chord[:1]).frame_f1 == pytest.approx(2 / 3)  # all it hears is right, half is missed
    assert score_notes(chord, [note(0.0, 60, 0.5)]).frame_f1 == pytest.approx(2 * 0.25 / 1.25, abs=0.01)
    assert score_notes(chord, [note(0.0, 61, 1.0)]).frame_f1 == 0.0


def test_a_transcription_of_itself_is_perfect_and_a_transposed_one_worthless():
    notes = [note(0.3 * index, 48 + index, 0.25) for index in range(24)]
    score = score_notes(notes, notes)
    assert (score.f1, score.offset_f1, score.frame_f1) == (1.0, 1.0, 1.0)
    shifted = score_notes(notes, [note(n.onset_s, n.pitch + 1, n.duration_s) for n in notes])
    assert (shifted.f1, shifted.offset_f1, shifted.frame_f1) == (0.0, 0.0, 0.0)


def test_notes_are_matched_once_and_as_many_as_possible():
    """Taking the nearest first would pair 0.04 with 0.05 and leave 0.0 and 0.09 alone."""
    assert score_notes([note(0.0), note(0.05)], [note(0.04), note(0.09)]).f1 == 1.0
    assert score_notes([note(0.0)], [note(0.0), note(0.01)]).precision == 0.5


def test_note_scores_of_empty_lists():
    assert np.isnan(score_notes([], [note(0.0)]).f1)
    assert score_notes([note(0.0)], []).f1 == 0.0


def beeps(levels, spacing_s=0.5):
    audio = np.zeros(round((len(levels) * spacing_s + 2) * RATE))
    seconds = np.arange(round(0.3 * RATE)) / RATE
    for index, level in enumerate(levels):
        start = round(index * spacing_s * RATE)
        audio[start : start + seconds.size] = level * np.sin(2 * np.pi * 500 * seconds)
    return audio


def test_velocity_correlation_follows_the_order():
    notes = [note(0.5 * index, velocity=v, duration_s=0.3) for index, v in enumerate((20, 60, 100, 127))]
    assert correlate_velocity(beeps([0.1, 0.2, 0.3, 0.4]), RATE, notes) == pytest.approx(1.0)
    assert correlate_velocity(beeps([0.4, 0.3, 0.2, 0.1]), RATE, notes) == pytest.approx(-1.0)
    assert correlate_velocity(beeps([0.1, 0.3, 0.2, 0.4]), RATE, notes) == pytest.approx(0.8)


def test_velocity_correlation_is_unknown_without_contrast():
    assert np.isnan(correlate_velocity(beeps([0.1, 0.2, 0.3]), RATE, [note(0.0), note(0.5), note(1.0)]))
    assert np.isnan(correlate_velocity(np.zeros(RATE), RATE, []))
    chord = [note(0.0, 60, velocity=1), note(0.01, 64, velocity=2), note(0.5, velocity=3)]
    assert np.isnan(correlate_velocity(beeps([0.1, 0.2]), RATE, chord))


def test_rests():
    times_s = np.array([0.0, 0.96, 1.2, 2.4, 2.6])
    np.testing.assert_array_equal(find_rests([note(1.0)], times_s), [True, False, False, False, True])
    notes = [note(0.0, duration_s=0.3)]
    assert measure_rests_db(beeps([0.5]), RATE, notes) == -120.0
    assert measure_rests_db(beeps([0.5, 0, 0, 0.5]), RATE, notes) == pytest.approx(-9.03, abs=0.05)
    assert np.isnan(measure_rests_db(beeps([0.5]), RATE, [note(0.0, duration_s=60.0)]))


def test_performance_of_silence_and_of_nan():
    settings = PerformanceSettings(pitch_model="tiny")
    performance = measure_performance(np.zeros((1, RATE)), RATE, [note(0.1)], settings)
    assert performance.pitch.raw == 0.0
    assert performance.notes is not None
    assert performance.notes.f1 == 0.0
    assert (performance.level_db, performance.peak) == (-120.0, 0.0)
    with pytest.raises(AudioError, match="not finite"):
        measure_performance(np.full(RATE, np.nan), RATE, [note(0.1)], settings)


def test_fraction_of_a_reference():
    assert fraction_of(0.45, 0.9) == 0.5
    assert np.isnan(fraction_of(0.5, 0.0))
    assert np.isnan(fraction_of(0.5, float("nan")))


def test_loudness_error_of_itself_and_of_a_quieter_one():
    tone = beeps([0.3, 0.5])
    assert measure_loudness_error(tone, tone, RATE) == LoudnessError(0.0, 0.0)
    error = measure_loudness_error(0.5 * tone, tone, RATE)
    assert error.offset_db == pytest.approx(-6.02, abs=0.01)
    assert error.rmse_db == pytest.approx(6.02, abs=0.05)
    assert np.isnan(measure_loudness_error(tone, 1e-4 * tone, RATE).rmse_db)


def test_loudness_error_of_silence_is_bounded():
    error = measure_loudness_error(np.zeros(RATE), beeps([0.5]), RATE)
    assert -70.0 < error.offset_db < -55.0
