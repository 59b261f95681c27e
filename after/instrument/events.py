"""Note events and the frames that they make."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from after.conditioning.roll import NUM_PITCHES, ROLL_CHANNELS, onset_value
from after.midi import Note


@dataclass(frozen=True, slots=True)
class NoteEvent:
    """A note switched on or off inside a block.

    Attributes:
        offset_samples: from the start of the block.
        pitch: MIDI number 0-127.
        velocity: 1-127 on, 0 off.
    """

    offset_samples: int
    pitch: int
    velocity: int


def events_of(notes: Sequence[Note], sample_rate: int) -> list[NoteEvent]:
    """Give the on and off events of notes, offs before ons at the same sample, offsets from the very start.

    A note that is struck again while it sounds ends there: its own end must not stop the later one. Of two that begin
    together, the longer one's end counts.
    """
    events: list[NoteEvent] = []
    next_start: dict[int, int] = {}
    for note in sorted(notes, key=lambda note: (note.onset_s, note.duration_s), reverse=True):
        start = round(note.onset_s * sample_rate)
        end = max(start + 1, round((note.onset_s + note.duration_s) * sample_rate))
        events.append(NoteEvent(start, note.pitch, note.velocity))
        if end <= next_start.get(note.pitch, end):
            events.append(NoteEvent(end, note.pitch, 0))
        next_start[note.pitch] = start
    return sorted(events, key=lambda event: (event.offset_samples, event.velocity > 0))


class HeldNotes:
    """What is held, and the structure frames that events make of it.

    Args:
        hop_length: samples per frame.
    """

    def __init__(self, hop_length: int) -> None:
        self._hop_length = hop_length
        self._velocities: dict[int, int] = {}

    def frame(self, events: Sequence[NoteEvent]) -> NDArray[np.float32]:
        """Turn the events of one frame into its structure [256]; what is held at its end goes on sounding.

        Args:
            events: in order, offsets from the start of the frame; those with a pitch outside 0-127 are left out.
        """
        row = np.zeros(ROLL_CHANNELS, dtype=np.float32)
        for pitch, velocity in self._velocities.items():
            row[pitch] = velocity / 127.0
        for event in events:
            pitch = event.pitch
            if not 0 <= pitch < NUM_PITCHES:
                continue
            if event.velocity == 0:
                self._velocities.pop(pitch, None)
                if event.offset_samples == 0 and row[NUM_PITCHES + pitch] == 0:
                    row[pitch] = 0.0
            else:
                self._velocities[pitch] = event.velocity
                row[pitch] = event.velocity / 127.0
                row[NUM_PITCHES + pitch] = onset_value(event.offset_samples / self._hop_length)
        return row


def frames_of(notes: Sequence[Note], *, sample_rate: int, hop_length: int) -> Callable[[int, int], Tensor]:
    """Give a function that tells the structure [1, L, 256] of frames [start, stop); to be called in order."""
    held = HeldNotes(hop_length)
    by_frame: dict[int, list[NoteEvent]] = {}
    for event in events_of(notes, sample_rate):
        frame, offset = divmod(event.offset_samples, hop_length)
        by_frame.setdefault(frame, []).append(replace(event, offset_samples=offset))

    def frames(start: int, stop: int) -> Tensor:
        return torch.from_numpy(np.stack([held.frame(by_frame.get(k, [])) for k in range(start, stop)]))[None]

    return frames
