"""Audio files that libsndfile reads: wav, flac, ogg, opus, mp3, aiff and more."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from after.data.prepare.audio_source import BLOCK_SAMPLES, AudioSource, RefusedError, check_length, refusing

_ERRORS = (soundfile.SoundFileError, RuntimeError, ValueError, OSError)


class _SequentialFile(soundfile.SoundFile):  # type: ignore[misc]
    """A file read from begin to end only.

    soundfile seeks after every read of a seekable file, which makes the MP3 decoder start anew and damages the audio
    at each seam.
    """

    def seekable(self) -> bool:
        """Say no, so that soundfile does not seek."""
        return False


@contextmanager
def open_sndfile(path: Path) -> Iterator[AudioSource]:
    """Open a file.

    Raises:
        RefusedError: if libsndfile cannot, or there is no sound in it.
    """
    with refusing(*_ERRORS):
        file = _SequentialFile(os.fsencode(path))
    with file:
        if file.frames == 0:
            raise RefusedError("empty: it holds no samples")
        yield AudioSource(file.samplerate, file.channels, _blocks(file))


def _blocks(file: soundfile.SoundFile) -> Iterator[NDArray[np.float32]]:
    """Give the samples, and check that there are as many as promised."""
    found_samples = 0
    block_length = max(1, BLOCK_SAMPLES // file.channels)
    while True:
        with refusing(*_ERRORS):
            block = file.read(block_length, dtype="float32", always_2d=True)
        if not block.shape[0]:
            break
        found_samples += block.shape[0]
        yield block
    check_length(found_samples, file.frames, file.samplerate)
