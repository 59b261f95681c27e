"""Prefetching: in order, ahead but not too far, errors arrive at their iteration, the thread ends."""

import itertools
import threading
import time

import pytest

from after.data.loading.prefetch import Prefetcher


def alive() -> int:
    return sum(thread.name == "after-prefetch" for thread in threading.enumerate())


def test_results_come_in_order_from_the_start_iteration() -> None:
    with Prefetcher(lambda iteration: iteration * 10, start_iteration=5) as batches:
        assert list(itertools.islice(batches, 20)) == [iteration * 10 for iteration in range(5, 25)]
    assert alive() == 0


def test_it_works_ahead_but_only_by_its_depth() -> None:
    made: list[int] = []
    with Prefetcher(lambda iteration: made.append(iteration), depth=3) as batches:
        next(batches)
        deadline_s = time.monotonic() + 5
        while len(made) < 5 and time.monotonic() < deadline_s:
            time.sleep(0.01)
        time.sleep(0.05)
        assert made == [0, 1, 2, 3, 4]


def test_an_error_arrives_at_its_iteration_and_ends_it() -> None:
    def produce(iteration: int) -> float:
        return 1 / (3 - iteration)

    batches = Prefetcher(produce)
    assert [next(batches) for _ in range(3)] == [1 / 3, 1 / 2, 1.0]
    with pytest.raises(ZeroDivisionError):
        next(batches)
    with pytest.raises(StopIteration):
        next(batches)
    assert alive() == 0


def test_closing_twice_is_fine_with_a_full_queue() -> None:
    batches = Prefetcher(lambda iteration: iteration, depth=1)
    time.sleep(0.02)
    batches.close()
    batches.close()
    assert alive() == 0
