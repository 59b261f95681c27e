"""Exercises: scales, arpeggios, leaps, repetitions, trills, long notes and chords over an instrument's whole range."""

from collections.abc import Callable, Sequence

import numpy as np

from after.data.synthesis.library import NoteArray

_SCALES = ((2, 2, 1, 2, 2, 2, 1), (2, 1, 2, 2, 1, 3, 1), (1,), (2,), (2, 2, 3, 2, 3))
_ARPEGGIOS = ((4, 3, 5), (3, 4, 5), (4, 4, 4), (3, 3, 3, 3), (4, 3, 4, 1), (5, 5, 2))
_CHORDS = (
    (0, 4, 7),
    (0, 3, 7),
    (0, 4, 7, 10),
    (0, 7, 12),
    (0, 3, 6, 9),
    (0, 5, 7),
    (0, 7, 16),
    (0, 12),
    (0, 4, 7, 12, 16),
)
_SHORTEST_S, _LONGEST_S = 0.08, 4.0
_REST_SHARE = 0.12

Rng = np.random.Generator
Segment = list[tuple[int, ...]]
"""Pitches struck together, one after the other."""


def draw_exercise(rng: Rng, pitches: Sequence[int], seconds: float, *, is_monophonic: bool) -> NoteArray:
    """Draw notes that fill `seconds`.

    Args:
        rng: source of all choices.
        pitches: what may be played, ascending; every segment starts anywhere in it, so the range is covered evenly.
        seconds: length to fill; the last note ends by then.
        is_monophonic: no chords, no overlaps.

    Returns:
        notes [N, 4] as in `library`, with velocity 64 throughout.
    """
    rows: list[tuple[float, float, float, float]] = []
    now_s = float(rng.uniform(0.0, 0.15))
    while now_s < seconds - _SHORTEST_S:
        segment = _draw_segment(rng, pitches, is_monophonic=is_monophonic)
        step_s = float(np.exp(rng.uniform(np.log(_SHORTEST_S), np.log(1.1))))
        if len(segment) <= 3:
            step_s = float(rng.uniform(0.8, _LONGEST_S))
        gate = float(rng.choice([rng.uniform(0.3, 0.7), rng.uniform(0.8, 0.98), 1.0 if is_monophonic else 1.6]))
        for struck in segment:
            this_s = step_s * float(rng.choice([1.0, 1.0, 1.0, 0.5, 2.0])) if rng.random() < 0.3 else step_s
            this_s = min(max(this_s, _SHORTEST_S), _LONGEST_S)
            held_s = min(max(this_s * gate, 0.05), seconds - now_s)
            if held_s < 0.05:
                break
            rows += [(now_s, held_s, float(pitch), 64.0) for pitch in struck]
            now_s += this_s
        if rng.random() < _REST_SHARE * 3:
            now_s += float(rng.uniform(0.1, 0.9))
    return np.array(rows, dtype=np.float64).reshape(-1, 4)


def _draw_segment(rng: Rng, pitches: Sequence[int], *, is_monophonic: bool) -> Segment:
    kinds: list[Callable[[Rng, Sequence[int]], Segment]] = [_scale, _arpeggio, _leaps, _leaps, _repeats, _trill, _long]
    if not is_monophonic:
        kinds += [_chords, _chords, _chords]
    return kinds[int(rng.integers(len(kinds)))](rng, pitches)


def _any(rng: Rng, pitches: Sequence[int]) -> int:
    return int(pitches[int(rng.integers(len(pitches)))])


def _walk(rng: Rng, pitches: Sequence[int], steps: Sequence[int]) -> Segment:
    """Walk up or down by repeated steps from anywhere, turning at the ends; unplayable pitches are passed over."""
    playable = frozenset(pitches)
    pitch, direction = _any(rng, pitches), int(rng.choice([-1, 1]))
    segment: Segment = []
    for index in range(int(rng.integers(5, 20))):
        if pitch in playable:
            segment.append((pitch,))
        following = pitch + direction * steps[index % len(steps)]
        if not pitches[0] <= following <= pitches[-1]:
            direction = -direction
            following = pitch + direction * steps[index % len(steps)]
        pitch = following
    return segment


def _scale(rng: Rng, pitches: Sequence[int]) -> Segment:
    return _walk(rng, pitches, _SCALES[int(rng.integers(len(_SCALES)))])


def _arpeggio(rng: Rng, pitches: Sequence[int]) -> Segment:
    return _walk(rng, pitches, _ARPEGGIOS[int(rng.integers(len(_ARPEGGIOS)))])


def _leaps(rng: Rng, pitches: Sequence[int]) -> Segment:
    return [(_any(rng, pitches),) for _ in range(int(rng.integers(4, 14)))]


def _repeats(rng: Rng, pitches: Sequence[int]) -> Segment:
    repeated: Segment = [(_any(rng, pitches),)]
    return repeated * int(rng.integers(3, 9))


def _trill(rng: Rng, pitches: Sequence[int]) -> Segment:
    pitch = _any(rng, pitches)
    other = pitch + int(rng.integers(1, 4))
    pair: Segment = [(pitch,), (other if other in pitches else pitch,)]
    return pair * int(rng.integers(2, 6))


def _long(rng: Rng, pitches: Sequence[int]) -> Segment:
    return [(_any(rng, pitches),) for _ in range(int(rng.integers(1, 4)))]


def _chords(rng: Rng, pitches: Sequence[int]) -> Segment:
    playable = frozenset(pitches)
    segment = []
    for _ in range(int(rng.integers(1, 7))):
        root, shape = _any(rng, pitches), _CHORDS[int(rng.integers(len(_CHORDS)))]
        segment.append(tuple(root + step for step in shape if root + step in playable) or (root,))
    return segment
