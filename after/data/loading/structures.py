"""What structure is made of, for training: read from the arrays that a store has beside the latents.

Each kind of structure says which arrays it needs of a recording, and reads frames of one chunk from them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from after.conditioning.pitch_loudness import PITCH_LOUDNESS_CHANNELS, pitch_loudness
from after.conditioning.roll import ROLL_CHANNELS, piano_roll
from after.data.store import Store

NOTES_ARRAYS = ("notes", "transcribed_notes")
"""Where a chunk's notes are looked for: those of a score go before those of a transcription."""

Frames = NDArray[np.float32]


class StructureReader(Protocol):
    """Reads one kind of structure."""

    @property
    def remedy(self) -> str:
        """What to do with a store that has none of it."""
        ...

    def has(self, store: Store, key: str) -> bool:
        """Tell whether a chunk has what it takes."""
        ...

    def read(self, store: Store, key: str, start: int, num_frames: int) -> Frames:
        """Give frames [start, start + num_frames) of a chunk, [L, S]."""
        ...


@dataclass(frozen=True, slots=True)
class NotesReader:
    """Piano rolls of the notes."""

    frame_rate: float
    remedy: str = "prepare it with MIDI beside the audio, or with --feature transcription"

    def has(self, store: Store, key: str) -> bool:
        """Tell whether there is a score or a transcription."""
        return any(store.has(key, name) for name in NOTES_ARRAYS)

    def read(self, store: Store, key: str, start: int, num_frames: int) -> Frames:
        """Give the roll, [L, 256]."""
        name = next((name for name in NOTES_ARRAYS if store.has(key, name)), None)
        if name is None:
            return np.zeros((num_frames, ROLL_CHANNELS), dtype=np.float32)
        notes = store.read(key, (name,))[name]
        roll = piano_roll(notes, num_frames, frame_rate=self.frame_rate, start_s=start / self.frame_rate)
        return np.ascontiguousarray(roll.T)


@dataclass(frozen=True, slots=True)
class PitchLoudnessReader:
    """Pitch and loudness as CREPE and the A weighting measured them."""

    remedy: str = "prepare it with --feature pitch,loudness"

    def has(self, store: Store, key: str) -> bool:
        """Tell whether both features are there."""
        return all(store.has(key, name) for name in ("pitch", "loudness"))

    def read(self, store: Store, key: str, start: int, num_frames: int) -> Frames:
        """Give the frames, [L, 130]; silence beyond the chunk's end."""
        stop = start + num_frames
        pitch = store.read_slice(key, "pitch", start, stop)
        loudness = store.read_slice(key, "loudness", start, stop)
        frames = np.zeros((num_frames, PITCH_LOUDNESS_CHANNELS), dtype=np.float32)
        frames[: loudness.size] = pitch_loudness(pitch[0], pitch[1], loudness).T
        return frames


@dataclass(frozen=True, slots=True)
class LatentsReader:
    """The latents themselves, for structure that is learned."""

    latents_name: str
    remedy: str = "prepare it again"

    def has(self, store: Store, key: str) -> bool:
        """Tell that there always are latents."""
        return True

    def read(self, store: Store, key: str, start: int, num_frames: int) -> Frames:
        """Give the latents, [L, D]."""
        return store.read_rows(key, self.latents_name, start, start + num_frames).astype(np.float32)


def structure_reader(kind: str, *, latents_name: str, frame_rate: float) -> StructureReader:
    """Give the reader of one kind of structure: `midi`, `pitch_loudness` or `learned`."""
    readers: Mapping[str, Callable[[], StructureReader]] = {
        "midi": lambda: NotesReader(frame_rate),
        "pitch_loudness": PitchLoudnessReader,
        "learned": lambda: LatentsReader(latents_name),
    }
    return readers[kind]()
