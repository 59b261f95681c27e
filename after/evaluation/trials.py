"""Every phrase in every timbre: render it, or take the recording that was given, and score it."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from after.audio import read_audio
from after.evaluation.likeness import Fingerprint, Likeness, TimbreJudge, take_fingerprint
from after.evaluation.loudness_error import LoudnessError, measure_loudness_error
from after.evaluation.performance import Performance, PerformanceSettings, fraction_of, measure_performance
from after.evaluation.phrases import Phrase
from after.evaluation.plan import Task
from after.features.mel import log_mel_distance
from after.midi import Note

FloatAudio = NDArray[np.float32]


class Player(Protocol):
    """What a trial needs of an instrument; `after.instrument.Instrument` is one."""

    @property
    def sample_rate(self) -> int:
        """Rate of what it renders, Hz."""

    def set_timbre(self, timbre: str) -> None:
        """Choose a timbre by name."""

    def render(self, notes: Sequence[Note], duration_s: float, *, seed: int = 0) -> FloatAudio:
        """Play notes into audio [1, T]."""


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """Audio to score: what it plays, the timbre asked for (None if unknown), the audio [C, T] and how it came to be."""

    phrase: Phrase
    timbre: str | None
    audio: FloatAudio
    sample_rate: int
    render_s: float | None = None
    reference_path: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """A recording against the same played for real.

    Attributes:
        performance: figures of the real one.
        likeness: its timbre, as it is judged.
        log_mel: distance, natural-log units.
        loudness: difference.
        timbre_distance: Mahalanobis distance of MFCC statistics, in spreads of one instrument's recordings; NaN without
            classifier.
    """

    performance: Performance
    likeness: Likeness
    log_mel: float
    loudness: LoudnessError
    timbre_distance: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """The figures of one recording.

    Attributes:
        phrase: name of the MIDI file.
        timbre: the timbre asked for, None if unknown.
        performance: figures of the recording itself.
        likeness: its timbre.
        real: comparison with the same played for real, None without.
        realtime_factor: seconds of rendering per second of audio, NaN for given audio.
    """

    phrase: str
    timbre: str | None
    performance: Performance
    likeness: Likeness
    real: Comparison | None
    realtime_factor: float

    @property
    def pitch_fraction(self) -> float:
        """Raw pitch accuracy as a fraction of the real recording's."""
        if self.real is None:
            return float("nan")
        return fraction_of(self.performance.pitch.raw, self.real.performance.pitch.raw)

    @property
    def onset_fraction(self) -> float:
        """Onset F1 as a fraction of the real recording's."""
        if self.real is None or self.real.performance.notes is None or self.performance.notes is None:
            return float("nan")
        return fraction_of(self.performance.notes.f1, self.real.performance.notes.f1)


@dataclass(frozen=True, slots=True, eq=False)
class Scored:
    """A trial and what it was made from.

    Attributes:
        trial: the figures.
        recording: that was scored.
        fingerprint: its timbre.
        reference: audio [1, T] of the same played for real, None without.
        reference_fingerprint: its timbre, None without.
    """

    trial: Trial
    recording: Recording
    fingerprint: Fingerprint
    reference: FloatAudio | None = None
    reference_fingerprint: Fingerprint | None = None


def render_tasks(player: Player, tasks: Iterable[Task], *, seed: int = 0) -> Iterator[Recording]:
    """Play one task after the other, each with its timbre, so that only one recording is in memory."""
    for task in tasks:
        player.set_timbre(task.timbre or "")
        start_s = time.perf_counter()
        audio = player.render(task.phrase.notes, task.phrase.length_s, seed=seed)
        render_s = time.perf_counter() - start_s
        yield Recording(task.phrase, task.timbre, audio, player.sample_rate, render_s, task.reference_path)


def read_tasks(tasks: Iterable[Task]) -> Iterator[Recording]:
    """Read the recordings of tasks that have one, cut to what counts.

    Raises:
        AudioError: if one cannot be read.
    """
    for task in tasks:
        if task.audio_path is not None:
            audio, rate = read_audio(task.audio_path)
            audio = audio[:, : max(1, round(task.phrase.length_s * rate))]
            yield Recording(task.phrase, task.timbre, audio, rate, reference_path=task.reference_path)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scorer:
    """Scores recordings against their notes, the same played for real, and the timbre of real instruments.

    Attributes:
        settings: how to measure a performance.
        judge: tells timbres apart.
    """

    settings: PerformanceSettings
    judge: TimbreJudge

    def score(self, recording: Recording) -> Scored:
        """Score one recording.

        Raises:
            AudioError: if it or its reference cannot be analysed.
        """
        audio, rate, phrase = recording.audio, recording.sample_rate, recording.phrase
        fingerprint = take_fingerprint(audio, rate)
        reference, reference_print, real = None, None, None
        if recording.reference_path is not None:
            whole, _ = read_audio(recording.reference_path, sample_rate=rate, mono=True)
            reference = whole[:, : max(1, round(phrase.length_s * rate))]
            reference_print = take_fingerprint(reference, rate)
            real = self._compare(recording, fingerprint, reference, reference_print)
        trial = Trial(
            phrase=phrase.name,
            timbre=recording.timbre,
            performance=measure_performance(audio, rate, phrase.notes, self.settings),
            likeness=self.judge.judge(fingerprint, phrase.name, recording.timbre),
            real=real,
            realtime_factor=recording.render_s * rate / audio.shape[-1] if recording.render_s else float("nan"),
        )
        return Scored(trial, recording, fingerprint, reference, reference_print)

    def _compare(
        self, recording: Recording, fingerprint: Fingerprint, reference: FloatAudio, reference_print: Fingerprint
    ) -> Comparison:
        audio, rate, phrase, space = recording.audio, recording.sample_rate, recording.phrase, self.judge.space
        return Comparison(
            performance=measure_performance(reference, rate, phrase.notes, self.settings),
            likeness=self.judge.judge(reference_print, phrase.name, recording.timbre),
            log_mel=log_mel_distance(audio, reference, rate),
            loudness=measure_loudness_error(audio, reference, rate),
            timbre_distance=space.distance(fingerprint.statistics, reference_print.statistics)
            if space
            else float("nan"),
        )


def score_all(
    scorer: Scorer,
    recordings: Iterable[Recording],
    *,
    on_scored: Callable[[int, Scored], None] = lambda _index, _scored: None,
) -> list[Scored]:
    """Score recordings one after the other.

    Args:
        scorer: how.
        recordings: what; an iterable that renders on demand keeps memory small.
        on_scored: called with the index of each result and the result, which still has its audio.

    Returns:
        The results in order; their audio is dropped.
    """
    results = []
    empty = np.zeros((1, 0), dtype=np.float32)
    for index, recording in enumerate(recordings):
        scored = scorer.score(recording)
        on_scored(index, scored)
        results.append(replace(scored, recording=replace(recording, audio=empty), reference=None))
    return results
