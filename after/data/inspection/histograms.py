"""Histograms as the manifest keeps them: from a bin, as text, to a number; and what is read off them."""

import bisect
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

NUM_PITCHES = 128
DURATION_EDGES_S = tuple(round(10.0 ** (step / 8), 4) for step in range(-8, 41))
"""Eight bins per tenfold, from 0.1 s to 28 hours."""

_NOTE_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def as_json(counts: Mapping[int, int]) -> dict[str, int]:
    """Give a histogram for JSON, whose keys are text; in the order of the bins."""
    return {str(bin_): counts[bin_] for bin_ in sorted(counts)}


def from_json(counts: Mapping[str, int]) -> dict[int, int]:
    """Read what `as_json` gave; JSON sorted as text comes back in the order of the bins."""
    return dict(sorted((int(bin_), number) for bin_, number in counts.items()))


def percentile(counts: Mapping[int, int], percent: float) -> int:
    """Give the lowest bin up to which at least `percent` of all are counted.

    Raises:
        ValueError: if nothing is counted.
    """
    total, seen = sum(counts.values()), 0
    for bin_ in sorted(counts):
        seen += counts[bin_]
        if seen and 100 * seen >= percent * total:
            return bin_
    raise ValueError("nothing is counted: a percentile needs at least one")


def count_durations(durations_s: Iterable[float]) -> dict[str, list[float] | list[int]]:
    """Count durations between `DURATION_EDGES_S`; those beyond either end go into the outermost bin.

    Returns:
        "edges_s", and "counts" with one number less.
    """
    last = len(DURATION_EDGES_S) - 2
    bins = Counter(min(last, max(0, bisect.bisect_right(DURATION_EDGES_S, length) - 1)) for length in durations_s)
    return {"edges_s": list(DURATION_EDGES_S), "counts": [bins[index] for index in range(last + 1)]}


def used_bins(counts: Sequence[int]) -> dict[int, int]:
    """Give a histogram with a number for every bin as one without the empty bins."""
    return {bin_: number for bin_, number in enumerate(counts) if number}


def note_name(pitch: int) -> str:
    """Give a MIDI pitch's name, C4 = 60."""
    return f"{_NOTE_NAMES[pitch % 12]}{pitch // 12 - 1}"
