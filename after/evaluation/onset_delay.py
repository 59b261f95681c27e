"""How long after a note event, or the start of a tone that plays it, an instrument is heard; measured in its stream."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from after.instrument import NoteEvent
from after.instrument.melody import tone

FloatAudio = NDArray[np.float32]

_LEAD_S, _NOTE_S = 0.3, 0.7
_WINDOW_S = 0.003
_AUDIBLE_DB = -20.0
_ABOVE_SILENCE_DB = 12.0
_PITCH, _VELOCITY = 64, 100
_TONE_HZ, _TONE_LEVEL = 329.6, 0.3


class Player(Protocol):
    """What the measurement needs of an instrument."""

    @property
    def sample_rate(self) -> int:
        """Rate of what it plays, Hz."""

    @property
    def hop_length(self) -> int:
        """Samples per frame."""

    def set_timbre(self, timbre: str) -> None:
        """Choose a timbre by name."""

    def reset(self, seed: int = 0) -> None:
        """Forget everything played."""

    @property
    def plays_audio(self) -> bool:
        """Whether audio plays it; else notes do."""

    def process(self, num_samples: int, events: Sequence[NoteEvent] = ()) -> FloatAudio:
        """Play one block of a stream [1, num_samples]."""

    def process_audio(self, audio: FloatAudio) -> FloatAudio:
        """Play one block of a stream of audio [1, N]."""


@dataclass(frozen=True, slots=True)
class Delay:
    """From a note event to what it causes, medians over events at the start and in the middle of a frame.

    Attributes:
        timbre: which.
        change_samples: to the first sample that differs from the stream without the note; None if none does.
        audible_samples: to the first 3 ms that are as loud as the note's loudest 3 ms less 20 dB, and 12 dB louder
            than the stream without the note ever gets; None if that never comes.
    """

    timbre: str
    change_samples: int | None
    audible_samples: int | None


def measure_delay(player: Player, timbre: str) -> Delay:
    """Stream a note, or a tone, after a rest, and the rest alone with the same noise, and compare.

    Args:
        player: its timbre is changed, and it is reset.
        timbre: name.
    """
    player.set_timbre(timbre)
    start = round(_LEAD_S * player.sample_rate) // player.hop_length * player.hop_length
    num_samples = start + round(_NOTE_S * player.sample_rate)
    player.reset()
    silence = _play(player, num_samples, None)
    changes, onsets = [], []
    for offset in (0, player.hop_length // 2):
        player.reset()
        at = start + offset
        played = _play(player, num_samples, at)
        differing = np.flatnonzero(np.abs(played - silence) > 1e-6)
        changes += [int(differing[0]) - at] if differing.size else []
        onset = find_onset(played[at:], silence, window=round(_WINDOW_S * player.sample_rate))
        onsets += [] if onset is None else [onset]
    return Delay(timbre, _median(changes), _median(onsets))


def _play(player: Player, num_samples: int, at: int | None) -> FloatAudio:
    """Stream a note, or a tone, that begins at a sample, None for a rest: audio [num_samples]."""
    if player.plays_audio:
        heard = np.zeros((1, num_samples), dtype=np.float32)
        if at is not None:
            heard[0, at:] = _TONE_LEVEL * tone(_TONE_HZ, num_samples - at, player.sample_rate)
        followed: FloatAudio = player.process_audio(heard)[0]
        return followed
    events = [] if at is None else [NoteEvent(at, _PITCH, _VELOCITY)]
    played: FloatAudio = player.process(num_samples, events)[0]
    return played


def find_onset(played: FloatAudio, silence: FloatAudio, *, window: int) -> int | None:
    """Find the first window of `played` [T] that is loud, and louder than `silence` [T] ever gets.

    Returns:
        samples from the start of `played` to the start of that window, None where there is none.
    """
    levels = _rms(played, window)
    loud = max(levels.max() * 10 ** (_AUDIBLE_DB / 20), _rms(silence, window).max() * 10 ** (_ABOVE_SILENCE_DB / 20))
    found = np.flatnonzero(levels > max(loud, 1e-6))
    return int(found[0]) if found.size else None


def _rms(audio: FloatAudio, window: int) -> NDArray[np.float64]:
    """Give the RMS of every window that fits."""
    energy = np.concatenate([[0.0], np.cumsum(audio.astype(np.float64) ** 2)])
    return np.asarray(np.sqrt(np.maximum(0.0, energy[window:] - energy[:-window]) / window))


def _median(values: Sequence[int]) -> int | None:
    return int(np.median(values)) if values else None
