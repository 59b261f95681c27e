"""Note activations of a recording in a temporary file: hours of them would not fit in memory."""

import tempfile
from types import TracebackType
from typing import Self

import numpy as np

from after.errors import DataError
from after.features.note_search import measure_rise_scale, rises
from after.features.transcription import NoteActivations

_ROWS = 88
_FRAME_BYTES = 2 * _ROWS * 4
_MEMORY_BYTES = 1 << 25
"""Kept in memory up to this size, which is some nine minutes."""


class ActivationFile:
    """Activations one after the other; `num_frames` so far."""

    def __init__(self) -> None:
        """Begin an empty file, which goes when it is closed."""
        self.num_frames = 0
        self._file = tempfile.SpooledTemporaryFile(max_size=_MEMORY_BYTES)  # noqa: SIM115  `__exit__` closes it
        self._last = np.zeros((0, _ROWS), dtype=np.float32)
        self._highest_onset = 0.0
        self._highest_rise = 0.0

    def __enter__(self) -> Self:
        """Give the file itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the file."""
        self._file.close()

    def append(self, activations: NoteActivations) -> None:
        """Write the activations that follow.

        Raises:
            DataError: if the disk for temporary files refuses.
        """
        onsets, frames = activations.onsets, activations.frames
        try:
            self._file.write(np.concatenate([onsets, frames], axis=1, dtype=np.float32).tobytes())
        except OSError as error:
            raise DataError(
                f"{tempfile.gettempdir()} cannot be written ({error.strerror or error}): make room, or set TMPDIR to "
                "another folder, then run the same command again"
            ) from error
        self.num_frames += len(frames)
        with_last = np.concatenate([self._last, frames])
        self._highest_onset = max(self._highest_onset, float(onsets.max(initial=0.0)))
        self._highest_rise = max(self._highest_rise, float(rises(with_last).max(initial=0.0)))
        self._last = with_last[-2:]

    def read(self, start: int, stop: int) -> NoteActivations:
        """Read frames [start, stop)."""
        self._file.seek(start * _FRAME_BYTES)
        block = np.frombuffer(self._file.read((stop - start) * _FRAME_BYTES), np.float32).reshape(-1, 2 * _ROWS)
        return NoteActivations(block[:, :_ROWS], block[:, _ROWS:])

    @property
    def rise_scale(self) -> float:
        """What `find_notes` needs to know of the whole recording to search a piece of it."""
        return measure_rise_scale(self._highest_onset, self._highest_rise)
