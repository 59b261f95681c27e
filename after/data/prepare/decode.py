"""Decode one audio file to mono 16-bit samples at the store's rate, block by block."""

import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

_BLOCK_SAMPLES = 1 << 17
"""Samples over all channels per block: memory stays the same however long the file is."""

_FULL_SCALE = 32_768.0
"""16-bit files at the store's rate come through unchanged."""

PEAK_FLOOR_DB = -120.0


class _SequentialFile(soundfile.SoundFile):  # type: ignore[misc]
    """A file read from begin to end only.

    soundfile seeks after every read of a seekable file, which makes the MP3 decoder start anew and damages the audio
    at each seam.
    """

    def seekable(self) -> bool:
        """Say no, so that soundfile does not seek."""
        return False


class RefusedError(Exception):
    """A file that cannot be used; the message is the reason in the report."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What decoding found; `num_samples` at the store's rate, the rest about the file."""

    num_samples: int
    source_sample_rate: int
    source_channels: int
    peak_db: float
    clipped_samples: int


def decode(path: Path, sample_rate: int, spool: BinaryIO, between_blocks: Callable[[], None]) -> Decoded:
    """Decode a file into `spool` as little-endian int16.

    Args:
        path: any audio file libsndfile reads.
        sample_rate: of the result, in Hz.
        spool: where the samples go.
        between_blocks: called now and then; may raise to give up.

    Raises:
        RefusedError: if the file is unreadable, empty, ends early, or has NaN or infinite samples.
    """
    try:
        with _SequentialFile(os.fsencode(path)) as source:
            return _decode(source, sample_rate, spool, between_blocks)
    except (soundfile.SoundFileError, RuntimeError, ValueError, OSError) as error:
        raise RefusedError(f"unreadable ({_reason(error)})") from error


def decibels(peak: float) -> float:
    """Give a peak in dBFS, not below -120."""
    return round(max(PEAK_FLOOR_DB, 20.0 * math.log10(max(peak, 1e-9))), 2)


def _decode(
    source: soundfile.SoundFile, sample_rate: int, spool: BinaryIO, between_blocks: Callable[[], None]
) -> Decoded:
    """Decode an open file."""
    num_samples = clipped_samples = 0
    peak = 0.0
    for block in _resampled(_mono_blocks(source), source.samplerate, sample_rate):
        between_blocks()
        if block.size == 0:
            continue
        peak = max(peak, float(np.max(np.abs(block))))
        clipped_samples += int(np.count_nonzero(np.abs(block) > 1.0))
        spool.write(np.clip(np.rint(block * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2").tobytes())
        num_samples += block.size
    return Decoded(num_samples, source.samplerate, source.channels, decibels(peak), clipped_samples)


def _mono_blocks(source: soundfile.SoundFile) -> Iterator[NDArray[np.float32]]:
    """Give the mean of the channels block by block, and check what the file promises."""
    if source.frames == 0:
        raise RefusedError("empty: it holds no samples")
    frames = 0
    block_frames = max(1, _BLOCK_SAMPLES // source.channels)
    while (block := source.read(block_frames, dtype="float32", always_2d=True)).shape[0]:
        mono: NDArray[np.float32] = block[:, 0] if source.channels == 1 else block.mean(axis=1, dtype=np.float32)
        if not np.isfinite(mono).all():
            at_s = (frames + int(np.argmin(np.isfinite(mono)))) / source.samplerate
            raise RefusedError(f"NaN or infinite samples, the first at {at_s:.3f} s")
        frames += mono.size
        yield mono
    if frames < source.frames:
        promised_s, found_s = source.frames / source.samplerate, frames / source.samplerate
        raise RefusedError(f"unreadable (damaged: {promised_s:.2f} s long, but only {found_s:.2f} s can be decoded)")


def _resampled(blocks: Iterator[NDArray[np.float32]], from_rate: int, to_rate: int) -> Iterator[NDArray[np.float32]]:
    """Convert the rate of a stream of blocks, band-limited and without delay.

    Source: libsoxr, quality HQ (linear phase).
    """
    if from_rate == to_rate:
        yield from blocks
        return
    stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block))
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)


def _reason(error: Exception) -> str:
    """Give libsndfile's own words without the path, which the report prints anyway."""
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return str(text).strip().rstrip(".")
