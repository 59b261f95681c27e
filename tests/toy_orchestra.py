"""Synthetic instruments with known pitch and timbre, and a folder of their recordings: for tests of what measures."""

from pathlib import Path

import numpy as np

from after.audio import write_audio
from after.midi import Note, read_midi, write_midi

RATE = 44100
FALLOFFS = {"bright": 0.3, "mellow": 1.5, "dark": 3.5}
"""Partial k of an instrument has the amplitude k ** -falloff."""


class Orchestra:
    """Plays sums of decaying sines; every timbre is in tune unless told otherwise."""

    sample_rate = RATE
    timbres = tuple(FALLOFFS)

    def __init__(self, shift=0, only=None):
        """Transpose by `shift` semitones; sound like `only` whatever is asked for."""
        self.shift, self.only = shift, only

    def set_timbre(self, timbre):
        self.falloff = FALLOFFS[self.only or timbre]

    def render(self, notes, duration_s, *, seed=0):
        audio = np.zeros((1, round(duration_s * RATE)), dtype=np.float32)
        for note in notes:
            seconds = np.arange(round(note.duration_s * RATE)) / RATE
            hz = 440 * 2 ** ((note.pitch + self.shift - 69) / 12)
            envelope = np.minimum(1, seconds / 0.01) * np.minimum(1, seconds[::-1] / 0.03) * np.exp(-2 * seconds)
            start = round(note.onset_s * RATE)
            tone = sum(np.sin(2 * np.pi * hz * k * seconds) * k**-self.falloff for k in range(1, 13))
            audio[0, start : start + seconds.size] += (note.velocity / 1500 * envelope * tone)[: audio.shape[1] - start]
        return audio


def phrase_notes(seed, num_notes=4):
    """Draw notes of 0.3 s from C4 to B4, soft and loud."""
    generator = np.random.default_rng(seed)
    pitches, velocities = generator.integers(60, 72, num_notes), generator.permutation(num_notes) * 25 + 40
    return tuple(
        Note(0.1 + 0.4 * index, int(pitch), int(velocity), 0.3)
        for index, (pitch, velocity) in enumerate(zip(pitches, velocities, strict=True))
    )


def write_recordings(folder, *, num=6, names=tuple(FALLOFFS)):
    """Write `folder`/<instrument>/<instrument>_<number>.flac and .mid, every phrase another one."""
    orchestra = Orchestra()
    for place, name in enumerate(names):
        orchestra.set_timbre(name)
        for number in range(num):
            notes = phrase_notes(100 * place + number)
            stem = Path(folder) / name / f"{name}_{number}"
            write_midi(stem.with_suffix(".mid"), notes)
            written = read_midi(stem.with_suffix(".mid")).notes  # times as the file holds them
            write_audio(stem.with_suffix(".flac"), orchestra.render(written, 2.2), RATE, subtype="PCM_24")
    return Path(folder)
