"""Whether louder velocities sound louder, and whether nothing sounds where nothing is played."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import spearmanr

from after.features.frames import as_mono, frame_times_s, level_db
from after.features.loudness import measure_loudness
from after.midi import Note

_HOP_LENGTH = 256
_CHORD_S = 0.03  # notes that start this close together are one attack


def correlate_velocity(audio: ArrayLike, sample_rate: int, notes: Sequence[Note], *, attack_s: float = 0.2) -> float:
    """Rank-correlate the velocity of each attack with the loudness that follows it.

    Args:
        audio: [C, T] or [T].
        sample_rate: Hz.
        notes: what was played; notes that start within 30 ms are one attack, with the velocity of the loudest.
        attack_s: the loudness of an attack is its highest A-weighted level within this time (or until the next one).

    Returns:
        Spearman's rho, -1..1; NaN with fewer than three attacks or when all velocities or levels are equal.

    Raises:
        AudioError: if `audio` is empty or not finite.
    """
    attacks = _group_attacks(notes)
    loudness = measure_loudness(audio, sample_rate, hop_length=_HOP_LENGTH)
    times_s = frame_times_s(loudness.size, _HOP_LENGTH, sample_rate)
    velocities, levels = [], []
    for index, (onset_s, velocity) in enumerate(attacks):
        next_s = attacks[index + 1][0] if index + 1 < len(attacks) else np.inf
        heard = slice(*np.searchsorted(times_s, [onset_s, min(onset_s + attack_s, next_s)]))
        if loudness[heard].size:
            velocities.append(velocity)
            levels.append(float(loudness[heard].max()))
    if len(levels) < 3 or len(set(velocities)) == 1 or len(set(levels)) == 1:
        return float("nan")
    return float(spearmanr(velocities, levels).statistic)


def _group_attacks(notes: Sequence[Note]) -> list[tuple[float, int]]:
    attacks: list[tuple[float, int]] = []
    for note in sorted(notes):
        if attacks and note.onset_s - attacks[-1][0] <= _CHORD_S:
            attacks[-1] = (attacks[-1][0], max(attacks[-1][1], note.velocity))
        else:
            attacks.append((note.onset_s, note.velocity))
    return attacks


def find_rests(
    notes: Sequence[Note], times_s: NDArray[np.float64], *, release_s: float = 1.0, lead_s: float = 0.05
) -> NDArray[np.bool_]:
    """Tell at which times nothing should sound: no note, none that ended just now, none about to start.

    Args:
        notes: what was played.
        times_s: [L] increasing, seconds.
        release_s: time after a note's end in which it may still ring.
        lead_s: time before a note's start in which it may already be heard.

    Returns:
        [L].
    """
    is_rest = np.ones(times_s.size, dtype=bool)
    for note in notes:
        rings_until_s = note.onset_s + note.duration_s + release_s
        is_rest[slice(*np.searchsorted(times_s, [note.onset_s - lead_s, rings_until_s]))] = False
    return is_rest


def measure_rests_db(audio: ArrayLike, sample_rate: int, notes: Sequence[Note], *, release_s: float = 1.0) -> float:
    """Measure the loudest frame where nothing should sound.

    Args:
        audio: [C, T] or [T].
        sample_rate: Hz.
        notes: what was played.
        release_s: time after a note's end in which it may still ring.

    Returns:
        Highest level of a 23 ms frame (1024 samples at 44.1 kHz) in dBFS, -120 for digital silence; NaN if there is no
        rest.

    Raises:
        AudioError: if `audio` is empty or not finite.
    """
    hop_length = 1024
    levels = level_db(as_mono(audio), hop_length)
    is_rest = find_rests(notes, frame_times_s(levels.size, hop_length, sample_rate), release_s=release_s)
    return float(levels[is_rest].max()) if is_rest.any() else float("nan")
