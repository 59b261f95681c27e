"""A file of events for TensorBoard."""

import os
import socket
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


class EventFile:
    """Writes scalars, audio and pictures at once.

    TensorBoard's own writer works in a thread of its own, where nobody can catch that the disk is full.
    """

    def __init__(self, folder: Path, purge_from: int | None = None) -> None:
        """Start a new file.

        Args:
            folder: made if need be.
            purge_from: iteration from which on TensorBoard shall forget what earlier files hold.

        Raises:
            OSError: if it cannot be written, as everything here does.
        """
        # Imported late: TensorBoard takes longer to load than everything else here together.
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter
        from torch.utils.tensorboard import summary

        folder.mkdir(parents=True, exist_ok=True)
        # TensorBoard reads the files of a folder in the order of their names.
        name = f"events.out.tfevents.{time.time_ns()}.{socket.gethostname()}.{os.getpid()}"
        self._records: Any = RecordWriter((folder / name).open("wb"))
        self._event: Any = Event
        self._summary: Any = summary
        self._write(file_version="brain.Event:2")
        if purge_from is not None:
            self._write(step=purge_from, session_log=SessionLog(status=SessionLog.START))
        self.flush()

    def scalar(self, iteration: int, name: str, value: float) -> None:
        """Add a number."""
        self._write(step=iteration, summary=self._summary.scalar(name, value))

    def audio(self, iteration: int, name: str, samples: NDArray[Any], sample_rate: int) -> None:
        """Add audio [T] in +-1; values beyond full scale are clipped."""
        self._write(step=iteration, summary=self._summary.audio(name, np.clip(samples, -1, 1), sample_rate=sample_rate))

    def image(self, iteration: int, name: str, pixels: NDArray[Any]) -> None:
        """Add a picture [H, W] or [H, W, 3], 0..1 or uint8."""
        formats = "HW" if pixels.ndim == 2 else "HWC"
        self._write(step=iteration, summary=self._summary.image(name, pixels, dataformats=formats))

    def flush(self) -> None:
        """Let readers see what was added."""
        self._records.flush()

    def close(self) -> None:
        """Flush and close."""
        self._records.close()

    def _write(self, **fields: Any) -> None:
        self._records.write(self._event(wall_time=time.time(), **fields).SerializeToString())
