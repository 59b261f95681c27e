"""The pool: every item comes back once, a worker's death costs one item, errors and early ends leave no process."""

import multiprocessing
import os
import signal
import time
from contextlib import closing

import pytest

from after.data.pool.local import check_stop, run_in_processes


def double(item: int) -> int:
    return 2 * item


def die_on_three(item: int) -> int:
    if item == 3:
        os._exit(9)
    return 2 * item


def fail_on_three(item: int) -> int:
    if item == 3:
        raise LookupError("three")
    return item


def work_long(item: int) -> int:
    for _ in range(1000 * item):
        check_stop()
        time.sleep(0.01)
    return item


@pytest.mark.parametrize("workers", [0, 2])
def test_every_item_comes_back_once(workers: int) -> None:
    assert sorted(run_in_processes(double, range(20), workers)) == [(item, 2 * item) for item in range(20)]


def test_a_dead_worker_costs_only_its_item() -> None:
    results = dict(run_in_processes(die_on_three, range(8), 2))
    assert results == {item: None if item == 3 else 2 * item for item in range(8)}


def test_a_worker_that_dies_while_a_result_is_used_costs_nothing() -> None:
    results: dict[int, int | None] = {}
    with closing(run_in_processes(double, range(8), 1)) as pairs:
        for item, result in pairs:
            results[item] = result
            if item == 0:
                for worker in multiprocessing.active_children():
                    os.kill(worker.pid or 0, signal.SIGKILL)
                time.sleep(0.3)  # the pool notices, and refuses the next item
    assert results == {item: 2 * item for item in range(8)}


def test_an_error_of_the_work_is_raised_here() -> None:
    with pytest.raises(LookupError, match="three"):
        list(run_in_processes(fail_on_three, range(8), 2))
    assert multiprocessing.active_children() == []


def test_closing_stops_work_under_way() -> None:
    started_s = time.monotonic()
    with closing(run_in_processes(work_long, range(5), 2)) as results:
        assert next(results) == (0, 0)
    assert time.monotonic() - started_s < 5
    assert multiprocessing.active_children() == []
