"""Do what is planned, and collect what became of it."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from after.data.pool.choose import Workforce, run_tasks
from render.batch.plan import Step
from render.batch.records import Records
from render.batch.work import Failed, Rendered, RenderTask, render_task
from render.job import MENDABLE

Status = Literal["rendered", "there", "refused", "failed", "waiting"]
"""What became of an item; `waiting` if the batch ended before its turn."""

CRASHED = "makes the worker process die: out of memory, or a library crashed"


@dataclass(slots=True)
class Outcome:
    """A step and what became of it."""

    step: Step
    status: Status
    rendered: Rendered | None = None
    failed: Failed | None = None


@dataclass(slots=True)
class Batch:
    """A batch on its way: what became of each step so far."""

    outcomes: list[Outcome]
    is_interrupted: bool = False
    wall_s: float = 0.0
    _started_s: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, steps: Sequence[Step]) -> "Batch":
        """Begin with what is planned."""
        return cls([Outcome(step, _before(step), failed=_refusal(step)) for step in steps])

    @property
    def to_do(self) -> int:
        """Count what was to be rendered."""
        return sum(outcome.step.is_to_do for outcome in self.outcomes)

    @property
    def is_complete(self) -> bool:
        """Whether every output is there."""
        return all(outcome.status in ("rendered", "there") for outcome in self.outcomes)

    def count(self, status: Status) -> int:
        """Count what came to one end."""
        return sum(outcome.status == status for outcome in self.outcomes)

    @property
    def audio_s(self) -> float:
        """Seconds of audio rendered."""
        return sum(outcome.rendered.audio_s for outcome in self.outcomes if outcome.rendered)

    def elapsed_s(self) -> float:
        """Give the seconds since it began."""
        return time.monotonic() - self._started_s


Progress = Callable[[Outcome], None]
"""Called after each item."""


def run_batch(
    batch: Batch, records: Records, workforce: Workforce, *, force: bool = False, progress: Progress | None = None
) -> None:
    """Render what is to be rendered; `batch` says what became of it, also when this ends early.

    Long jobs come first, so that no worker is left alone with one, and those of one instrument together. Ctrl-C ends
    it (`is_interrupted`) with whole files only.

    Args:
        batch: what is planned; filled in.
        records: of the folder; each output is remembered as it is moved there.
        workforce: who works.
        force: replace even what no batch has rendered.
        progress: called after each item.

    Raises:
        DataError: if the cluster fails.
        OSError: if the folder cannot be written to.
    """
    if not batch.to_do:
        return
    try:
        with records.spool() as spool_folder:
            tasks = list(_tasks(batch, spool_folder))
            with closing(run_tasks(render_task, tasks, workforce)) as results:
                for task, result in results:
                    outcome = batch.outcomes[task.number]
                    _finish(outcome, task, result, records, force=force)
                    if progress is not None:
                        progress(outcome)
    except KeyboardInterrupt:
        batch.is_interrupted = True
    finally:
        batch.wall_s = batch.elapsed_s()


def _tasks(batch: Batch, spool_folder: Path) -> Iterator[RenderTask]:
    """Describe the work on each item, in the order of work."""
    numbered = [(number, outcome.step.item) for number, outcome in enumerate(batch.outcomes) if outcome.step.is_to_do]
    for number, item in sorted(
        numbered, key=lambda pair: (str(pair[1].job.instrument), -size_bytes(pair[1].job.source))
    ):
        yield RenderTask(
            number=number,
            job=item.job,
            suffix=item.output.suffix,
            bit_depth=item.bit_depth,
            spool_path=spool_folder / str(number),
        )


def size_bytes(path: Path) -> int:
    """Give the size of a file, which stands for how long it plays; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _finish(
    outcome: Outcome, task: RenderTask, result: Rendered | Failed | None, records: Records, *, force: bool
) -> None:
    """Move a render to its place, or note why there is none."""
    step = outcome.step
    if isinstance(result, Rendered):
        try:
            records.put(task.spool_path, step.item.output, step.fingerprint, result.sha256, force=force)
            outcome.status, outcome.rendered = "rendered", result
        except MENDABLE as error:
            outcome.status, outcome.failed = "failed", Failed(" ".join(str(error).split()))
    else:
        outcome.status, outcome.failed = "failed", result or Failed(f"{step.item.job.source} {CRASHED}")
    task.spool_path.unlink(missing_ok=True)


def _before(step: Step) -> Status:
    return "waiting" if step.is_to_do else "there" if step.standing == "there" else "refused"


def _refusal(step: Step) -> Failed | None:
    return Failed(step.reason) if step.standing == "refused" else None
