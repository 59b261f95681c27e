"""Phrases: excerpts of MIDI pieces, or exercises, arranged for what an instrument can play."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from after.data.synthesis.exercises import Rng, draw_exercise
from after.data.synthesis.library import DURATION, ONSET, PITCH, VELOCITY, MidiLibrary, NoteArray, Piece, sort_notes
from after.data.synthesis.settings import PhraseSettings
from after.midi import Note

MIN_DURATION_S = 0.04
TICK_S = 5e-5
"""Times are multiples of this, so the written MIDI file says exactly what is played."""

Values = NDArray[np.float64]

_ATTEMPTS = 16
_MIN_NOTES = 5
_LONGEST_REST_S = 1.2
_MONOPHONIC_SHARE = 0.4
"""Share of excerpts that are single lines although the instrument could play chords."""
_TIMING_SD_S = 0.004


def draw_phrase(
    rng: Rng, library: MidiLibrary, pitches: Collection[int], settings: PhraseSettings, *, is_monophonic: bool
) -> tuple[Note, ...]:
    """Draw one phrase.

    Args:
        rng: source of all choices.
        library: pieces to take excerpts from.
        pitches: what may be played; other notes are transposed into it as a whole, what still does not fit is dropped.
        settings: length, tempo, velocity and polyphony.
        is_monophonic: the instrument plays single lines.

    Returns:
        notes from time 0 on, sorted, none of them longer than the phrase, no pitch overlapping itself.
    """
    playable = sorted(pitches)
    notes: NoteArray | None = None
    if rng.random() >= settings.synthetic_share:
        notes = _draw_excerpt(rng, library, playable, settings, is_monophonic=is_monophonic)
    while notes is None or not len(notes):
        notes = draw_exercise(rng, playable, settings.seconds, is_monophonic=is_monophonic)
    notes = notes.copy()
    notes[:, VELOCITY] = shape_velocities(rng, notes[:, ONSET], notes[:, VELOCITY], settings)
    max_polyphony = 1 if is_monophonic else settings.max_polyphony
    return _as_notes(limit_polyphony(notes, max_polyphony))


def shape_velocities(rng: Rng, onsets_s: Values, velocities: Values, settings: PhraseSettings) -> Values:
    """Draw new velocities: a level and an arc for the phrase, the source's own dynamics, accents, and some chance.

    Many MIDI files have one velocity throughout; the result covers `settings.softest` to `settings.loudest` anyway.
    """
    count = len(onsets_s)
    middle = rng.uniform(settings.softest + 22, settings.loudest - 14)
    arc = rng.uniform(0, 22) * np.sin(2 * np.pi * (onsets_s / rng.uniform(3.0, 14.0) + rng.random()))
    own = (velocities - velocities.mean()) * rng.uniform(0.5, 1.4)
    chance = rng.normal(0.0, rng.uniform(3.0, 15.0), count)
    accents = rng.uniform(12, 30, count) * (rng.random(count) < 0.12)
    shaped = np.rint(middle + arc + own + chance + accents)
    return np.asarray(np.clip(shaped, settings.softest, settings.loudest))


def limit_polyphony(notes: NoteArray, max_polyphony: int) -> NoteArray:
    """End the oldest notes where more than `max_polyphony` would be held, and every note where its pitch is restruck.

    Of notes that start together on a monophonic instrument the highest stays. What would be shorter than 40 ms goes.
    """
    ordered = sort_notes(notes)
    if max_polyphony == 1:
        ordered = ordered[np.append(np.diff(ordered[:, ONSET]) > 1e-3, True)] if len(ordered) else ordered
    ends = ordered[:, ONSET] + ordered[:, DURATION]
    held: list[int] = []
    for index in range(len(ordered)):
        onset = ordered[index, ONSET]
        held = [other for other in held if ends[other] > onset + 1e-9]
        restruck = [other for other in held if ordered[other, PITCH] == ordered[index, PITCH]]
        surplus = [other for other in held if other not in restruck]
        for other in restruck + surplus[: max(0, len(surplus) + 1 - max_polyphony)]:
            ends[other] = onset
            held.remove(other)
        held.append(index)
    limited = ordered.copy()
    limited[:, DURATION] = ends - ordered[:, ONSET]
    return limited[limited[:, DURATION] >= MIN_DURATION_S]


def _draw_excerpt(
    rng: Rng, library: MidiLibrary, pitches: Sequence[int], settings: PhraseSettings, *, is_monophonic: bool
) -> NoteArray | None:
    """Draw an excerpt that fits the instrument, or None where none is found soon."""
    for _ in range(_ATTEMPTS):
        piece = library.pieces[int(rng.integers(len(library.pieces)))]
        as_line = is_monophonic or rng.random() < _MONOPHONIC_SHARE
        notes = _draw_window(rng, _choose_material(rng, piece, as_line=as_line), settings)
        if len(notes) < _MIN_NOTES:
            continue
        fitted = transpose_to_fit(rng, notes, pitches)
        if len(fitted) >= max(_MIN_NOTES, 0.75 * len(notes)):
            return fitted
    return None


def _choose_material(rng: Rng, piece: Piece, *, as_line: bool) -> NoteArray:
    """Take the whole piece, one part of it, or one line of a part."""
    sizes = np.array([len(part) for part in piece.parts], dtype=np.float64)
    part = piece.parts[int(rng.choice(len(sizes), p=sizes / sizes.sum()))]
    if not as_line:
        return piece.merged() if rng.random() < 0.6 else part
    return extract_line(part, highest=bool(rng.random() < 0.75))


def extract_line(notes: NoteArray, *, highest: bool = True) -> NoteArray:
    """Give the highest (or lowest) voice: one note at each onset, ended by the next one."""
    if not len(notes):
        return notes
    sign = 1.0 if highest else -1.0
    ordered = notes[np.lexsort((sign * notes[:, PITCH], np.round(notes[:, ONSET] / 0.03)))]
    line: list[Values] = []
    for note in ordered:
        if line and note[ONSET] - line[-1][ONSET] < 0.03:
            if sign * (note[PITCH] - line[-1][PITCH]) > 0:
                line[-1] = note
            continue
        if line and line[-1][ONSET] + line[-1][DURATION] > note[ONSET] + 0.05:
            is_inner = sign * (line[-1][PITCH] - note[PITCH]) > 4
            if is_inner and line[-1][ONSET] + line[-1][DURATION] > note[ONSET] + 0.75 * note[DURATION]:
                continue
        line.append(note)
    voice = np.array(line)
    voice[:-1, DURATION] = np.minimum(voice[:-1, DURATION], np.diff(voice[:, ONSET]))
    return np.asarray(voice[voice[:, DURATION] > 1e-3], dtype=np.float64)


def _draw_window(rng: Rng, notes: NoteArray, settings: PhraseSettings) -> NoteArray:
    """Cut a window at a random note, in a random tempo and articulation, with long rests shortened."""
    if not len(notes):
        return notes
    stretch = float(np.exp(rng.uniform(np.log(1 / settings.fastest), np.log(1 / settings.slowest))))
    start_s = notes[int(rng.integers(max(1, len(notes) - _MIN_NOTES))), ONSET]
    chosen = notes[(notes[:, ONSET] >= start_s) & (notes[:, ONSET] < start_s + 3 * settings.seconds / stretch)].copy()
    chosen[:, ONSET] = (chosen[:, ONSET] - start_s) * stretch
    chosen[:, DURATION] *= stretch
    chosen[:, ONSET] -= _surplus_rests(chosen)
    chosen[:, DURATION] *= rng.uniform(0.3, 0.75) if rng.random() < 0.25 else rng.uniform(0.85, 1.0)
    lead_s = float(rng.uniform(0.0, 0.15))
    chosen[:, ONSET] += lead_s + np.clip(rng.normal(0.0, _TIMING_SD_S, len(chosen)), -0.012, 0.012)
    chosen[:, ONSET] = np.maximum(chosen[:, ONSET], 0.0)
    chosen = sort_notes(chosen[chosen[:, ONSET] < settings.seconds - 0.1])
    chosen[:, DURATION] = np.minimum(chosen[:, DURATION], settings.seconds - chosen[:, ONSET])
    return chosen


def _surplus_rests(notes: NoteArray) -> Values:
    """Give, for each note, by how much the rests before it exceed the longest one allowed."""
    sounding_until = np.maximum.accumulate(notes[:, ONSET] + notes[:, DURATION])
    rests = np.maximum(0.0, notes[1:, ONSET] - sounding_until[:-1] - _LONGEST_REST_S)
    return np.concatenate([[0.0], np.cumsum(rests)])


def transpose_to_fit(rng: Rng, notes: NoteArray, pitches: Sequence[int]) -> NoteArray:
    """Transpose by the semitones that keep most notes playable (any of the equally good ones); drop the rest."""
    playable = np.zeros(128 + 2 * 128, dtype=bool)
    playable[np.asarray(pitches) + 128] = True
    heard = notes[:, PITCH].astype(int)
    shifts = np.arange(-96, 97)
    fits = np.array([int(np.count_nonzero(playable[heard + shift + 128])) for shift in shifts])
    good = shifts[fits >= 0.97 * fits.max()]
    shift = int(good[int(rng.integers(len(good)))])
    moved = notes.copy()
    moved[:, PITCH] += shift
    return np.asarray(moved[playable[heard + shift + 128]], dtype=np.float64)


def _as_notes(notes: NoteArray) -> tuple[Note, ...]:
    """Turn rows into notes with times on the grid of the MIDI file."""
    result = []
    for onset_s, duration_s, pitch, velocity in notes:
        first, last = round(onset_s / TICK_S), round((onset_s + duration_s) / TICK_S)
        result.append(Note(first * TICK_S, int(pitch), int(velocity), (last - first) * TICK_S))
    return tuple(sorted(result))
