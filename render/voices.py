"""Notes or a recording and a timbre in, audio out: one performance by the instrument.

Where a part rests for long, the instrument is not asked to play the silence: each phrase is its own performance, placed
on the instrument's frame grid, so a note falls into the same place of a frame as it would in one long performance.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from after.instrument.automation import Automation
from after.midi import Note
from render.large import zeros
from render.tail import fade_end

FloatAudio = NDArray[np.float32]
Progress = Callable[[float], None]
Automate = Callable[[int, int], Automation | None]
"""Tells the automation of a part, from its first sample and number of samples."""

LONG_REST_S = 1.0
"""A rest longer than the tail by this much ends a phrase, in seconds."""

_SEEDS_PER_PHRASE = 1009


class Instrument(Protocol):
    """What the engine needs of an instrument; `after.instrument.Instrument` is one."""

    @property
    def sample_rate(self) -> int:
        """Rate of everything it renders, in Hz."""

    @property
    def hop_length(self) -> int:
        """Samples per frame."""

    @property
    def plays_audio(self) -> bool:
        """Whether recordings play it (`revoice`); else notes do (`render`)."""

    @property
    def timbres(self) -> tuple[str, ...]:
        """Names that `set_timbre` takes."""

    @property
    def has_map(self) -> bool:
        """Whether `timbre_at` may be called."""

    def timbre_at(self, x: float, y: float) -> FloatAudio:
        """Give the timbre [E] at a place of the map."""

    def set_timbre(self, timbre: str | FloatAudio) -> None:
        """Choose a named timbre or a vector [E], or take it from audio [C, T] at `sample_rate`."""

    def reset(self, seed: int = 0) -> None:
        """Forget everything heard so far."""

    def set(self, **attributes: float) -> None:
        """Set attributes such as `num_steps`."""

    @property
    def timbre(self) -> FloatAudio:
        """The timbre in use, [E]."""

    def render(
        self,
        notes: Sequence[Note],
        duration_s: float,
        *,
        seed: int = 0,
        automation: Automation | None = None,
        out: FloatAudio | None = None,
        progress: Progress | None = None,
    ) -> FloatAudio:
        """Play notes into audio [1, T], or into `out`, latency taken out; progress gets fractions 0..1."""

    def revoice(
        self,
        audio: FloatAudio,
        sample_rate: float,
        *,
        seed: int = 0,
        automation: Automation | None = None,
        progress: Progress | None = None,
    ) -> FloatAudio:
        """Play a recording [C, T] into audio [1, T'] at the instrument's rate, latency taken out."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """Notes without a long rest between them; their onsets count from the phrase's own start."""

    notes: tuple[Note, ...]
    start_samples: int
    num_samples: int


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """A recording [C, T] to be played, and the silence after it in which the instrument may ring on."""

    audio: FloatAudio
    sample_rate: int
    start_samples: int
    num_samples: int


def make_passage(
    audio: FloatAudio, audio_rate: int, onset_s: float, tail_s: float, *, sample_rate: int, total_samples: int
) -> Passage:
    """Place a recording.

    Args:
        audio: [C, T].
        audio_rate: of it, in Hz.
        onset_s: where it begins.
        tail_s: seconds that the instrument may ring on after it.
        sample_rate: of the instrument, in Hz.
        total_samples: it does not go on beyond it.
    """
    padded = np.pad(audio, ((0, 0), (0, round(tail_s * audio_rate))))
    start_samples = round(onset_s * sample_rate)
    num_samples = min(round(padded.shape[1] / audio_rate * sample_rate), total_samples - start_samples)
    return Passage(padded, audio_rate, start_samples, num_samples)


def split_phrases(
    notes: Sequence[Note], tail_s: float, *, sample_rate: int, hop_length: int, total_samples: int
) -> tuple[Phrase, ...]:
    """Cut a part where it rests for longer than its tail.

    Args:
        notes: in order of time.
        tail_s: seconds that each phrase rings on after its last note-off.
        sample_rate: in Hz.
        hop_length: phrases start on multiples of it.
        total_samples: no phrase goes on beyond it.

    Returns:
        Phrases in order of time; the first starts at 0 unless the part comes in late.
    """
    groups: list[list[Note]] = []
    heard_until_s = 0.0
    for note in notes:
        if not groups or note.onset_s > heard_until_s + tail_s + LONG_REST_S:
            groups.append([])
        groups[-1].append(note)
        heard_until_s = max(heard_until_s, note.end_s)
    phrases = []
    for index, group in enumerate(groups):
        is_early = index == 0 and group[0].onset_s <= tail_s + LONG_REST_S
        start_samples = 0 if is_early else int(group[0].onset_s * sample_rate) // hop_length * hop_length
        end_s = max(note.end_s for note in group) + tail_s
        num_samples = min(round(end_s * sample_rate), total_samples) - start_samples
        moved = tuple(replace(note, onset_s=max(0.0, note.onset_s - start_samples / sample_rate)) for note in group)
        phrases.append(Phrase(moved, start_samples, num_samples))
    return tuple(phrases)


def perform(
    instrument: Instrument,
    phrases: Sequence[Phrase | Passage],
    timbre: str | FloatAudio,
    total_samples: int,
    *,
    seed: int = 0,
    automate: Automate | None = None,
    progress: Progress | None = None,
) -> FloatAudio:
    """Let the instrument play the phrases of one part.

    Args:
        instrument: left with the timbre of this part.
        phrases: from `split_phrases`, or passages.
        timbre: as `set_timbre` takes it.
        total_samples: length of the result.
        seed: of the part; each phrase gets its own from it.
        automate: what changes while it plays.
        progress: called with seconds rendered so far.

    Returns:
        audio [1, total_samples]; the end of each phrase is faded out, rests between phrases are digital silence.
    """
    instrument.set_timbre(timbre)
    sample_rate = instrument.sample_rate
    audio = zeros((1, total_samples))
    done_s = 0.0
    for index, phrase in enumerate(phrases):
        phrase_seed = seed + _SEEDS_PER_PHRASE * index
        duration_s = phrase.num_samples / sample_rate
        instrument.reset(phrase_seed)
        automation = None if automate is None else automate(phrase.start_samples, phrase.num_samples)
        report = _shifted(progress, done_s, duration_s)
        place = audio[:, phrase.start_samples : phrase.start_samples + phrase.num_samples]
        if isinstance(phrase, Passage):  # recordings may overlap, phrases do not
            played = instrument.revoice(
                phrase.audio, phrase.sample_rate, seed=phrase_seed, automation=automation, progress=report
            )[:, : place.shape[1]]
            fade_end(played, sample_rate)
            place[:, : played.shape[1]] += played
        else:
            instrument.render(
                phrase.notes, duration_s, seed=phrase_seed, automation=automation, out=place, progress=report
            )
            fade_end(place, sample_rate)
        done_s += duration_s
        if progress is not None:
            progress(done_s)
    return audio


def set_attributes(instrument: Instrument, attributes: Mapping[str, float | None]) -> None:
    """Set those attributes of the instrument that have a value."""
    given = {name: value for name, value in attributes.items() if value is not None}
    if given:
        instrument.set(**given)


def _shifted(progress: Progress | None, done_s: float, duration_s: float) -> Progress | None:
    """Turn a phrase's fraction into seconds of the part."""
    return None if progress is None else lambda fraction: progress(done_s + fraction * duration_s)
