"""Loudness and true peak of a finished mix, and the gain that brings it to a target."""

import math

import numpy as np
from numpy.typing import NDArray

from after.audio import resample
from render.large import peak_of, pieces, scaled
from render.level import protect_peak

FloatAudio = NDArray[np.float32]
MIN_S = 0.4
"""What is shorter has no integrated loudness: it is measured over blocks of this length."""

_OVERSAMPLING = 4
_MARGIN_SAMPLES = 4096


def integrated_loudness(audio: FloatAudio, sample_rate: int) -> float:
    """Give the loudness of [C, T] audio in LUFS; minus infinity for silence and what is too short.

    Source: ITU-R BS.1770-4, as pyloudnorm computes it.
    """
    import pyloudnorm

    if audio.shape[1] < MIN_S * sample_rate or not audio.any():
        return -math.inf
    return float(pyloudnorm.Meter(sample_rate).integrated_loudness(audio.T.astype(np.float64)))


def true_peak_dbtp(audio: FloatAudio) -> float:
    """Give the peak of [C, T] audio between its samples too, in dBTP; minus infinity for silence.

    Source: ITU-R BS.1770-4, annex 2: oversampled by 4.
    """
    peak = 0.0
    for piece in pieces(audio.shape[1]):
        begin = max(0, piece.start - _MARGIN_SAMPLES)
        part = resample(audio[:, begin : piece.stop + _MARGIN_SAMPLES], 1, _OVERSAMPLING)
        inner = part[:, _OVERSAMPLING * (piece.start - begin) :][:, : _OVERSAMPLING * (piece.stop - piece.start)]
        peak = max(peak, float(np.abs(inner).max(initial=0.0)))
    peak = max(peak, peak_of(audio))
    return 20.0 * math.log10(peak) if peak > 0.0 else -math.inf


def match_loudness(
    audio: FloatAudio, sample_rate: int, *, target_lufs: float, max_true_peak_dbtp: float
) -> tuple[FloatAudio, str]:
    """Scale [C, T] audio to a loudness, but never beyond a true peak; gives it with a remark for the user.

    Nothing is compressed: where the peak stands in the way, the loudness stays below its target and the remark says by
    how much.
    """
    loudness = integrated_loudness(audio, sample_rate)
    if loudness == -math.inf:
        kept, remark = protect_peak(audio)
        return kept, f"there is too little sound to have a loudness{': ' + remark if remark else ''}"
    gain_db = target_lufs - loudness
    room_db = max_true_peak_dbtp - true_peak_dbtp(audio)
    applied_db = min(gain_db, room_db)
    result = scaled(audio, 10.0 ** (applied_db / 20.0))
    reached = f"scaled by {applied_db:+.1f} dB to {loudness + applied_db:.1f} LUFS"
    if applied_db < gain_db - 0.05:
        short_db = gain_db - applied_db
        return result, f"{reached}, {short_db:.1f} dB below the target: the true peak is at {max_true_peak_dbtp:g} dBTP"
    return result, reached
