import subprocess
import sys

import numpy as np
import pytest

from after.errors import AudioError
from after.features.note_search import FoundNote, NoteSearch, find_notes
from after.features.transcription import transcribe

RATE = 44100
MELODY = [60, 64, 67, 72, 65, 62, 62, 69]


def play(pitches, spacing_s=0.5, duration_s=0.4):
    audio = np.zeros(round((len(pitches) * spacing_s + 0.5) * RATE))
    seconds = np.arange(round(duration_s * RATE)) / RATE
    envelope = np.minimum(1, seconds / 0.01) * np.minimum(1, (duration_s - seconds) / 0.03) * np.exp(-2 * seconds)
    for i, pitch in enumerate(pitches):
        hz = 440 * 2 ** ((pitch - 69) / 12)
        start = round((0.25 + i * spacing_s) * RATE)
        tone = sum(np.sin(2 * np.pi * hz * k * seconds) * k**-2.0 for k in range(1, 7))
        audio[start : start + seconds.size] += 0.3 * envelope * tone
    return audio


def test_melody_is_written_down():
    notes = transcribe(play(MELODY), RATE)
    heard = {(round(2 * (note.onset_s - 0.25)), note.pitch) for note in notes if note.duration_s > 0.2}
    asked = set(enumerate(MELODY))
    assert 2 * len(heard & asked) / (len(heard) + len(asked)) > 0.9
    onset_errors = [
        note.onset_s - 0.25 - round(2 * (note.onset_s - 0.25)) / 2
        for note in notes
        if (round(2 * (note.onset_s - 0.25)), note.pitch) in asked
    ]
    assert abs(np.mean(onset_errors)) < 0.012


def test_silence_has_no_notes():
    assert transcribe(np.zeros((2, 3000)), RATE) == ()
    assert transcribe(np.zeros(1), RATE) == ()


def test_nan_is_refused():
    with pytest.raises(AudioError):
        transcribe([np.nan], RATE)


def test_no_other_runtime_is_loaded():
    program = (
        "import sys, numpy; from after.features.transcription import transcribe; transcribe(numpy.zeros(9), 44100);"
        "print([name for name in ('tensorflow', 'coremltools', 'basic_pitch', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def activations(length=60):
    return np.zeros((length, 4), dtype=np.float32), np.zeros((length, 4), dtype=np.float32)


def test_search_follows_an_onset_and_claims_its_neighbours():
    onsets, frames = activations()
    onsets[10, 1] = 0.9
    frames[10:40, 1] = 0.8
    frames[12:38, 2] = 0.6  # leaked from the note beside it
    assert find_notes(onsets, frames, NoteSearch(infer_onsets=False)) == [FoundNote(10, 40, 1, pytest.approx(0.8))]


def test_search_splits_a_repeated_note_and_drops_a_short_one():
    onsets, frames = activations()
    onsets[10, 1] = onsets[30, 1] = onsets[10, 3] = 0.9
    frames[10:50, 1] = 0.8
    frames[10:15, 3] = 0.8
    search = NoteSearch(infer_onsets=False, fill_gaps=False)
    found = sorted(find_notes(onsets, frames, search), key=lambda note: note.first_frame)
    assert [(note.first_frame, note.end_frame, note.row) for note in found] == [(10, 30, 1), (30, 50, 1)]


def test_search_bridges_short_dropouts_only():
    onsets, frames = activations(100)
    onsets[10, 0] = 0.9
    frames[10:90, 0] = 0.8
    frames[30:40, 0] = 0.0  # 10 frames: bridged
    frames[60:75, 0] = 0.0  # 15 frames: the end
    found = find_notes(onsets, frames, NoteSearch(infer_onsets=False, fill_gaps=False))
    assert [(note.first_frame, note.end_frame) for note in found] == [(10, 60)]


def test_search_fills_gaps_without_onsets():
    onsets, frames = activations()
    frames[20:40, 2] = 0.7
    assert find_notes(onsets, frames, NoteSearch(fill_gaps=False, infer_onsets=False)) == []
    found = find_notes(onsets, frames, NoteSearch(infer_onsets=False))
    assert [(note.first_frame, note.end_frame, note.row) for note in found] == [(20, 39, 2)]
