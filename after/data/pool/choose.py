"""Which processes do the work: those of this machine, or those of a Ray cluster."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from after.data.pool.local import run_in_processes

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Workforce:
    """Who works: `workers` processes of this machine (0: this process), or the Ray cluster at the address `ray`."""

    workers: int = 1
    ray: str | None = None


def run_tasks(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    workforce: Workforce,
    *,
    ship: Callable[[Item], Item] | None = None,
    attach: Callable[[Item], Item] | None = None,
) -> Generator[tuple[Item, Result | None], None, None]:
    """Give each item with its result as they come; None where the worker died on the item.

    Args:
        work: a module-level function.
        items: what to work on.
        workforce: who works.
        ship: makes an item whole that refers to a store; applied just before the work on a cluster, where the worker
            cannot reach that store.
        attach: makes an item of this process use the store that is open here; applied just before the work.
    """
    if workforce.ray is not None:
        from after.data.pool.cluster import run_on_ray

        return run_on_ray(work, items, workforce.ray, ship=ship)
    if workforce.workers == 0 and attach is not None:
        return run_in_processes(lambda item: work(attach(item)), items, 0)
    return run_in_processes(work, items, workforce.workers)
