"""A recording made ready to play: cut to its onset, measured, shifted to a pitch."""

from dataclasses import dataclass

import numpy as np
import soxr

from after.audio import FloatAudio, read_audio
from after.data.synthesis.samples import Sample
from after.errors import AudioError

SILENCE_DB = -90.0

_ONSET_DB = -30.0
_PREROLL_S = 0.002
_MAX_RISE_S = ((-20.0, 0.025), (-10.0, 0.050))
"""However slow the attack, it reaches these levels this soon after the cut, so the sound starts where its note does."""
_ATTACK_WINDOW_S = 1.0
_FADE_S = (0.001, 0.008)
_LEVEL_SPAN_S = 0.6
_LEVEL_WINDOW_S = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """A recording from its onset on.

    Attributes:
        sample: where it comes from.
        audio: [T] float32, mono.
        level_db: RMS of its loudest 100 ms within the first 0.6 s.
        peak_db: its highest peak.
    """

    sample: Sample
    audio: FloatAudio
    level_db: float
    peak_db: float


def read_take(sample: Sample, sample_rate: int) -> Take:
    """Read a recording, cut what precedes its onset and measure it.

    Raises:
        AudioError: if it cannot be read or holds only silence.
    """
    audio = read_audio(sample.path, sample_rate=sample_rate, mono=True)[0][0]
    peak = float(np.max(np.abs(audio)))
    if not np.isfinite(peak) or peak < 10 ** (SILENCE_DB / 20):
        raise AudioError(f"{sample.path} holds only silence; record it again or remove it")
    cut = cut_to_onset(audio, sample_rate)
    level_db = _loudest_db(cut[: int(_LEVEL_SPAN_S * sample_rate)], int(_LEVEL_WINDOW_S * sample_rate))
    return Take(sample, cut, level_db, 20 * float(np.log10(peak)))


def cut_to_onset(audio: FloatAudio, sample_rate: int) -> FloatAudio:
    """Cut leading silence and the faint part of a slow attack from [T] audio, and fade the cut edge in.

    The onset is where the magnitude first comes within 30 dB of the peak of the first second after the sound begins,
    less 2 ms; it is moved later until -20 dB follows within 25 ms and -10 dB within 50 ms.
    """
    magnitude = np.abs(audio)
    begins = int(np.argmax(magnitude > 10 ** (-50 / 20) * magnitude.max()))
    window = magnitude[begins : begins + int(_ATTACK_WINDOW_S * sample_rate)]
    peak = float(window.max())
    first = begins + int(np.argmax(window > peak * 10 ** (_ONSET_DB / 20)))
    natural_start = max(0, first - int(_PREROLL_S * sample_rate))
    start = natural_start
    for rise_db, within_s in _MAX_RISE_S:
        reached = begins + int(np.argmax(window > peak * 10 ** (rise_db / 20)))
        start = max(start, reached - int(within_s * sample_rate))
    fade_s = _FADE_S[1] if start > natural_start else _FADE_S[0]
    cut = audio[start:].copy()
    fade_samples = min(len(cut), max(1, int(fade_s * sample_rate)))
    cut[:fade_samples] *= np.linspace(0.0, 1.0, fade_samples, dtype=np.float32)
    return cut


def shift_pitch(audio: FloatAudio, cents: float, sample_rate: int) -> FloatAudio:
    """Resample [T] audio so that it sounds `cents` higher (and accordingly shorter).

    Source: libsoxr, quality HQ; band-limited, so shifting up does not alias.
    """
    if abs(cents) < 0.5:
        return audio
    ratio = 2.0 ** (cents / 1200.0)
    return np.asarray(soxr.resample(audio, sample_rate * ratio, sample_rate, quality="HQ"), dtype=np.float32)


def _loudest_db(audio: FloatAudio, window_samples: int) -> float:
    """Give the RMS in dB of the loudest window of [T] audio."""
    energy = np.concatenate([[0.0], np.cumsum(audio.astype(np.float64) ** 2)])
    length = min(window_samples, len(audio))
    mean_square = float(np.max(energy[length:] - energy[:-length])) / length
    return 10 * float(np.log10(max(mean_square, 1e-12)))
