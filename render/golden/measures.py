"""Measurements between two pieces of audio [C, T] of one rate: lag, levels, and what is left of their difference."""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

FloatArray = NDArray[np.float64]

WINDOW_FLOOR_DBFS = -50.0
"""What is quieter than this in a window or in a cell is compared as if it had this level."""

RESIDUAL_FLOOR_DBFS = -26.0
"""A reference that is quieter than this as a whole is taken to have this level where its residual is measured."""

LAG_SEARCH_S = 1.0
LEVEL_WINDOW_S = 0.1
FRAME_SAMPLES, FRAME_HOP = 2048, 1024
BAND_CENTRES_HZ = (63, 125, 250, 500, 1000, 2000, 4000, 8000, 16000)
"""Octaves; the first reaches down to 0 Hz, the last up to half the sample rate."""

_FLOOR = 10.0 ** (WINDOW_FLOOR_DBFS / 10.0)
_RESIDUAL_FLOOR = 10.0 ** (RESIDUAL_FLOOR_DBFS / 10.0)
_NOTHING = 1e-30
_EXPLAINED = 0.5
_BLOCK_SAMPLES = 2**18
_FRAMES_AT_ONCE = 1024


def find_lag(reference: FloatArray, audio: FloatArray, sample_rate: int) -> int:
    """Find by how many samples `audio` comes after `reference` [C, T]: the peak of their cross-correlation.

    A lag counts only if moving the audio back by it takes away half of the energy of the difference, each time at the
    level that fits best; of audio that differs otherwise, by its content or by rounding, the lag is 0. It is looked for
    within a second.
    """
    most = max(1, round(LAG_SEARCH_S * sample_rate))
    size = fft.next_fast_len(_BLOCK_SAMPLES + 2 * most, real=True)
    padded = np.pad(audio, ((0, 0), (most, most + _BLOCK_SAMPLES + max(0, reference.shape[1] - audio.shape[1]))))
    correlation = np.zeros(2 * most + 1)
    for start in range(0, reference.shape[1], _BLOCK_SAMPLES):
        block = reference[:, start : start + _BLOCK_SAMPLES]
        around = padded[:, start : start + block.shape[1] + 2 * most]
        spectra = np.conj(fft.rfft(block, size)) * fft.rfft(around, size)
        correlation += fft.irfft(spectra.sum(axis=0), size)[: correlation.size]
    best = int(np.argmax(correlation))
    energies = float(np.square(reference).sum()) * float(np.square(audio).sum())
    if energies == 0.0:
        return 0
    unmoved, moved = (1.0 - max(0.0, float(correlation[index])) ** 2 / energies for index in (most, best))
    return best - most if moved < _EXPLAINED * unmoved else 0


def overlap(reference: FloatArray, audio: FloatArray, lag_samples: int) -> tuple[FloatArray, FloatArray]:
    """Give the parts [C, T'] of both that belong together when `audio` comes `lag_samples` late."""
    reference = reference[:, max(0, -lag_samples) :]
    audio = audio[:, max(0, lag_samples) :]
    length = min(reference.shape[1], audio.shape[1])
    return reference[:, :length], audio[:, :length]


def level_difference_db(reference: FloatArray, audio: FloatArray) -> float:
    """Give how much louder `audio` [C, T] is as a whole, in dB."""
    return float(_ratio_db(_power(audio), _power(reference)))


def window_levels_db(reference: FloatArray, audio: FloatArray, sample_rate: int) -> FloatArray:
    """Give how much louder `audio` is in windows of 0.1 s, twice as many as fit one after another.

    Returns:
        [C, W] dB.
    """
    length = max(1, round(LEVEL_WINDOW_S * sample_rate))
    starts = range(0, max(1, reference.shape[1] - length // 2), max(1, length // 2))
    powers = [
        np.stack([np.square(x[:, start : start + length]).mean(axis=1) for start in starts], axis=1)
        for x in (audio, reference)
    ]
    return np.asarray(_ratio_db(powers[0], powers[1]))


def residual_db(reference: FloatArray, audio: FloatArray) -> float:
    """Give the energy of the difference relative to that of the reference, in dB."""
    left = max(_power(audio - reference), _NOTHING)
    return 10.0 * float(np.log10(left / max(_power(reference), _RESIDUAL_FLOOR)))


def residual_cells_db(reference: FloatArray, audio: FloatArray, sample_rate: int) -> FloatArray:
    """Give the energy of the difference relative to that of the reference, for each octave of each frame.

    Returns:
        [C, bands, L] dB; frame k is centred on sample k * `FRAME_HOP`.
    """
    left, wanted = (band_powers(x, sample_rate) for x in (audio - reference, reference))
    return np.asarray(10.0 * np.log10(np.maximum(left, _NOTHING) / np.maximum(wanted, _FLOOR)))


def band_powers(audio: FloatArray, sample_rate: int) -> FloatArray:
    """Give the mean square of audio [C, T] in the octaves of each frame, [C, bands, L]."""
    window = np.hanning(FRAME_SAMPLES + 1)[:-1]
    scale = 2.0 / (FRAME_SAMPLES * np.square(window).sum())
    padded = np.pad(audio, ((0, 0), (FRAME_SAMPLES // 2, FRAME_SAMPLES)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME_SAMPLES, axis=1)
    frames = frames[:, : audio.shape[1] + FRAME_HOP // 2 : FRAME_HOP]
    edges, _ = octaves(sample_rate)
    blocks = []
    for start in range(0, frames.shape[1], _FRAMES_AT_ONCE):
        power = np.square(np.abs(fft.rfft(frames[:, start : start + _FRAMES_AT_ONCE] * window))) * scale
        blocks.append(np.add.reduceat(power, edges, axis=2))
    return np.asarray(np.concatenate(blocks, axis=1).transpose(0, 2, 1))


def octaves(sample_rate: int) -> tuple[list[int], list[int]]:
    """Give the first bin and the centre (Hz) of each octave that lies below half the sample rate and holds a bin."""
    edges, centres = [0], [BAND_CENTRES_HZ[0]]
    for centre in BAND_CENTRES_HZ[1:]:
        edge = round(centre / np.sqrt(2.0) * FRAME_SAMPLES / sample_rate)
        if edges[-1] < edge <= FRAME_SAMPLES // 2:
            edges.append(edge)
            centres.append(centre)
    return edges, centres


def _power(audio: FloatArray) -> float:
    return float(np.square(audio).mean()) if audio.size else 0.0


def _ratio_db(powers: FloatArray | float, references: FloatArray | float) -> FloatArray | float:
    """Give ratios in dB, where both are taken to be at least as loud as the floor."""
    return 10.0 * np.log10(np.maximum(powers, _FLOOR) / np.maximum(references, _FLOOR))  # type: ignore[no-any-return]
