"""Audio files that FFmpeg reads and libsndfile does not: m4a, aac, wma and more.

FFmpeg comes with PyAV, the optional dependency `formats`. It drops what an encoder put in front of the audio where the
container tells how much that is (m4a and its kin, matroska); a bare stream (.aac, .ac3) does not tell, and begins with
it; of wma FFmpeg drops what the usual encoder adds.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from after.data.prepare.audio_source import AudioSource, RefusedError, check_length, refusing

if TYPE_CHECKING:
    from av import AudioFrame, AudioStream

_EXACT_DURATION = "mp4"
"""Of the containers, those of this family state the audio's length to the sample."""

_DELAY_SAMPLES = 8192
"""Fragmented files count what the encoder put in front of the audio; no encoder adds more than this."""


@contextmanager
def open_av(path: Path) -> Iterator[AudioSource]:
    """Open a file.

    Raises:
        RefusedError: if FFmpeg cannot or is not installed, or there is no sound in the file.
    """
    try:
        import av
    except ImportError as error:
        raise RefusedError("needs pip install 'after-synth[formats]'") from error

    kinds = (av.FFmpegError, OSError, ValueError)
    with refusing(*kinds):
        container = av.open(path)
    with container:
        if not container.streams.audio:
            raise RefusedError("it holds no audio")
        stream = container.streams.audio[0]
        frames = _frames(container.decode(stream), kinds)
        first = next(frames, None)
        if first is None:
            raise RefusedError("empty: it holds no samples")
        is_exact = _EXACT_DURATION in container.format.name
        length = _length(stream, first.sample_rate) if is_exact else None
        yield AudioSource(first.sample_rate, first.layout.nb_channels, _blocks(first, frames, length))


def _frames(decoded: "Iterator[AudioFrame]", kinds: tuple[type[Exception], ...]) -> "Iterator[AudioFrame]":
    """Give the decoder's frames that hold something."""
    while True:
        with refusing(*kinds):
            frame = next(decoded, None)
        if frame is None:
            return
        if frame.samples:
            yield frame


def _length(stream: "AudioStream", sample_rate: int) -> int | None:
    """Give the number of samples that the container states."""
    if stream.duration is None or stream.time_base is None:
        return None
    return round(stream.duration * stream.time_base * sample_rate)


def _blocks(first: "AudioFrame", later: "Iterator[AudioFrame]", length: int | None) -> Iterator[NDArray[np.float32]]:
    """Give the samples up to the stated length: what follows it only fills the encoder's last frame."""
    sample_rate, channels = first.sample_rate, first.layout.nb_channels
    found_samples = 0
    for frame in chain([first], later):
        if (frame.sample_rate, frame.layout.nb_channels) != (sample_rate, channels):
            raise RefusedError(
                f"its format changes after {found_samples / sample_rate:.2f} s, from {channels} channels at "
                f"{sample_rate} Hz to {frame.layout.nb_channels} at {frame.sample_rate} Hz"
            )
        block = _samples(frame, channels)[: None if length is None else max(0, length - found_samples)]
        found_samples += block.shape[0]
        yield block
    if length is not None and found_samples < length - _DELAY_SAMPLES:
        check_length(found_samples, length, sample_rate)


def _samples(frame: "AudioFrame", channels: int) -> NDArray[np.float32]:
    """Give a frame as float32 [T, C] in +-1."""
    array: NDArray[np.generic] = frame.to_ndarray()
    rows = array.T if frame.format.is_planar else array.reshape(-1, channels)
    if rows.dtype.kind == "f":
        return rows.astype(np.float32)
    full_scale = 2.0 ** (8 * rows.dtype.itemsize - 1)
    middle = full_scale if rows.dtype.kind == "u" else 0.0
    return ((rows.astype(np.float64) - middle) / full_scale).astype(np.float32)
