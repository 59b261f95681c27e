"""How far a batch is: a bar in a terminal, a line for each file elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from after.data.inspection.description import printable
from render.batch.report import line_of
from render.batch.run import Batch, Outcome, Progress, size_bytes


@contextmanager
def shown_progress(batch: Batch) -> Iterator[Progress]:
    """Show on stderr what is done: files, seconds of audio per second, time left."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    pace = _Pace(batch)
    if not console.is_terminal:
        yield lambda outcome: console.print(
            printable(f"{pace.add(outcome)}  {line_of(outcome)}"), markup=False, highlight=False, soft_wrap=True
        )
        return
    with Bar(BarColumn(), TextColumn("{task.description}"), console=console, transient=True) as bar:
        task = bar.add_task(pace.text, total=pace.total)
        yield lambda outcome: bar.update(task, description=pace.add(outcome), completed=pace.done)


class _Pace:
    """Files and bytes of sources done, and what follows for the time left: bytes stand for the length of a piece."""

    def __init__(self, batch: Batch) -> None:
        """Begin."""
        self._batch = batch
        self._files = 0
        self.done = 0
        self.total = sum(_weight(outcome) for outcome in batch.outcomes if outcome.step.is_to_do)
        self.text = f"0/{batch.to_do} files"

    def add(self, outcome: Outcome) -> str:
        """Count a file and say how far it is."""
        self._files += 1
        self.done += _weight(outcome)
        elapsed_s = self._batch.elapsed_s()
        left = timedelta(seconds=round(elapsed_s * (self.total - self.done) / self.done))
        speed = self._batch.audio_s / elapsed_s
        self.text = f"{self._files}/{self._batch.to_do} files, {speed:.1f} audio s per s, {left} left"
        return self.text


def _weight(outcome: Outcome) -> int:
    return max(1, size_bytes(outcome.step.item.job.source))
