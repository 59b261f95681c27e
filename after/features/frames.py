"""The frame grid that every per-frame feature shares, and the check of what it is computed from."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from after.errors import AudioError


def as_mono(audio: ArrayLike) -> NDArray[np.float32]:
    """Average the channels of `audio` and check that it can be analysed.

    Args:
        audio: [C, T] or [T], full scale +-1.

    Returns:
        [T] float32.

    Raises:
        AudioError: if `audio` has more than two dimensions, is empty, or holds a NaN or an infinity.
    """
    samples = np.asarray(audio, dtype=np.float32)
    if samples.ndim not in (1, 2):
        raise AudioError(f"audio has shape {samples.shape}; features take [T] or [C, T]: pass one item of the batch")
    if samples.size == 0:
        raise AudioError(f"audio has shape {samples.shape}; features need at least one sample")
    mono = samples if samples.ndim == 1 else samples.mean(axis=0)
    if not np.isfinite(mono).all():
        where = int(np.flatnonzero(~np.isfinite(mono))[0])
        raise AudioError(f"audio is not finite at sample {where}: find out which step produced it before analysing it")
    return mono


def count_frames(num_samples: int, hop_length: int) -> int:
    """Give the number of frames that cover `num_samples`; the last one may be partly empty."""
    return -(-num_samples // hop_length)


def frame_times_s(num_frames: int, hop_length: int, sample_rate: int) -> NDArray[np.float64]:
    """Give the centre of each frame in seconds: frame k describes samples [k hop, (k + 1) hop)."""
    return (np.arange(num_frames) + 0.5) * hop_length / sample_rate


def slice_frames(mono: NDArray[np.float32], hop_length: int, window_length: int) -> NDArray[np.float32]:
    """Cut windows centred on the frames of the grid, with silence beyond both ends.

    Args:
        mono: [T].
        hop_length: samples from one frame to the next.
        window_length: samples per window, at least 1; may be longer or shorter than the hop.

    Returns:
        [L, window_length] read-only view, L = `count_frames(T, hop_length)`.
    """
    num_frames = count_frames(mono.size, hop_length)
    before = max(0, (window_length - hop_length + 1) // 2)
    skipped = max(0, (hop_length - window_length) // 2)
    needed = skipped + (num_frames - 1) * hop_length + window_length
    padded = np.zeros(max(needed, before + mono.size), dtype=np.float32)
    padded[before : before + mono.size] = mono
    windows = np.lib.stride_tricks.sliding_window_view(padded[skipped:], window_length)[::hop_length]
    return windows[:num_frames]


def level_db(mono: NDArray[np.float32], hop_length: int, *, floor_db: float = -120.0) -> NDArray[np.float32]:
    """Measure the root mean square level of each frame, in dBFS where a constant 1 is 0 dBFS.

    Args:
        mono: [T].
        hop_length: samples per frame.
        floor_db: what digital silence reads.

    Returns:
        [L] float32.
    """
    power = np.square(slice_frames(mono, hop_length, hop_length), dtype=np.float64).mean(axis=1)
    return np.asarray(10.0 * np.log10(np.maximum(power, 10.0 ** (floor_db / 10.0))), dtype=np.float32)
