"""Metrics of a run: one JSON line per logged iteration, the same scalars and examples in TensorBoard."""

import json
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from after.checkpoint import replace_file
from after.errors import CheckpointError
from after.training.events import EventFile

logger = logging.getLogger(__name__)
Number = float | int | Tensor


class Metrics:
    """Appends to `metrics.jsonl` and `events/`. Reading a GPU scalar waits for the GPU: log every tenth time or so."""

    def __init__(self, folder: str | Path) -> None:
        """Use a run folder; nothing is created before the first value."""
        self.folder = Path(folder)
        self._purge_from: int | None = None
        self._events: EventFile | None = None

    @property
    def path(self) -> Path:
        """Give the JSON lines file."""
        return self.folder / "metrics.jsonl"

    def rewind(self, iteration: int) -> None:
        """Drop what was logged after `iteration`, and a last line that a crash cut off."""
        self._purge_from = iteration + 1
        if not self.path.exists():
            return
        lines = self.path.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [line for line in lines if _is_up_to(line, iteration)]
        if len(kept) != len(lines):
            replace_file(self.path, "".join(kept).encode())

    def scalars(self, iteration: int, values: Mapping[str, Number]) -> None:
        """Log named numbers; one that is not finite becomes null in the JSON."""
        numbers = {name: _to_float(value) for name, value in values.items()}
        line = {"iteration": iteration} | {name: v if math.isfinite(v) else None for name, v in numbers.items()}
        with self._writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
            events = self._opened()
            for name, value in numbers.items():
                events.scalar(iteration, name, value)
            events.flush()

    def audio(self, iteration: int, name: str, audio: Tensor | NDArray[Any], sample_rate: int) -> None:
        """Log audio [1, T] or [T] in +-1 to TensorBoard; values beyond full scale are clipped."""
        with self._writing():
            self._opened().audio(iteration, name, _to_numpy(audio).reshape(-1), sample_rate)

    def image(self, iteration: int, name: str, array: Tensor | NDArray[Any]) -> None:
        """Log a picture [H, W] or [H, W, 3], 0..1 or uint8, to TensorBoard."""
        with self._writing():
            self._opened().image(iteration, name, _to_numpy(array))

    def close(self) -> None:
        """Write out what TensorBoard's file still holds back; what does not fit on the disk is given up."""
        events, self._events = self._events, None
        if events is not None:
            try:
                events.close()
            except OSError as error:
                logger.warning("the last TensorBoard events are lost: %s", error.strerror or error)

    def _opened(self) -> EventFile:
        if self._events is None:
            self._events = EventFile(self.folder / "events", self._purge_from)
        return self._events

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Say what to do when the disk is full."""
        try:
            yield
        except OSError as error:
            raise CheckpointError(
                f"cannot write metrics to {self.folder}: {error.strerror or error}; free some space and run the same "
                "command again: it goes on from the last checkpoint"
            ) from error


def _to_float(value: Number) -> float:
    return float(value.detach() if isinstance(value, Tensor) else value)


def _to_numpy(values: Tensor | NDArray[Any]) -> NDArray[Any]:
    return values.detach().float().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _is_up_to(line: str, iteration: int) -> bool:
    try:
        return int(json.loads(line)["iteration"]) <= iteration
    except (json.JSONDecodeError, KeyError, TypeError):
        logger.warning("dropped a damaged line of metrics.jsonl")
        return False
