"""Arrays that do not fit into memory: sound of hours lies in temporary files, and is worked on piece by piece."""

import os
import tempfile
from collections.abc import Iterator

import numpy as np

from after.audio import FloatAudio
from render.errors import RenderError

LARGE_BYTES = 1 << 26
"""From this size on an array lies in a file, in the folder for temporary files."""

PIECE_SAMPLES = 1 << 20


def zeros(shape: tuple[int, int]) -> FloatAudio:
    """Give an array of zeros [C, T], in a file that vanishes with it where it is large."""
    if 4 * shape[0] * shape[1] < LARGE_BYTES:
        return np.zeros(shape, dtype=np.float32)
    with tempfile.TemporaryFile() as file:
        _claim(file.fileno(), 4 * shape[0] * shape[1])
        return np.memmap(file, dtype=np.float32, mode="w+", shape=shape)


def _claim(descriptor: int, num_bytes: int) -> None:
    """Take the space on the disk now: where it is missing later, the process would be killed.

    Raises:
        RenderError: if there is not so much.
    """
    if not hasattr(os, "posix_fallocate"):
        return
    try:
        os.posix_fallocate(descriptor, 0, num_bytes)
    except OSError as error:
        raise RenderError(
            f"{tempfile.gettempdir()} has no room for {num_bytes >> 20} MiB of sound ({error.strerror}): make some, or "
            "name another folder by TMPDIR"
        ) from error


def pieces(num_samples: int) -> Iterator[slice]:
    """Cut a length into pieces, in order."""
    for start in range(0, num_samples, PIECE_SAMPLES):
        yield slice(start, min(start + PIECE_SAMPLES, num_samples))


def peak_of(audio: FloatAudio) -> float:
    """Give the largest magnitude in [C, T]; 0 where there is nothing."""
    parts = (audio[:, piece] for piece in pieces(audio.shape[1]))
    return max((max(float(part.max()), -float(part.min())) for part in parts), default=0.0)


def scaled(audio: FloatAudio, gain: float) -> FloatAudio:
    """Give [C, T] times a gain, in a new array."""
    result = zeros((audio.shape[0], audio.shape[1]))
    for piece in pieces(audio.shape[1]):
        np.multiply(audio[:, piece], np.float32(gain), out=result[:, piece])
    return result
