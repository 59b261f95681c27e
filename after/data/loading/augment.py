"""Change audio crops so that a codec hears more than the recordings hold: level, phase, pitch, polyphony, silence.

All randomness comes from the generator that is given, one per item.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.signal import sosfilt

from after.audio import FloatAudio, resample
from after.settings import AugmentSettings
from after.units import SEMITONES_PER_OCTAVE, db_to_gain

MARGIN_SAMPLES = 1024
"""Audio before and after a crop in which filters and resampling settle; all-pass sections ring for less."""

_MAX_SECTIONS = 3
_POLE_CYCLES = (0.0007, 0.2)
_POLE_RADIUS = (0.9, 0.985)


def draw_pitch_ratio(rng: np.random.Generator, settings: AugmentSettings) -> float:
    """Draw the factor that frequencies are multiplied by; 1 where the pitch stays."""
    if rng.random() >= settings.pitch_probability:
        return 1.0
    semitones = rng.uniform(-settings.pitch_semitones, settings.pitch_semitones)
    return float(2.0 ** (semitones / SEMITONES_PER_OCTAVE))


def draw_gain(rng: np.random.Generator, settings: AugmentSettings) -> float:
    """Draw the factor of an item: a gain, at times a low level on top, at times the other polarity."""
    gain_db = rng.uniform(*settings.gain_range_db)
    if rng.random() < settings.quiet_probability:
        gain_db += rng.uniform(*settings.quiet_range_db)
    sign = -1.0 if rng.random() < settings.polarity_probability else 1.0
    return sign * db_to_gain(gain_db)


def draw_second_gain(rng: np.random.Generator, settings: AugmentSettings) -> float:
    """Draw the factor of a second voice beside the first; 0 for none."""
    return db_to_gain(rng.uniform(*settings.mix_range_db)) if rng.random() < settings.mix_probability else 0.0


def draw_all_pass(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw one to three all-pass sections [n, 6], as `scipy.signal.sosfilt` takes them.

    Each turns the phase by a full turn around a frequency that is uniform in octaves (31 Hz to 8.8 kHz at 44.1 kHz)
    and leaves magnitudes alone: its zeros mirror its poles. Each delays by 6 ms at most.
    """
    count = int(rng.integers(1, _MAX_SECTIONS + 1))
    low, high = _POLE_CYCLES
    cycles = low * (high / low) ** rng.uniform(size=count)
    radius = rng.uniform(*_POLE_RADIUS, size=count)
    middle, last, one = -2.0 * radius * np.cos(2.0 * np.pi * cycles), radius**2, np.ones(count)
    return np.stack([last, middle, one, one, middle, last], axis=1)


def turn_phases(audio: FloatAudio, sections: NDArray[np.float64]) -> FloatAudio:
    """Run audio [T] through all-pass sections [n, 6] from rest."""
    # in float64: a pole near 1 loses 16 bits of precision otherwise
    return np.asarray(sosfilt(sections, audio.astype(np.float64)), dtype=np.float32)


def shift_pitch(audio: FloatAudio, ratio: float) -> FloatAudio:
    """Multiply all frequencies of audio [T], formants included, by a ratio; it gets shorter by that ratio."""
    return resample(audio, ratio, 1.0)


def change_voice(
    audio: FloatAudio,
    num_samples: int,
    *,
    start: int,
    ratio: float,
    rng: np.random.Generator,
    settings: AugmentSettings,
) -> FloatAudio:
    """Shift the pitch and, at times, turn the phases of a crop with its surroundings.

    Args:
        audio: [T] around the crop.
        num_samples: of the result.
        start: where in `audio` the result begins.
        ratio: of the pitch.
        rng: of the item.
        settings: how often phases turn.

    Returns:
        [num_samples]; zeros fill up what `audio` is too short for.
    """
    voice = shift_pitch(audio, ratio)
    if rng.random() < settings.phase_probability:
        voice = turn_phases(voice, draw_all_pass(rng))
    start = round(start / ratio)
    crop = voice[start : start + num_samples]
    return np.pad(crop, (0, num_samples - len(crop)))
