"""Where to work on many items: in processes of this machine, or on a Ray cluster."""

from collections.abc import Callable, Generator, Iterable

from after.data.pool.cluster import Item, Result, run_on_ray
from after.data.pool.local import run_in_processes


def run_tasks(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    workers: int,
    ray: str | None,
    ship: Callable[[Item], Item] | None = None,
) -> Generator[tuple[Item, Result | None], None, None]:
    """Give each item with its result as they come; None where the worker process died on the item.

    Args:
        work: a module-level function; what it raises is raised here.
        items: what to work on; must go through pickle, like the results.
        workers: number of processes here; 0 works in this process. Ray uses what the cluster has.
        ray: the cluster's address as `run_on_ray` takes it; None works here.
        ship: applied to each item just before it is sent to the cluster; not used here.
    """
    if ray is None:
        return run_in_processes(work, tuple(items), workers)
    return run_on_ray(work, items, ray, ship=ship)
