"""Work on many items in worker processes that survive Ctrl-C, a killed parent, and an item that kills its worker."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_QUEUED_PER_WORKER = 2

_stop: Event | None = None
"""In a worker process: set by the parent when the run ends early."""


class StoppedError(Exception):
    """The run ends early; the item is given up."""


def check_stop() -> None:
    """Call this now and then in long work.

    Raises:
        StoppedError: if the run has ended.
    """
    if _stop is not None and _stop.is_set():
        raise StoppedError


def run_in_processes(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int
) -> Generator[tuple[Item, Result | None], None, None]:
    """Give each item with its result as they come; None where the worker process died on the item.

    At most two results per worker wait for the caller. Closing the generator stops the workers at once.

    Args:
        work: a module-level function; what it raises is raised here.
        items: what to work on; must go through pickle between the processes, like the results.
        workers: number of processes, started afresh ("spawn"); 0 works in this process.
    """
    if workers == 0:
        for item in items:
            yield item, work(item)
        return
    queue = deque(items)
    while queue:
        # A dead worker breaks its whole pool and does not say on what it died: each item that was under way
        # gets a pool of its own.
        for suspect in (yield from _run_until_death(work, queue, workers)):
            if (yield from _run_until_death(work, deque([suspect]), 1)):
                yield suspect, None


def _run_until_death(
    work: Callable[[Item], Result], queue: deque[Item], workers: int
) -> Generator[tuple[Item, Result], None, list[Item]]:
    """Work through the queue; gives back the items under way when a worker died, or none."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(stop,))
    under_way: dict[Future[Result], Item] = {}
    try:
        while queue or under_way:
            with _interrupts_held():
                while queue and len(under_way) < _QUEUED_PER_WORKER * workers:
                    # A worker may have died since the last result, and then the pool refuses the item.
                    under_way[pool.submit(work, queue[0])] = queue[0]
                    queue.popleft()
            for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                result = future.result()
                yield under_way.pop(future), result
        return []
    except BrokenProcessPool:
        return list(under_way.values())
    finally:
        stop.set()
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Start processes with Ctrl-C blocked: they inherit it, so that only the parent reacts to it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker(stop: Event) -> None:
    """Prepare a worker process: it obeys `stop`, and ends when its parent is gone."""
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the parent's end; a killed parent cannot stop its workers."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
