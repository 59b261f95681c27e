"""What is counted of features, against signals and lists with known answers."""

from dataclasses import astuple

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import maximum_bipartite_matching

from after.data.extract.loudness import LoudnessSettings
from after.data.extract.pitch import PitchSettings
from after.data.extract.transcription import TranscriptionSettings
from after.evaluation import features_notes, features_pitch
from after.evaluation.features_loudness import analog_poles_hz, compare_loudness, filter_loudness, weighting_filter
from after.evaluation.features_notes import NoteCounts, count_notes, hear_notes
from after.evaluation.features_pitch import PitchCounts, count_frames_in_tune
from after.evaluation.features_recordings import as_stored
from after.features.loudness import FLOOR_DB, a_weighting
from after.midi import Note
from tests.signals import noise, sine
from tests.unit.after.evaluation.melody import MELODY, RATE, play

CHUNK = 32 * 1024


def heard(notes: list[Note]) -> NDArray[np.float64]:
    return np.array([(note.onset_s, note.duration_s, note.pitch, note.velocity) for note in notes]).reshape(-1, 4)


def random_notes(seed: int) -> list[Note]:
    rng = np.random.default_rng(seed)
    return [Note(rng.uniform(0, 3), int(rng.integers(60, 64)), 90, rng.uniform(0.1, 0.5)) for _ in range(60)]


def test_pairs_are_those_of_another_matching() -> None:
    played, other = random_notes(0), random_notes(1)
    counts = count_notes(played, heard(other))
    fits = [[abs(a.onset_s - b.onset_s) <= 0.05 and a.pitch == b.pitch for b in other] for a in played]
    assert counts.onset_pairs == (maximum_bipartite_matching(csr_matrix(np.array(fits))) >= 0).sum()
    assert 2 < counts.offset_pairs < counts.onset_pairs < 30


@pytest.mark.parametrize(("late_s", "onsets", "offsets"), [(0.0, 8, 8), (0.049, 8, 8), (0.06, 0, 0)])
def test_onsets_may_be_50_ms_late(late_s: float, onsets: int, offsets: int) -> None:
    late = [Note(note.onset_s + late_s, note.pitch, 90, note.duration_s) for note in MELODY]
    assert count_notes(MELODY, heard(late)) == NoteCounts(8, 8, onsets, offsets)
    assert count_notes(MELODY, heard(late), tolerance_s=0.07).onset_pairs == 8


@pytest.mark.parametrize(("longer_s", "offsets"), [(0.07, 8), (-0.07, 8), (0.09, 0), (-0.09, 0)])
def test_offsets_may_be_off_by_a_fifth(longer_s: float, offsets: int) -> None:
    longer = [Note(note.onset_s, note.pitch, 90, note.duration_s + longer_s) for note in MELODY]
    assert count_notes(MELODY, heard(longer)) == NoteCounts(8, 8, 8, offsets)


def test_scores_of_notes() -> None:
    score = features_notes.score(6, NoteCounts(played=8, heard=12))
    assert (score.precision, score.recall, score.f1) == (0.5, 0.75, pytest.approx(0.6))
    nothing = features_notes.score(0, count_notes(MELODY, heard([])))
    assert (nothing.recall, nothing.f1) == (0.0, 0.0)
    assert np.isnan(nothing.precision)


def test_notes_are_heard_once_each_across_chunks() -> None:
    audio = play(MELODY)
    extractor = TranscriptionSettings().build()
    in_chunks, whole = (hear_notes(extractor, as_stored(audio, RATE, size)) for size in (CHUNK, audio.size))
    np.testing.assert_allclose(in_chunks, whole, atol=1e-5)
    counts = count_notes(MELODY, in_chunks)
    assert (counts.heard, counts.onset_pairs) == (8, 8)
    assert counts.offset_pairs >= 7
    up = [Note(note.onset_s, note.pitch + 1, 90, note.duration_s) for note in MELODY]
    assert count_notes(up, in_chunks) == NoteCounts(8, 8, 0, 0)


@pytest.mark.parametrize(("semitones", "raw", "chroma"), [(0, 1.0, 1.0), (1, 0.0, 0.0), (-12, 0.0, 1.0)])
def test_pitch_of_known_notes(semitones: int, raw: float, chroma: float) -> None:
    settings = PitchSettings()
    moved = [Note(note.onset_s, note.pitch + semitones, 90, note.duration_s) for note in MELODY]
    audio = as_stored(play(MELODY), RATE, CHUNK)
    counts = count_frames_in_tune(settings.build(), settings, audio, moved)
    score = features_pitch.score(counts)
    assert (score.raw, score.chroma, score.voicing_recall) == (raw, chroma, 1.0)
    assert counts.alone == pytest.approx(8 * (0.4 - 0.1) * RATE / 1024, abs=8)
    assert score.false_alarm < 0.1


def test_sound_where_no_note_is_played_is_a_false_alarm() -> None:
    settings = PitchSettings()
    tone = as_stored(sine(440.0, 1.0)[0], RATE, CHUNK)
    counts = count_frames_in_tune(settings.build(), settings, tone, [Note(0.0, 69, 90, 0.5), Note(0.0, 76, 90, 0.2)])
    assert counts.alone == counts.in_tune == counts.in_chroma == counts.voiced
    assert counts.alone == pytest.approx(0.2 * RATE / 1024, abs=1)
    assert counts.rest == counts.voiced_rest == pytest.approx(0.45 * RATE / 1024, abs=1)


def test_no_frames_have_no_shares() -> None:
    assert np.isnan(astuple(features_pitch.score(PitchCounts()))).all()


def test_poles_are_those_of_the_standard() -> None:
    np.testing.assert_allclose(analog_poles_hz(), (20.60, 107.7, 737.9, 12194), rtol=5e-4)


@pytest.mark.parametrize("frequency_hz", [31.6, 100.0, 1000.0, 3162.3, 6309.6, 10000.0])
def test_a_filtered_sine_reads_its_level_plus_the_weighting(frequency_hz: float) -> None:
    levels = filter_loudness(as_stored(sine(frequency_hz, 1.0)[0], RATE, CHUNK), LoudnessSettings())
    expected_db = 20 * np.log10(0.5 / np.sqrt(2) * a_weighting(frequency_hz))
    assert levels.shape == (44,)
    assert np.median(levels[20:-2]) == pytest.approx(expected_db, abs=0.1)


def test_loudness_of_noise_is_that_of_the_filter() -> None:
    settings = LoudnessSettings()
    differences = compare_loudness(settings.build(), settings, as_stored(noise(2.0)[0], RATE, CHUNK))
    assert differences.size == 87
    assert 0.05 < differences.mean() < 0.12  # white noise is where the bilinear transform shows most
    silent = as_stored(np.zeros(5000, dtype=np.float32), RATE, CHUNK)
    assert compare_loudness(settings.build(), settings, silent).size == 0
    np.testing.assert_array_equal(filter_loudness(silent, settings), np.full(5, FLOOR_DB))


def test_a_wrong_weighting_would_be_seen() -> None:
    settings, tone = LoudnessSettings(), as_stored(sine(100.0, 1.0)[0], RATE, CHUNK)
    unweighted_db = 20 * np.log10(0.5 / np.sqrt(2))
    assert np.abs(filter_loudness(tone, settings) - unweighted_db)[3:-3].min() > 15


def test_blocks_of_frames_fit_together() -> None:
    settings = LoudnessSettings(hop_length=16, window_length=64)
    audio = noise(1.0)[0]
    levels = filter_loudness(as_stored(audio, RATE, CHUNK), settings)  # two blocks
    last = filter_loudness(as_stored(audio[16 * 512 :], RATE, CHUNK), settings)  # cut elsewhere
    assert levels.size == 2757
    np.testing.assert_allclose(levels[512 + 1500 :], last[1500:], atol=1e-3)


def test_filters_of_other_rates_agree() -> None:
    assert weighting_filter(4 * 44100).shape == (3, 6)
    levels = [filter_loudness(as_stored(sine(5000.0, 0.5, rate)[0], rate, CHUNK), LoudnessSettings())[10]
              for rate in (44100, 48000)]  # fmt: skip
    assert levels[0] == pytest.approx(levels[1], abs=0.02)
