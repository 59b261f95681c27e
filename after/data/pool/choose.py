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
) -> Generator[tuple[Item, Result | None], None, None]:
    """Give each item with its result as they come; see `run_in_processes` and `run_on_ray`."""
    if workforce.ray is None:
        return run_in_processes(work, items, workforce.workers)
    from after.data.pool.cluster import run_on_ray

    return run_on_ray(work, items, workforce.ray, ship=ship)
