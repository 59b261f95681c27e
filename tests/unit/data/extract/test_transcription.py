"""Transcribed notes: in time, each in every chunk where it sounds, and the same however the recording is worked on."""

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from after.audio import resample
from after.data.extract.activation_file import ActivationFile
from after.data.extract.transcription import TranscriptionSettings, find_in_pieces
from after.data.prepare.notes import notes_in_span
from after.errors import ConfigError
from after.features.note_search import NoteSearch, find_notes
from after.features.transcription import NoteActivations, activate_notes, activate_stream, transcribe
from tests.unit.data.extract.recordings import RATE, as_stored, chunks_of

HOP = 1024
CHUNK = 32 * HOP


def play(notes: list[tuple[float, float, int]], duration_s: float, rate: int = RATE) -> NDArray[np.float64]:
    """Play (onset_s, duration_s, pitch) with struck tones."""
    audio = np.zeros(round(duration_s * rate))
    for onset_s, length_s, pitch in notes:
        seconds = np.arange(round(length_s * rate)) / rate
        envelope = np.minimum(1, seconds / 0.01) * np.minimum(1, (length_s - seconds) / 0.03) * np.exp(-1.5 * seconds)
        hz = 440.0 * 2.0 ** ((pitch - 69) / 12)
        start = round(onset_s * rate)
        tone = 0.15 * envelope * sum(np.sin(2 * np.pi * hz * k * seconds) / k**2 for k in range(1, 7))
        audio[start : start + seconds.size] += tone[: audio.size - start]
    return audio


def polyphony(duration_s: float, seed: int = 0) -> NDArray[np.float64]:
    """Play chords, lines and notes that are held for long, with no rest between."""
    rng = np.random.default_rng(seed)
    notes = []
    for onset_s in np.arange(0.2, duration_s - 0.5, 0.23):
        length_s = min(float(rng.choice([0.2, 0.5, 1.5, 4.0])), duration_s - onset_s)
        notes.append((float(onset_s), length_s, int(rng.integers(40, 85))))
    return play(notes, duration_s) + rng.normal(0, 1e-3, round(duration_s * RATE))


@pytest.fixture(scope="module")
def long_piece() -> NoteActivations:
    return activate_notes(as_stored(polyphony(42.0)), RATE)


def in_file(activations: NoteActivations, step: int = 141) -> ActivationFile:
    file = ActivationFile()
    for start in range(0, len(activations.frames), step):
        span = slice(start, start + step)
        file.append(NoteActivations(activations.onsets[span], activations.frames[span]))
    return file


@pytest.mark.parametrize("lengths", [[5_000], [36_096], [1, 100_000, 7], [300_000]])
@pytest.mark.parametrize("size", [1, 255, 256, 39_000, 40_004, 40_005, 76_100, 161_000])
def test_a_stream_activates_like_the_whole(size: int, lengths: list[int]) -> None:
    audio = resample(polyphony(8.0), RATE, 22_050)[-size:]
    cuts = np.cumsum(lengths * 40)
    parts = list(activate_stream(np.split(audio, cuts[cuts < size])))
    whole = activate_notes(audio, 22_050)
    assert len(whole.frames) == size // 256 + 1
    np.testing.assert_allclose(np.concatenate([part.onsets for part in parts]), whole.onsets, atol=1e-5)
    np.testing.assert_allclose(np.concatenate([part.frames for part in parts]), whole.frames, atol=1e-5)


@pytest.mark.parametrize(("piece_s", "margin_s"), [(5.0, 3.0), (2.0, 4.0), (20.0, 1.0), (0.5, 8.0)])
def test_pieces_hold_the_notes_of_the_whole(long_piece: NoteActivations, piece_s: float, margin_s: float) -> None:
    search = NoteSearch()
    whole = sorted(find_notes(long_piece.onsets, long_piece.frames, search), key=str)
    assert len(whole) > 100
    with in_file(long_piece) as file:
        found = find_in_pieces(file, search, piece_frames=round(86 * piece_s), margin_frames=round(86 * margin_s))
        assert sorted(found, key=str) == whole


def test_the_scale_of_rises_is_that_of_the_whole(long_piece: NoteActivations) -> None:
    """A quiet beginning alone would scale its rises up."""
    onsets, frames = long_piece.onsets.copy(), long_piece.frames.copy()
    onsets[:1500] *= 0.5
    frames[:1500] *= 0.5
    whole = sorted(find_notes(onsets, frames, NoteSearch()), key=str)
    with in_file(NoteActivations(onsets, frames), 97) as file:
        found = list(find_in_pieces(file, NoteSearch(), piece_frames=700, margin_frames=300))
    assert sorted(found, key=str) == whole


def test_a_note_of_minutes_is_one_note() -> None:
    onsets, frames = np.zeros((20_000, 88), np.float32), np.zeros((20_000, 88), np.float32)
    onsets[500, 30] = 0.9
    frames[500:15_000, 30] = 0.8
    frames[2_000:14_000, 50] = 0.6  # without an onset
    onsets[9_000::200, 70] = 0.7
    frames[9_000:12_000, 70] = 0.7
    whole = sorted(find_notes(onsets, frames, NoteSearch()), key=str)
    assert len(whole) == 17
    with in_file(NoteActivations(onsets, frames)) as file:
        found = list(find_in_pieces(file, NoteSearch(), piece_frames=1_000, margin_frames=1_000))
    assert sorted(found, key=str) == whole


@pytest.mark.parametrize("rate", [44_100, 22_050, 48_000])
@pytest.mark.parametrize("frames", [8, 32, 1000])
def test_chunks_hold_what_sounds_in_them(rate: int, frames: int) -> None:
    audio = play([(0.3 + 0.37 * index, 0.9, 50 + 5 * index) for index in range(6)], 3.2, rate)
    chunk = frames * HOP
    chunks = chunks_of(TranscriptionSettings(), audio, chunk, sample_rate=rate)
    expected = np.array(
        [(note.onset_s, note.duration_s, note.pitch, note.velocity) for note in transcribe(as_stored(audio), rate)]
    )
    assert len(expected) >= 6
    for index, notes in enumerate(chunks):
        stop = min((index + 1) * chunk, audio.size)
        assert notes.dtype == np.float32
        np.testing.assert_array_equal(notes, notes_in_span(expected, index * chunk / rate, stop / rate))


def test_notes_stand_where_they_were_played() -> None:
    """Onsets within a frame of the store, also beside the borders of chunks."""
    places = [CHUNK - 200, 2 * CHUNK + 100, 3 * CHUNK - HOP, 4 * CHUNK + HOP]
    pitches = [60, 67, 72, 64]
    audio = play([(at / RATE, 0.5, pitch) for at, pitch in zip(places, pitches, strict=True)], 5 * CHUNK / RATE + 0.5)
    chunks = chunks_of(TranscriptionSettings(), audio, CHUNK)
    starts = {
        int(pitch): index * CHUNK + onset_s * RATE
        for index, notes in enumerate(chunks)
        for onset_s, _, pitch, _ in notes
        if onset_s >= 0
    }
    for at, pitch in zip(places, pitches, strict=True):
        assert abs(starts[pitch] - at) <= HOP


def test_notes_are_counted_once_where_they_begin() -> None:
    audio = play([(0.3 + 0.4 * index, 0.7, 55 + 2 * (index % 4)) for index in range(12)], 6.0)
    extractor = TranscriptionSettings().build()
    tally: Counter[int] = Counter()
    for notes in chunks_of(TranscriptionSettings(), audio, 8 * HOP):
        tally.update(extractor.count({"transcribed_notes": notes}, 8 * HOP)["transcribed_pitch"])
    assert tally == Counter(note.pitch for note in transcribe(as_stored(audio), RATE))


def test_silence_has_no_notes() -> None:
    (notes,) = chunks_of(TranscriptionSettings(), np.zeros(3000), CHUNK)
    assert notes.shape == (0, 4)
    assert notes.dtype == np.float32


def test_thresholds_are_those_of_the_search() -> None:
    assert TranscriptionSettings().search == NoteSearch()
    audio = play([(0.3, 0.15, 60), (0.8, 0.6, 67)], 2.0)
    long = np.concatenate(chunks_of(TranscriptionSettings(min_note_ms=400), audio, 1000 * HOP))
    assert set(long[:, 2]) == {67}
    assert TranscriptionSettings().to_manifest() == {
        "network": "basic_pitch icassp_2022",
        "onset_threshold": 0.5,
        "frame_threshold": 0.3,
        "min_note_ms": 128.0,
    }
    with pytest.raises(ConfigError, match="onset_threshold is 1"):
        TranscriptionSettings(onset_threshold=1.0)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_recording() -> None:
    program = """
import resource, sys
import numpy as np
from after.data.extract.stored_audio import StoredAudio
from after.data.extract.transcription import TranscriptionSettings
chunk, seconds = 1 << 18, int(sys.argv[1])
def read_chunk(index, start, stop):
    time = (index * chunk + np.arange(start, stop)) / 44100
    pitch = 220 * 2 ** (np.floor(3 * time) * 7 % 24 / 12)
    return (9000 * np.exp(-4 * (3 * time % 1)) * np.sin(2 * np.pi * pitch * time)).astype(np.int16)
audio = StoredAudio(44100, seconds * 44100, chunk, -(-seconds * 44100 // chunk), read_chunk)
print(sum(len(arrays["transcribed_notes"]) for arrays in TranscriptionSettings().build().extract(audio)),
      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""
    short, long = (
        [float(part) for part in subprocess.check_output([sys.executable, "-c", program, str(seconds)]).split()]
        for seconds in (300, 1800)
    )
    assert long[0] > 5.5 * short[0] > 0
    assert long[1] < short[1] + 60  # MB
    assert long[1] < 800
