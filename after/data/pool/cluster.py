"""Work on many items on a Ray cluster, as `run_in_processes` does on one machine.

Every node needs this package, in the same version (a checkout that is not installed will do if it lies under the same
path everywhere), and must find the inputs under the same paths. Nodes share no folder for what they write: each writes
to its own disk and sends the file back.
"""

import os
import socket
import tempfile
import threading
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

from after.data.pool.scratch import scratch_folder
from after.errors import DataError

Item = TypeVar("Item")
Result = TypeVar("Result")

_TASKS_PER_CPU = 2
_PIECE_BYTES = 1 << 24
_PIECES_AHEAD = 2
_MOST_CRASHES = 2
_MOST_LOSSES = 5
_PROBE_S = 5.0
_CONNECT_S = 30.0
_CANCEL_S = 3.0
_FOLDER_PREFIX = "after-spool-"


@dataclass(slots=True)
class _Attempt(Generic[Item]):
    """An item, how often it killed its worker process, and how often it was lost with its node."""

    item: Item
    crashes: int = 0
    losses: int = 0

    @property
    def spool_path(self) -> Path:
        """Where the work on the item leaves its file."""
        path: Path = self.item.spool_path  # type: ignore[attr-defined]
        return path

    def is_hopeless(self) -> bool:
        return self.crashes >= _MOST_CRASHES or self.losses >= _MOST_LOSSES


def run_on_ray(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    address: str,
    *,
    ship: Callable[[Item], Item] | None = None,
) -> Generator[tuple[Item, Result | None], None, None]:
    """Give each item with its result as they come; None where the worker process died on the item.

    The work gets the item with a `spool_path` on its node's disk; what it writes there lies in the item's own
    `spool_path` when the result comes. Two tasks per processor of the cluster are under way at most. An item that kills
    its worker process is tried twice, one that is lost with its node again elsewhere. Closing the generator cancels
    what is under way. A cluster without processors is waited for, as it may grow.

    Args:
        work: a module-level function; what it raises is raised here.
        items: frozen dataclasses with a field `spool_path`; must go through pickle, like the results.
        address: "local" starts Ray on this machine until the end of the run; "auto" joins the cluster this machine
            belongs to, "host:6379" the one with this head (from one of its machines), "ray://host:10001" any other.
        ship: applied to each item just before it is sent; the item as it was is given back.

    Raises:
        DataError: if Ray is not installed, there is no cluster at the address, or the cluster fails.
    """
    ray = _import_ray()
    with _connection(ray, address):
        pool = _Pool(ray, work, ship or (lambda item: item), is_client=address.startswith("ray://"))
        try:
            yield from pool.run(items)
        except ray.exceptions.RayError as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise DataError(f"the Ray cluster at {address!r} failed: {reason}") from error
        finally:
            pool.cancel()


class _Pool(Generic[Item, Result]):
    """The tasks of one run."""

    def __init__(
        self, ray: Any, work: Callable[[Item], Result], ship: Callable[[Item], Item], *, is_client: bool
    ) -> None:
        self._ray = ray
        self._work = work
        self._ship = ship
        # Ray's client knows no streams; its older kind holds all pieces of a task in the cluster until they are read.
        self._is_client = is_client
        options: dict[str, Any] = {"num_returns": "dynamic"}
        if not is_client:
            options = {"num_returns": "streaming", "_generator_backpressure_num_objects": _PIECES_AHEAD}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "dynamic" is deprecated
            remote = ray.remote(num_cpus=1, max_retries=0, scheduling_strategy="SPREAD", **options)
            self._remote = remote(_work_on_node)
        self._again: deque[_Attempt[Item]] = deque()
        self._under_way: dict[Any, _Attempt[Item]] = {}

    def run(self, items: Iterable[Item]) -> Generator[tuple[Item, Result | None], None, None]:
        """Work through the items."""
        waiting = iter(items)
        while True:
            self._fill(waiting)
            if not self._under_way:
                return
            task = self._ray.wait(list(self._under_way), num_returns=1)[0][0]
            attempt = self._under_way[task]
            try:
                result = self._receive(task, attempt.spool_path)
            except self._ray.exceptions.RayTaskError as error:
                raise (error.cause or error) from error
            except (self._ray.exceptions.WorkerCrashedError, self._ray.exceptions.OutOfMemoryError):
                attempt.crashes += 1
            except (self._ray.exceptions.NodeDiedError, self._ray.exceptions.ObjectLostError):
                attempt.losses += 1
            else:
                del self._under_way[task]
                yield attempt.item, result
                continue
            del self._under_way[task]
            if attempt.is_hopeless():
                attempt.spool_path.unlink(missing_ok=True)
                yield attempt.item, None
            else:
                self._again.append(attempt)

    def cancel(self) -> None:
        """Stop the tasks under way and wait a little, so that they can delete their files."""
        for task in self._under_way:
            with suppress(Exception):
                self._ray.cancel(task)
        ends = [task if self._is_client else task.completed() for task in self._under_way]
        if ends:
            with suppress(Exception):
                self._ray.wait(ends, num_returns=len(ends), timeout=_CANCEL_S, fetch_local=False)

    def _fill(self, waiting: Iterator[Item]) -> None:
        """Submit tasks as long as the cluster, as large as it now is, may have more."""
        limit = _TASKS_PER_CPU * max(1, int(self._ray.cluster_resources().get("CPU", 0)))
        while len(self._under_way) < limit:
            if self._again:
                attempt = self._again.popleft()
            elif (item := next(waiting, None)) is not None:
                attempt = _Attempt(item)
            else:
                return
            self._under_way[self._remote.remote(self._work, self._ship(attempt.item))] = attempt

    def _receive(self, task: Any, spool_path: Path) -> Result:
        """Write the file of a finished task and give its result."""
        pieces = iter(self._ray.get(task) if self._is_client else task)
        result: Result
        result, has_spool = self._ray.get(next(pieces))
        if has_spool:
            with spool_path.open("wb") as spool:
                for piece in pieces:
                    spool.write(self._ray.get(piece))
        for piece in pieces:  # the end of the task, with its file deleted
            self._ray.get(piece)
        return result


def _work_on_node(work: Callable[[Any], Result], item: Any) -> Iterator[tuple[Result, bool] | bytes]:
    """Do the work, on a node: the result and whether there is a file come first, then the file in pieces."""
    with _node_folder() as folder:
        spool_path = folder / "spool"
        result = work(replace(item, spool_path=spool_path))
        has_spool = spool_path.exists()
        yield result, has_spool
        if has_spool:
            with spool_path.open("rb") as spool:
                while piece := spool.read(_PIECE_BYTES):
                    yield piece


def _node_folder() -> AbstractContextManager[Path]:
    """Give a folder on this node's disk."""
    return scratch_folder(Path(tempfile.gettempdir()), _FOLDER_PREFIX)


def _import_ray() -> Any:
    """Import Ray so that it sends no statistics."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise DataError("working on a cluster needs Ray: pip install 'after-synth[cluster]'") from error
    return ray


@contextmanager
def _connection(ray: Any, address: str) -> Iterator[None]:
    """Join the cluster, or start one for the address "local"."""
    options = {"address": address, "log_to_driver": False, "logging_level": "ERROR"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if address == "local":
            ray.init(**options, num_cpus=len(os.sched_getaffinity(0)), include_dashboard=False)
        else:
            _probe(address)
            _join(ray, options)
    # Ray prints what happens to workers and nodes on stdout, whatever its log level.
    printer = ray._private.worker
    before = getattr(printer, "_worker_logs_enabled", True)
    printer._worker_logs_enabled = False
    try:
        yield
    finally:
        ray.shutdown()
        printer._worker_logs_enabled = before


def _join(ray: Any, options: dict[str, Any]) -> None:
    """Call `ray.init` in a thread, as it waits for minutes where something else than Ray answers.

    Not for a local cluster: its processes would end with the thread that starts them.
    """
    problems: list[BaseException | None] = []

    def connect() -> None:
        try:
            ray.init(**options)
            problems.append(None)
        except BaseException as error:
            problems.append(error)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(_CONNECT_S)
    problem = problems[0] if problems else TimeoutError(f"no answer within {_CONNECT_S:g} s")
    if problem is not None:
        raise _no_cluster(options["address"], problem) from problem


def _probe(address: str) -> None:
    """Tell an address where nothing listens at once; Ray itself tries for long."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address == "auto":
        return
    if not host or not port.isdecimal():
        raise _no_cluster(address, ValueError("not an address"))
    try:
        socket.create_connection((host.strip("[]"), int(port)), _PROBE_S).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from error


def _no_cluster(address: str, error: BaseException) -> DataError:
    """Say what was given and what would do."""
    return DataError(
        f"no Ray cluster at {address!r} ({error}): give local, auto, HOST:6379 from a machine of the cluster, or "
        "ray://HOST:10001 from elsewhere; `ray start --head` starts one"
    )
