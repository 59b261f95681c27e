"""Progress of a training loop: a bar on a terminal, a plain line every so often elsewhere."""

import time
from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from torch import Tensor

_WINDOW_S = 20.0
_REDRAW_S = 0.25


class TrainingProgress:
    """Shows losses, speed (iterations and seconds of audio per second) and time left; an update costs microseconds."""

    def __init__(
        self,
        iterations: int,
        *,
        start: int = 0,
        audio_s_per_iteration: float = 0.0,
        line_interval_s: float = 30.0,
        console: Console | None = None,
    ) -> None:
        """Describe the work.

        Args:
            iterations: at which the loop ends.
            start: at which it begins (more than 0 when resumed).
            audio_s_per_iteration: batch size times excerpt length; 0 leaves audio speed out.
            line_interval_s: seconds between lines where there is no terminal.
            console: where to write; stderr by default.
        """
        self.iterations = iterations
        self.iteration = start
        self.audio_s_per_iteration = audio_s_per_iteration
        self.line_interval_s = line_interval_s
        self.console = console or Console(stderr=True)
        self._marks: deque[tuple[float, int]] = deque()
        self._next_s = 0.0
        self._bar: Progress | None = None
        self._task = TaskID(0)

    @property
    def iterations_per_s(self) -> float:
        """Measure the speed over about the last 20 seconds; 0 before the second update."""
        (first_s, first), (last_s, last) = (self._marks[0], self._marks[-1]) if self._marks else ((0.0, 0), (0.0, 0))
        return (last - first) / (last_s - first_s) if last_s > first_s else 0.0

    def update(self, iteration: int, losses: Mapping[str, float | Tensor]) -> None:
        """Tell that `iteration` updates are done; tensors are read only when something is shown."""
        now_s = time.monotonic()
        self.iteration = iteration
        if now_s < self._next_s and iteration < self.iterations:
            return
        self._mark(now_s)
        self._next_s = now_s + (_REDRAW_S if self._bar else self.line_interval_s)
        text = self._describe(losses)
        if self._bar is not None:
            self._bar.update(self._task, completed=iteration, text=text, refresh=True)
        else:
            self.console.print(f"iteration {iteration}/{self.iterations}  {text}", highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        """Start the clock and, on a terminal, the bar."""
        self._mark(time.monotonic())
        if self.console.is_terminal:
            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[text]}"), TimeElapsedColumn())
            self._bar = Progress(*columns, console=self.console, auto_refresh=False)
            self._task = self._bar.add_task("", total=self.iterations, completed=self.iteration, text="")
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Take the bar down; its last state stays on the screen."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _mark(self, now_s: float) -> None:
        self._marks.append((now_s, self.iteration))
        while len(self._marks) > 2 and now_s - self._marks[1][0] > _WINDOW_S:
            self._marks.popleft()

    def _describe(self, losses: Mapping[str, float | Tensor]) -> str:
        parts = [
            f"{name} {float(value.detach() if isinstance(value, Tensor) else value):.4g}"
            for name, value in losses.items()
        ]
        speed = self.iterations_per_s
        if speed > 0:
            parts.append(f"{speed:.2f} it/s")
            if self.audio_s_per_iteration > 0:
                parts.append(f"{speed * self.audio_s_per_iteration:.1f} audio s/s")
            left_s = (self.iterations - self.iteration) / speed
            parts.append(f"{timedelta(seconds=round(left_s))} left")
        return "  ".join(parts)
