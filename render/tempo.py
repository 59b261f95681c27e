"""Beats, bars and seconds: a tempo that changes in steps, and the meters that count bars."""

import bisect
import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from after.midi import TempoChange
from render.errors import TimelineError


@dataclass(frozen=True, slots=True)
class Meter:
    """Beats (quarter notes) in a bar, from a beat on, which begins a bar."""

    onset_beats: float
    beats_per_bar: float


@dataclass(frozen=True)
class TempoMap:
    """Beats (quarter notes) to seconds and back, for a tempo that changes in steps; beat 0 is second 0 and bar 0."""

    changes: tuple[TempoChange, ...] = (TempoChange(0.0, 120.0, 0),)
    meters: tuple[Meter, ...] = (Meter(0.0, 4.0),)

    def __post_init__(self) -> None:
        """Refuse a map that does not start at 0 or does not move forward."""
        times = [change.time_s for change in self.changes]
        if not times or times[0] != 0.0 or times != sorted(times):
            raise TimelineError(f"tempo changes at {times} s; give at least one, the first at 0 s, in order of time")
        if any(change.beats_per_minute <= 0 for change in self.changes):
            raise TimelineError("a tempo is 0 or negative; give beats per minute above 0")
        onsets = [meter.onset_beats for meter in self.meters]
        if not onsets or onsets[0] != 0.0 or onsets != sorted(onsets):
            raise TimelineError(f"meters at beats {onsets}; give at least one, the first at beat 0, in order")
        if any(meter.beats_per_bar <= 0 for meter in self.meters):
            raise TimelineError("a meter has 0 beats or less; give it beats per bar above 0")

    @cached_property
    def _starts_s(self) -> list[float]:
        return [change.time_s for change in self.changes]

    @cached_property
    def _starts_beats(self) -> list[float]:
        beats = [0.0]
        for change, following in pairwise(self.changes):
            beats.append(beats[-1] + (following.time_s - change.time_s) * change.beats_per_minute / 60.0)
        return beats

    def beats_at(self, time_s: float) -> float:
        """Turn seconds into beats."""
        index = max(0, bisect.bisect_right(self._starts_s, time_s) - 1)
        elapsed_s = time_s - self._starts_s[index]
        return self._starts_beats[index] + elapsed_s * self.changes[index].beats_per_minute / 60.0

    def seconds_at(self, beats: float) -> float:
        """Turn beats into seconds."""
        index = max(0, bisect.bisect_right(self._starts_beats, beats) - 1)
        elapsed_beats = beats - self._starts_beats[index]
        return self._starts_s[index] + elapsed_beats * 60.0 / self.changes[index].beats_per_minute

    def tempo_at(self, time_s: float) -> float:
        """Give the beats per minute at a time in seconds."""
        return self.changes[max(0, bisect.bisect_right(self._starts_s, time_s) - 1)].beats_per_minute

    def beats_of_bar(self, bar: float) -> float:
        """Turn bars, counted from 0, into beats; a meter that begins within a bar ends it there."""
        counted = 0.0
        for meter, following in pairwise(self.meters):
            whole = math.ceil((following.onset_beats - meter.onset_beats) / meter.beats_per_bar - 1e-9)
            if bar - counted < whole:
                return meter.onset_beats + (bar - counted) * meter.beats_per_bar
            counted += whole
        return self.meters[-1].onset_beats + (bar - counted) * self.meters[-1].beats_per_bar
