"""What is played to an instrument to measure it: notes, or a melody where it is played by audio."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from after.instrument import NoteEvent
from after.instrument.events import events_of
from after.instrument.melody import make_melody
from after.midi import Note

FloatAudio = NDArray[np.float32]


class Player(Protocol):
    """What a measurement needs of an instrument; `after.instrument.Instrument` is one."""

    @property
    def sample_rate(self) -> int:
        """Rate of what it plays, Hz."""

    @property
    def hop_length(self) -> int:
        """Samples per frame."""

    @property
    def num_latents(self) -> int:
        """Latents of its codec."""

    @property
    def latency_samples(self) -> int:
        """Declared time from a note event, or from what is heard, to its sound."""

    @property
    def timbres(self) -> tuple[str, ...]:
        """Names that `set_timbre` takes."""

    def set_timbre(self, timbre: str) -> None:
        """Choose a timbre by name."""

    def set(self, **attributes: float) -> None:
        """Set attributes such as `num_steps`."""

    def reset(self, seed: int = 0) -> None:
        """Forget everything played."""

    @property
    def plays_audio(self) -> bool:
        """Whether audio plays it; else notes do."""

    def process(self, num_samples: int, events: Sequence[NoteEvent] = ()) -> FloatAudio:
        """Play one block of a stream [1, num_samples]."""

    def render(self, notes: Sequence[Note], duration_s: float, *, seed: int = 0) -> FloatAudio:
        """Play notes from the start [1, T], latency taken out."""

    def process_audio(self, audio: FloatAudio) -> FloatAudio:
        """Play one block of a stream of audio [1, N]."""

    def revoice(self, audio: FloatAudio, sample_rate: float, *, seed: int = 0) -> FloatAudio:
        """Play a recording from the start [1, T], latency taken out."""

    def decode(self, latents: FloatAudio) -> FloatAudio:
        """Decode latents [L, D] by themselves."""


def stream_calls(
    player: Player, block_size: int, count: int, seconds: float, *, seed: int = 0
) -> list[Callable[[], FloatAudio]]:
    """Give the calls that play the blocks of a stream [1, block_size], `count` of them; silence after `seconds`."""
    if player.plays_audio:
        melody = bench_melody(player, seconds, seed=seed)
        padded = np.pad(melody, ((0, 0), (0, max(0, count * block_size - melody.shape[1]))))
        blocks = [padded[:, index * block_size : (index + 1) * block_size] for index in range(count)]
        return [partial(player.process_audio, block) for block in blocks]
    events = _blocks_of(bench_notes(seconds, seed=seed), player.sample_rate, block_size, count)
    return [partial(player.process, block_size, block) for block in events]


def play_whole(player: Player, seconds: float, *, seed: int = 0) -> FloatAudio:
    """Play the same from the start, latency taken out: audio [1, T]."""
    if player.plays_audio:
        return player.revoice(bench_melody(player, seconds, seed=seed), player.sample_rate, seed=seed)
    return player.render(bench_notes(seconds, seed=seed), seconds, seed=seed)


def bench_melody(player: Player, seconds: float, *, seed: int = 0) -> FloatAudio:
    """Make up a melody at the instrument's rate, [1, T]; the same for the same seed."""
    return make_melody(round(seconds * player.sample_rate), player.sample_rate, seed=seed)


def bench_notes(duration_s: float, *, seed: int = 0) -> list[Note]:
    """Draw notes of one to four voices, with onsets anywhere between the frames; the same for the same seed."""
    rng = np.random.default_rng(seed)
    onsets = np.arange(0.05, max(0.1, duration_s - 0.3), 0.23)
    return sorted(
        Note(
            float(onset + rng.uniform(0.0, 0.1)),
            int(rng.integers(45, 84)),
            int(rng.integers(30, 120)),
            float(rng.uniform(0.1, 0.8)),
        )
        for onset in onsets
    )


def _blocks_of(notes: Sequence[Note], sample_rate: int, block_size: int, count: int) -> list[list[NoteEvent]]:
    """Sort the on and off events of notes into blocks."""
    blocks: list[list[NoteEvent]] = [[] for _ in range(count)]
    for event in events_of(notes, sample_rate):
        index, offset = divmod(event.offset_samples, block_size)
        if index < count:
            blocks[index].append(replace(event, offset_samples=offset))
    return blocks
