"""Conversions between decibels, hertz, MIDI pitch, seconds, samples and frames: pure functions of plain numbers."""

import math

REFERENCE_PITCH = 69
REFERENCE_HZ = 440.0
SEMITONES_PER_OCTAVE = 12
CENTS_PER_OCTAVE = 1200


def db_to_gain(level_db: float) -> float:
    """Give the amplitude factor of a level in dB: 0 dB is 1, -20 dB is 0.1, minus infinity is 0."""
    return float(10.0 ** (level_db / 20.0))


def gain_to_db(gain: float) -> float:
    """Give the level in dB of an amplitude factor; 0 gives minus infinity.

    Raises:
        ValueError: if `gain` is negative.
    """
    if gain < 0:
        raise ValueError(f"gain is {gain}; an amplitude factor is zero or more: take its absolute value first")
    return 20.0 * math.log10(gain) if gain > 0 else -math.inf


def pitch_to_hz(pitch: float) -> float:
    """Give the frequency of a MIDI pitch in equal temperament: 69 is 440 Hz; fractions are microtones."""
    return float(REFERENCE_HZ * 2.0 ** ((pitch - REFERENCE_PITCH) / SEMITONES_PER_OCTAVE))


def hz_to_pitch(frequency_hz: float) -> float:
    """Give the MIDI pitch, with its fraction, of a frequency.

    Raises:
        ValueError: if `frequency_hz` is not above zero.
    """
    if frequency_hz <= 0:
        raise ValueError(f"frequency is {frequency_hz} Hz; a pitch needs a frequency above 0 Hz")
    return REFERENCE_PITCH + SEMITONES_PER_OCTAVE * math.log2(frequency_hz / REFERENCE_HZ)


def cents_between(from_hz: float, to_hz: float) -> float:
    """Give the signed distance between two frequencies in cents: an octave up is 1200.

    Raises:
        ValueError: if either frequency is not above zero.
    """
    if from_hz <= 0 or to_hz <= 0:
        raise ValueError(f"frequencies are {from_hz} Hz and {to_hz} Hz; an interval needs both above 0 Hz")
    return CENTS_PER_OCTAVE * math.log2(to_hz / from_hz)


def seconds_to_samples(time_s: float, sample_rate: int) -> int:
    """Give the nearest sample index of a time; a tie goes to the later sample."""
    return math.floor(time_s * sample_rate + 0.5)


def samples_to_seconds(samples: int, sample_rate: int) -> float:
    """Give the time of a sample index in seconds."""
    return samples / sample_rate


def samples_to_frames(samples: int, hop_length: int) -> int:
    """Give how many frames cover `samples`: the last frame may be partly filled."""
    return -(-samples // hop_length)


def frames_to_samples(frames: int, hop_length: int) -> int:
    """Give how many samples `frames` span."""
    return frames * hop_length


def frame_rate(sample_rate: int, hop_length: int) -> float:
    """Give the frames per second of a hop: 44100 Hz and 1024 samples give 43.07."""
    return sample_rate / hop_length


def ms_to_samples(time_ms: float, sample_rate: int) -> int:
    """Give the nearest number of samples in a time in milliseconds."""
    return seconds_to_samples(time_ms / 1000.0, sample_rate)


def samples_to_ms(samples: int, sample_rate: int) -> float:
    """Give the duration of `samples` in milliseconds."""
    return 1000.0 * samples / sample_rate
