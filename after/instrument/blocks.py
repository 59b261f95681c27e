"""Blocks of any size on top of frames: what comes in is gathered to frames, what was played is given out one later."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from after.errors import InstrumentError
from after.instrument.events import HeldNotes, NoteEvent

FloatAudio = NDArray[np.float32]


class NotesIn:
    """Gather note events to structure frames.

    Args:
        hop_length: samples per frame.
    """

    def __init__(self, hop_length: int) -> None:
        self._hop_length = hop_length
        self._held = HeldNotes(hop_length)
        self._pending: list[NoteEvent] = []
        self._filled = 0

    def take(self, num_samples: int, events: Sequence[NoteEvent]) -> list[NDArray[np.float32]]:
        """Take in the events of one block; give the structure [256] of each frame that is complete now.

        Raises:
            InstrumentError: if an event lies outside of the block.
        """
        queue = sorted(events, key=lambda event: event.offset_samples)
        if queue and not 0 <= queue[0].offset_samples <= queue[-1].offset_samples < num_samples:
            raise InstrumentError(
                f"events lie at {queue[0].offset_samples} to {queue[-1].offset_samples} samples, the block has "
                f"{num_samples}: give each event to the block in which it happens"
            )
        rows: list[NDArray[np.float32]] = []
        done = 0
        while done < num_samples:
            take = min(num_samples - done, self._hop_length - self._filled)
            while queue and queue[0].offset_samples < done + take:
                event = queue.pop(0)
                self._pending.append(replace(event, offset_samples=event.offset_samples - done + self._filled))
            self._filled += take
            done += take
            if self._filled == self._hop_length:
                rows.append(self._held.frame(self._pending))
                self._pending = []
                self._filled = 0
        return rows


class AudioIn:
    """Gather audio to whole frames.

    Args:
        hop_length: samples per frame.
    """

    def __init__(self, hop_length: int) -> None:
        self._hop_length = hop_length
        self._rest = np.zeros((1, 0), dtype=np.float32)

    def take(self, audio: FloatAudio) -> FloatAudio:
        """Take in one block [1, N]; give the frames that are complete now, [1, L * hop_length]."""
        joined: FloatAudio = np.concatenate([self._rest, audio], axis=1)
        whole = joined.shape[1] // self._hop_length * self._hop_length
        self._rest = joined[:, whole:].copy()
        return joined[:, :whole]


class AudioOut:
    """Hold what was played until it is asked for; it begins with one frame of silence.

    Args:
        hop_length: samples per frame.
    """

    def __init__(self, hop_length: int) -> None:
        self._held = np.zeros((1, hop_length), dtype=np.float32)

    def take(self, num_samples: int, played: Sequence[FloatAudio]) -> FloatAudio:
        """Add what was just played, [1, T] each, and give the next samples [1, num_samples]."""
        joined: FloatAudio = np.concatenate([self._held, *played], axis=1)
        self._held = joined[:, num_samples:].copy()
        return joined[:, :num_samples]


def as_mono(audio: NDArray[np.float32]) -> FloatAudio:
    """Mix [C, T] to [1, T] by the mean.

    Raises:
        InstrumentError: if it has another shape.
    """
    if audio.ndim != 2 or audio.shape[0] == 0:
        raise InstrumentError(f"audio has the shape {list(audio.shape)}: give [channels, samples]")
    mono: FloatAudio = audio.mean(axis=0, keepdims=True, dtype=np.float32)
    return mono
