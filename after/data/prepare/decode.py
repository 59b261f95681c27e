"""Decode one audio file to mono 16-bit samples at the store's rate, block by block."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soxr
from numpy.typing import NDArray

from after.data.parsers.walk import FFMPEG_SUFFIXES
from after.data.prepare.audio_source import AudioSource, RefusedError, refusing
from after.data.prepare.decode_av import open_av
from after.data.prepare.decode_sndfile import open_sndfile

_FULL_SCALE = 32_768.0
"""16-bit files at the store's rate come through unchanged."""

PEAK_FLOOR_DB = -120.0


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
        path: any audio file libsndfile or FFmpeg reads.
        sample_rate: of the result, in Hz.
        spool: where the samples go; what writing raises is raised here.
        between_blocks: called now and then; may raise to give up.

    Raises:
        RefusedError: if the file is unreadable, empty, ends early, or has NaN or infinite samples.
    """
    open_source = open_av if path.suffix.lower() in FFMPEG_SUFFIXES else open_sndfile
    num_samples = clipped_samples = 0
    peak = 0.0
    with open_source(path) as source:
        for block in _resampled(_mono_blocks(source), source.sample_rate, sample_rate):
            between_blocks()
            if block.size == 0:
                continue
            peak = max(peak, float(np.max(np.abs(block))))
            clipped_samples += int(np.count_nonzero(np.abs(block) > 1.0))
            spool.write(np.clip(np.rint(block * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2").tobytes())
            num_samples += block.size
        return Decoded(num_samples, source.sample_rate, source.channels, decibels(peak), clipped_samples)


def decibels(peak: float) -> float:
    """Give a peak in dBFS, not below -120."""
    return round(max(PEAK_FLOOR_DB, 20.0 * math.log10(max(peak, 1e-9))), 2)


def _mono_blocks(source: AudioSource) -> Iterator[NDArray[np.float32]]:
    """Give the mean of the channels block by block."""
    num_samples = 0
    for block in source.blocks:
        mono: NDArray[np.float32] = block[:, 0] if source.channels == 1 else block.mean(axis=1, dtype=np.float32)
        if not np.isfinite(mono).all():
            at_s = (num_samples + int(np.argmin(np.isfinite(mono)))) / source.sample_rate
            raise RefusedError(f"NaN or infinite samples, the first at {at_s:.3f} s")
        num_samples += mono.size
        yield mono


def _resampled(blocks: Iterator[NDArray[np.float32]], from_rate: int, to_rate: int) -> Iterator[NDArray[np.float32]]:
    """Convert the rate of a stream of blocks, band-limited and without delay.

    Source: libsoxr, quality HQ (linear phase).
    """
    if from_rate == to_rate:
        yield from blocks
        return
    with refusing(RuntimeError, ValueError):
        stream = soxr.ResampleStream(from_rate, to_rate, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(np.ascontiguousarray(block))
    yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
