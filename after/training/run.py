"""A run folder: settings, checkpoints, metrics. Running the same command again goes on where it stopped."""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from numpy.typing import NDArray
from torch import Tensor

from after.checkpoint import list_checkpoints, read_checkpoint, read_snapshot, replace_file, write_checkpoint
from after.errors import CheckpointError
from after.training.folder_lock import FolderLock
from after.training.metrics import Metrics, Number
from after.training.state import TrainState

logger = logging.getLogger(__name__)
# Settings that may change when a run goes on: they steer training and leave alone what the weights mean.
CHANGEABLE = (
    *("training", "loss", "adversarial", "augment", "crop_samples"),
    *(
        "dropout",
        "disentangling",
        "timbre_first",
        "timbre_from",
        "level_weight",
        "crop_frames",
        "timbre_frames",
        "validation_steps",
    ),
)


class Run:
    """One training run in one folder.

    Layout: `settings.json` (snapshot), `checkpoints/<iteration>.safetensors` (each complete in itself),
    `metrics.jsonl`, `events/` (TensorBoard).
    """

    def __init__(self, folder: Path, snapshot: Mapping[str, object], *, keep: int = 2) -> None:
        """Use `Run.open` instead: it checks the folder first."""
        self.folder = folder
        self.snapshot = dict(snapshot)
        self.keep = keep
        self.metrics = Metrics(folder)
        self._lock = FolderLock(folder)
        self._is_writer = True

    @classmethod
    def follow(cls, folder: str | Path, snapshot: Mapping[str, object]) -> Self:
        """Read along in a run that another process has opened: `restore` works, nothing may be written."""
        run = cls(Path(folder), snapshot)
        run._is_writer = False
        return run

    @classmethod
    def open(
        cls,
        folder: str | Path,
        snapshot: Mapping[str, object],
        *,
        resume: bool = True,
        keep: int = 2,
        changeable: Sequence[str] = CHANGEABLE,
        defaults: Mapping[str, object] | None = None,
    ) -> Self:
        """Make the folder, or take up the run in it.

        Args:
            folder: made if need be; one process at a time may hold it.
            snapshot: JSON-able settings, stored in `settings.json` and in every checkpoint.
            resume: False refuses a folder that already holds checkpoints.
            keep: how many of the newest checkpoints stay, beside the best one.
            changeable: dotted keys (with everything below) that may differ from the stored settings.
            defaults: what holds for settings that the stored ones, written by an older version, do not name.

        Raises:
            CheckpointError: other model settings (the keys are named), in use by another process, or not to be resumed.
        """
        folder = Path(folder)
        given = json.loads(json.dumps(dict(snapshot), allow_nan=False))
        run = cls(folder, given, keep=keep)
        run._lock.acquire()
        try:
            run._check(resume, changeable, defaults or {})
            for leftover in (folder / "checkpoints").glob(".*.tmp"):
                leftover.unlink()
            replace_file(folder / "settings.json", (json.dumps(given, indent=2, sort_keys=True) + "\n").encode())
        except BaseException:
            run.close()
            raise
        return run

    def restore(self, state: TrainState) -> int:
        """Put the newest readable checkpoint into the live objects.

        Returns:
            The iteration it was saved at, 0 when there is none.

        Raises:
            CheckpointError: it does not fit the objects, or none of the checkpoints can be read.
        """
        paths = list_checkpoints(self.folder)
        for path in reversed(paths):
            try:
                tensors, snapshot = read_checkpoint(path)
            except CheckpointError as error:
                logger.warning("skipped a checkpoint: %s", error)
                continue
            values = _training_values(path, snapshot)
            state.restore(tensors, values)
            iteration = int(values["iteration"])
            if self._is_writer:
                self.metrics.rewind(iteration)
            logger.info("resumed from %s", path)
            return iteration
        if paths:
            raise CheckpointError(
                f"none of the {len(paths)} checkpoints in {self.folder} can be read: use a new run folder"
            )
        if self._is_writer:
            self.metrics.rewind(0)
        return 0

    def save(self, iteration: int, state: TrainState, metric: float | None = None) -> Path:
        """Write one complete checkpoint, then drop the ones no longer kept.

        Args:
            iteration: optimiser updates done.
            state: what to store.
            metric: measured at this iteration, lower is better; the best checkpoint stays beside the newest ones.

        Raises:
            CheckpointError: it cannot be written; the earlier checkpoints are untouched.
        """
        tensors, values = state.capture()
        training_state = {**values, "iteration": iteration, "metric": metric}
        path = self.folder / "checkpoints" / f"{iteration:08d}.safetensors"
        write_checkpoint(path, tensors, {"settings": self.snapshot, "training_state": training_state})
        self._prune()
        return path

    def best(self) -> Path | None:
        """Find the kept checkpoint with the lowest metric, or None where none has one."""
        scored = [(metric, path) for path, metric in self._scores() if metric is not None]
        return min(scored)[1] if scored else None

    def log(self, iteration: int, values: Mapping[str, Number]) -> None:
        """Log named numbers to `metrics.jsonl` and TensorBoard."""
        self.metrics.scalars(iteration, values)

    def audio(self, iteration: int, name: str, audio: Tensor | NDArray[Any], sample_rate: int) -> None:
        """Log audio [1, T] in +-1 to TensorBoard."""
        self.metrics.audio(iteration, name, audio, sample_rate)

    def image(self, iteration: int, name: str, array: Tensor | NDArray[Any]) -> None:
        """Log a picture [H, W] or [H, W, 3], 0..1 or uint8, to TensorBoard."""
        self.metrics.image(iteration, name, array)

    def close(self) -> None:
        """Flush the metrics and let other processes use the folder."""
        try:
            self.metrics.close()
        finally:
            self._lock.release()

    def __enter__(self) -> Self:
        """Give the run itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the run."""
        self.close()

    def _check(self, resume: bool, changeable: Sequence[str], defaults: Mapping[str, object]) -> None:
        path = self.folder / "settings.json"
        if not list_checkpoints(self.folder):
            return
        if not resume:
            raise CheckpointError(f"{self.folder} already holds a run: choose another folder, or resume it")
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, json.JSONDecodeError) as error:
            raise CheckpointError(f"cannot read {path} ({error}): restore it, or use a new run folder") from error
        differing = list(_differences(_completed(stored, defaults), self.snapshot))
        fixed = [f"{key} was {old}, now {new}" for key, old, new in differing if not _is_below(key, changeable)]
        if fixed:
            raise CheckpointError(
                f"run folder {self.folder} was made with other settings: {'; '.join(fixed)}. "
                "Use the same settings, or a new folder"
            )
        for key, old, new in differing:
            logger.info("setting %s changes from %s to %s", key, old, new)

    def _scores(self) -> Iterator[tuple[Path, float | None]]:
        for path in list_checkpoints(self.folder):
            try:
                metric = _training_values(path, read_snapshot(path)).get("metric")
            except CheckpointError:
                metric = None
            yield path, metric

    def _prune(self) -> None:
        best = self.best()
        for path in list_checkpoints(self.folder)[: -self.keep]:
            if path != best:
                path.unlink(missing_ok=True)


def _training_values(path: Path, snapshot: Mapping[str, object]) -> dict[str, Any]:
    values = snapshot.get("training_state")
    if not isinstance(values, dict) or "iteration" not in values:
        raise CheckpointError(f"{path} holds weights only, no training state: it cannot be resumed")
    return values


def _differences(old: object, new: object, prefix: str = "") -> Iterator[tuple[str, object, object]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _differences(old.get(key, "absent"), new.get(key, "absent"), f"{prefix}.{key}".lstrip("."))
    elif old != new:
        yield prefix, old, new


def _completed(stored: object, defaults: object) -> object:
    """Add what tables of settings lack."""
    if not isinstance(stored, dict) or not isinstance(defaults, Mapping):
        return stored
    missing = {key: value for key, value in defaults.items() if key not in stored}
    return missing | {key: _completed(value, defaults.get(key)) for key, value in stored.items()}


def _is_below(key: str, roots: Sequence[str]) -> bool:
    return any(key == root or key.startswith(f"{root}.") for root in roots)
