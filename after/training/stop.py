"""Stopping a training loop cleanly: signals and a time limit become a flag, numbers that are not finite an error."""

import math
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Self

from torch import Tensor

from after.errors import TrainingError


class StopRequest:
    """Context in which Ctrl-C, SIGTERM or a time limit ask the loop to save and stop; a second Ctrl-C stops at once.

    The loop reads `requested` once per iteration. Signals are handled in the main thread only (Python's rule);
    elsewhere the time limit alone works.
    """

    def __init__(self, time_limit_s: float | None = None) -> None:
        """Start counting at `__enter__`; None means no limit."""
        self.time_limit_s = time_limit_s
        self._reason: str | None = None
        self._deadline_s = math.inf
        self._previous: dict[signal.Signals, Any] = {}

    @property
    def requested(self) -> bool:
        """Tell whether to save and stop now."""
        if self._reason is None and time.monotonic() >= self._deadline_s:
            self._reason = f"time limit of {self.time_limit_s:g} s reached"
        return self._reason is not None

    @property
    def reason(self) -> str | None:
        """Say why, in words for people; None while the loop should go on."""
        return self._reason if self.requested else None

    def __enter__(self) -> Self:
        """Take over the signals and start the clock."""
        if self.time_limit_s is not None:
            self._deadline_s = time.monotonic() + self.time_limit_s
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the signals back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        name = signal.Signals(number).name
        if number == signal.SIGINT and self._reason is not None:
            raise KeyboardInterrupt
        if self._reason is None:
            self._reason = f"{name} received"


def check_finite(value: float | Tensor, iteration: int, name: str = "loss") -> None:
    """Refuse to go on with a number that is NaN or infinite: an update with it would spoil the weights.

    Args:
        value: a scalar.
        iteration: for the message.
        name: what the number is.

    Raises:
        TrainingError: it is not finite.
    """
    number = float(value.detach() if isinstance(value, Tensor) else value)
    if not math.isfinite(number):
        raise TrainingError(
            f"the {name} is {number} at iteration {iteration}; training cannot go on. The last checkpoint is good: run "
            "the same command again; if it happens again, lower training.optimizer.learning_rate or max_grad_norm"
        )
