"""Make the batches of coming iterations in the background."""

import queue
import threading
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

Batch = TypeVar("Batch")


class Prefetcher(Generic[Batch]):
    """Calls `produce(iteration)` ahead in one thread and gives the results in order.

    The thread starts at once and holds at most `depth` results. Use it as a context manager, or call `close`.
    """

    def __init__(self, produce: Callable[[int], Batch], start_iteration: int = 0, depth: int = 4) -> None:
        """Start producing from `start_iteration` on."""
        self._produce = produce
        self._ready: queue.Queue[Batch | BaseException] = queue.Queue(max(1, depth))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(start_iteration,), name="after-prefetch", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Batch]:
        """Give the batches without end."""
        return self

    def __next__(self) -> Batch:
        """Give the next iteration's batch.

        Raises:
            Whatever `produce` raised for this iteration; the prefetcher is closed then.
        """
        if self._stop.is_set():
            raise StopIteration
        result = self._ready.get()
        if isinstance(result, BaseException):
            self.close()
            raise result
        return result

    def close(self) -> None:
        """Stop the thread and wait for it; calling it again does nothing."""
        self._stop.set()
        while self._thread.is_alive():
            # A full queue would hold the thread in `put`.
            while not self._ready.empty():
                self._ready.get_nowait()
            self._thread.join(timeout=0.05)

    def __enter__(self) -> Self:
        """Give the prefetcher itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the thread."""
        self.close()

    def _run(self, iteration: int) -> None:
        """Produce until told to stop."""
        while not self._stop.is_set():
            try:
                result: Batch | BaseException = self._produce(iteration)
            except Exception as error:
                result = error
            self._ready.put(result)
            if isinstance(result, Exception):
                return
            iteration += 1
