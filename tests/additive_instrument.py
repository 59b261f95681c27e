"""A small additive synthesiser that plays the part of an exported instrument in tests of the renderer.

It is exact: a note starts at `round(onset_s * sample_rate)`, so alignment can be checked to the sample.
"""

import numpy as np

from after.audio import resample

HARMONICS = {"cello_solo": (1.0, 0.6, 0.4, 0.2), "flute": (1.0, 0.1), "trumpet": (0.6, 1.0, 0.9, 0.7), "click": ()}
RELEASE_S = 0.1


class AdditiveInstrument:
    """Sums of sines with an immediate attack and an exponential release; `click` plays single samples."""

    sample_rate = 44100
    hop_length = 1024
    latency_samples = 1024
    timbres = tuple(HARMONICS)
    plays_audio = False
    has_map = False

    def __init__(self):
        self.harmonics = None
        self.attributes = {}
        self.performances = []
        self.seed = None

    def set_timbre(self, timbre):
        self.timbre = timbre if isinstance(timbre, str) else "audio"
        if isinstance(timbre, str):
            self.harmonics = HARMONICS[timbre]
        else:
            assert timbre.ndim == 2
            self.harmonics = (float(np.abs(timbre).max()),)

    def reset(self, seed=0):
        self.seed = seed

    def set(self, **attributes):
        self.attributes |= attributes

    def render(self, notes, duration_s, *, seed=0, automation=None, out=None, progress=None):
        self.performances.append((self.timbre, seed, tuple(notes), duration_s))
        num_samples = round(duration_s * self.sample_rate)
        audio = np.zeros((1, num_samples), dtype=np.float32)
        phase = np.random.default_rng(seed).uniform(0, 2 * np.pi)
        for index, note in enumerate(notes):
            self._add(audio[0], note, phase)
            if progress is not None:
                progress((index + 1) / len(notes))
        if out is None:
            return audio
        out[:] = audio
        return out

    def _add(self, audio, note, phase):
        start = round(note.onset_s * self.sample_rate)
        level = note.velocity / 127 * 0.5
        if not self.harmonics:
            audio[start] += level
            return
        time_s = np.arange(len(audio) - start) / self.sample_rate
        envelope = np.exp(-np.maximum(0.0, time_s - note.duration_s) / RELEASE_S)
        hz = 440.0 * 2.0 ** ((note.pitch - 69) / 12)
        for number, amplitude in enumerate(self.harmonics, start=1):
            audio[start:] += amplitude * level * envelope * np.sin(2 * np.pi * hz * number * time_s + phase)


class Follower(AdditiveInstrument):
    """An instrument that is played by audio: gives it back at its own rate, with a map of timbres of two numbers."""

    plays_audio = True
    has_map = True

    def timbre_at(self, x, y):
        return np.array([x, y], dtype=np.float32)

    def set_timbre(self, timbre):
        self.timbre = timbre if isinstance(timbre, str) else tuple(timbre.tolist()) if timbre.ndim == 1 else "audio"

    def render(self, notes, duration_s, *, seed=0, automation=None, out=None, progress=None):
        raise AssertionError("it plays no notes")

    def revoice(self, audio, sample_rate, *, seed=0, automation=None, progress=None):
        self.performances.append((self.timbre, seed, audio, sample_rate))
        if progress is not None:
            progress(1.0)
        return resample(audio.mean(axis=0, keepdims=True), sample_rate, self.sample_rate)
