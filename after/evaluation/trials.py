"""Every phrase in every timbre: render it, or take the recording that was given, and score it."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from after.audio import read_audio, resample
from after.errors import MidiError
from after.evaluation.centroids import SAMPLE_RATE, list_instruments, references_for_phrase
from after.evaluation.performance import Performance, PerformanceSettings, fraction_of, measure_performance
from after.evaluation.timbre import TimbreReferences
from after.features.mel import log_mel_distance
from after.features.mfcc import mfcc_statistics
from after.midi import Note, apply_pedal, read_midi

FloatAudio = NDArray[np.float32]

TAIL_S = 1.5
"""Time rendered after the last note, so that its release and the silence after it can be judged."""

_DRUM_CHANNEL = 9


class Player(Protocol):
    """What a trial needs of an instrument; `after.instrument.Instrument` is one."""

    @property
    def sample_rate(self) -> int:
        """Rate of what it renders, Hz."""

    def set_timbre(self, timbre: str) -> None:
        """Choose a timbre by name."""

    def render(self, notes: Sequence[Note], duration_s: float, *, seed: int = 0) -> FloatAudio:
        """Play notes into audio [1, T]."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Something to play: a name, and notes with the pedal applied."""

    name: str
    notes: tuple[Note, ...]

    @property
    def duration_s(self) -> float:
        """Time until the last note ends, seconds."""
        return max(note.onset_s + note.duration_s for note in self.notes)


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
class Trial:
    """The figures of one recording.

    Attributes:
        phrase: name of the MIDI file.
        timbre: the timbre asked for, None if unknown.
        performance: figures of the recording itself.
        reference: the same figures of the reference recording, None without one.
        timbre_ranks: instruments by distance, nearest first; empty without timbre references or for silence.
        log_mel: distance to the reference recording, NaN without one.
        realtime_factor: seconds of rendering per second of audio, NaN for given audio.
    """

    phrase: str
    timbre: str | None
    performance: Performance
    reference: Performance | None
    timbre_ranks: tuple[str, ...]
    log_mel: float
    realtime_factor: float

    @property
    def pitch_fraction(self) -> float:
        """Raw pitch accuracy as a fraction of the reference's."""
        if self.reference is None:
            return float("nan")
        return fraction_of(self.performance.pitch.raw, self.reference.pitch.raw)

    @property
    def onset_fraction(self) -> float:
        """Onset F1 as a fraction of the reference's."""
        if self.reference is None or self.reference.notes is None or self.performance.notes is None:
            return float("nan")
        return fraction_of(self.performance.notes.f1, self.reference.notes.f1)


def read_phrase(path: str | Path, *, max_s: float | None = None) -> Phrase:
    """Read the pitched notes of a MIDI file, pedal applied; drums are left out.

    Args:
        path: MIDI file.
        max_s: only notes that start before this time, cut there.

    Raises:
        MidiError: if the file cannot be read or holds no pitched note in that time.
    """
    limit_s = float("inf") if max_s is None else max_s
    notes = tuple(
        Note(note.onset_s, note.pitch, note.velocity, min(note.duration_s, limit_s - note.onset_s))
        for note in apply_pedal(read_midi(path))
        if note.midi_channel != _DRUM_CHANNEL and note.onset_s < limit_s
    )
    if not notes:
        raise MidiError(f"{path} holds no pitched note before {limit_s} s: give another file or a longer excerpt")
    return Phrase(Path(path).stem, notes)


def build_phrase() -> Phrase:
    """Build the phrase that is played where no MIDI file is given: two octaves from C3, in leaps, soft and loud."""
    degrees = (0, 12, 4, 7, 11, 14, 2, 17, 5, 9, 16, 21, 12, 23, 19, 24)
    velocities = (40, 100, 70, 120)
    return Phrase(
        "built_in", tuple(Note(0.25 + 0.6 * i, 48 + d, velocities[i % 4], 0.5) for i, d in enumerate(degrees))
    )


def render_phrases(
    player: Player,
    phrases: Sequence[Phrase],
    timbres: Sequence[str],
    *,
    seed: int = 0,
    reference_phrases: Path | None = None,
) -> Iterable[Recording]:
    """Play every phrase in every timbre, one at a time, so that only one recording is in memory.

    Where `reference_phrases`/<timbre>/<phrase>.mid exists, it says what that timbre's reference plays, and is played.
    """
    for timbre in timbres:
        player.set_timbre(timbre)
        for written in phrases:
            own = reference_phrases / timbre / f"{written.name}.mid" if reference_phrases else None
            phrase = read_phrase(own) if own and own.is_file() else written
            start_s = time.perf_counter()
            audio = player.render(phrase.notes, phrase.duration_s + TAIL_S, seed=seed)
            yield Recording(phrase, timbre, audio, player.sample_rate, time.perf_counter() - start_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Scorer:
    """Scores recordings against their notes, their reference recordings and the timbre references.

    Attributes:
        settings: how to measure a performance.
        centroids: timbre references for every phrase, None to do without.
        reference_phrases: folder with <timbre>/<phrase>.<suffix> of real players; used before `centroids`.
    """

    settings: PerformanceSettings
    centroids: TimbreReferences | None = None
    reference_phrases: Path | None = None

    def score(self, recording: Recording) -> Trial:
        """Score one recording.

        Raises:
            AudioError: if it or its reference cannot be analysed.
        """
        audio, rate = recording.audio, recording.sample_rate
        notes = recording.phrase.notes
        path = recording.reference_path or self._find_reference(recording)
        reference, log_mel = None, float("nan")
        if path is not None:
            reference_audio, _ = read_audio(path, sample_rate=rate, mono=True)
            reference = measure_performance(reference_audio, rate, notes, self.settings)
            log_mel = log_mel_distance(audio, reference_audio, rate)
        references = self._find_timbres(recording.phrase)
        statistics = mfcc_statistics(resample(audio, rate, SAMPLE_RATE), SAMPLE_RATE)
        return Trial(
            phrase=recording.phrase.name,
            timbre=recording.timbre,
            performance=measure_performance(audio, rate, notes, self.settings),
            reference=reference,
            timbre_ranks=tuple(references.rank(statistics)) if references else (),
            log_mel=log_mel,
            realtime_factor=recording.render_s * rate / audio.shape[-1] if recording.render_s else float("nan"),
        )

    def _find_reference(self, recording: Recording) -> Path | None:
        if self.reference_phrases is None or recording.timbre is None:
            return None
        paths = list_instruments(self.reference_phrases).get(recording.timbre, [])
        return next((path for path in paths if path.stem == recording.phrase.name), None)

    def _find_timbres(self, phrase: Phrase) -> TimbreReferences | None:
        if self.reference_phrases is not None:
            played = references_for_phrase(self.reference_phrases, phrase.name)
            if played is not None:
                return played
        return self.centroids


def score_all(
    scorer: Scorer, recordings: Iterable[Recording], *, on_scored: Callable[[Recording, Trial], None] | None = None
) -> list[Trial]:
    """Score recordings one after the other.

    Args:
        scorer: how.
        recordings: what; an iterable that renders on demand keeps memory small.
        on_scored: called with each recording and its figures.

    Returns:
        The figures in order.
    """
    trials = []
    for recording in recordings:
        trials.append(scorer.score(recording))
        if on_scored is not None:
            on_scored(recording, trials[-1])
    return trials
