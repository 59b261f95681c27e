"""Eight struck tones, one after the other, and the notes that they are."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from after.midi import Note

RATE = 44_100

MELODY = [Note(0.25 + 0.5 * index, pitch, 90, 0.4) for index, pitch in enumerate((60, 64, 67, 72, 65, 62, 62, 69))]


def play(notes: Sequence[Note]) -> NDArray[np.float32]:
    """Play notes with six overtones, half a second longer than they last."""
    audio = np.zeros(round((max(note.end_s for note in notes) + 0.5) * RATE))
    for note in notes:
        seconds = np.arange(round(note.duration_s * RATE)) / RATE
        fades = np.minimum(1, seconds / 0.01) * np.minimum(1, (note.duration_s - seconds) / 0.03)
        hz = 440 * 2 ** ((note.pitch - 69) / 12)
        tone = sum(np.sin(2 * np.pi * hz * k * seconds) * k**-2.0 for k in range(1, 7))
        start = round(note.onset_s * RATE)
        audio[start : start + seconds.size] += 0.3 * fades * np.exp(-2 * seconds) * tone
    return audio.astype(np.float32)
