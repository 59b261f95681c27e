"""How long calls take, on one thread where that is what a host would give."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread inside the block, and on as many as before after it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def time_calls_ms(calls: Iterable[Callable[[], object]], *, warm_up: int) -> NDArray[np.float64]:
    """Time each call by itself, in order.

    Args:
        calls: what to run.
        warm_up: the first calls that do not count, as TorchScript compiles in them.

    Returns:
        milliseconds of each call that counts.
    """
    times_ms = []
    for call in calls:
        begin_s = time.perf_counter()
        call()
        times_ms.append(1000.0 * (time.perf_counter() - begin_s))
    return np.array(times_ms[warm_up:])
