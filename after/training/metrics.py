"""Metrics of a run: one JSON line per logged iteration, the same scalars and examples in TensorBoard."""

import json
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from after.checkpoint import replace_file
from after.errors import CheckpointError

if TYPE_CHECKING:
    from torch.utils.tensorboard.writer import SummaryWriter

logger = logging.getLogger(__name__)
Number = float | int | Tensor


class Metrics:
    """Appends to `metrics.jsonl` and `events/`. Reading a GPU scalar waits for the GPU: log every tenth time or so."""

    def __init__(self, folder: str | Path) -> None:
        """Use a run folder; nothing is created before the first value."""
        self.folder = Path(folder)
        self._purge_from: int | None = None
        self._writer: SummaryWriter | None = None

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
            writer = self._events()
            for name, value in numbers.items():
                writer.add_scalar(name, value, iteration)

    def audio(self, iteration: int, name: str, audio: Tensor | NDArray[Any], sample_rate: int) -> None:
        """Log audio [1, T] or [T] in +-1 to TensorBoard; values beyond full scale are clipped."""
        samples = _to_numpy(audio).reshape(-1)
        with self._writing():
            self._events().add_audio(name, np.clip(samples, -1, 1), iteration, sample_rate=sample_rate)

    def image(self, iteration: int, name: str, array: Tensor | NDArray[Any]) -> None:
        """Log a picture [H, W] or [H, W, 3], 0..1 or uint8, to TensorBoard."""
        pixels = _to_numpy(array)
        with self._writing():
            self._events().add_image(name, pixels, iteration, dataformats="HW" if pixels.ndim == 2 else "HWC")

    def close(self) -> None:
        """Write out what TensorBoard still holds back; what does not fit on the disk is given up."""
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                writer.close()
            except OSError as error:
                logger.warning("the last TensorBoard events are lost: %s", error.strerror or error)

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

    def _events(self) -> "SummaryWriter":
        if self._writer is None:
            # Imported late: TensorBoard takes longer to load than everything else here together.
            from torch.utils.tensorboard.writer import SummaryWriter

            self._writer = SummaryWriter(str(self.folder / "events"), purge_step=self._purge_from, flush_secs=30)
        return self._writer


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
