"""The pool on a real Ray cluster of two nodes: what it brings is what the local pool brings, whatever dies."""

import multiprocessing
import os
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager, redirect_stdout
from dataclasses import dataclass, replace
from functools import cache
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest

from after.data.pool.choose import Workforce, run_tasks
from after.data.pool.cluster import _node_folder, run_on_ray
from after.data.pool.local import check_stop, run_in_processes
from after.data.prepare.run import prepare
from after.data.prepare.settings import PrepareJob, PrepareSettings
from after.data.prepare.worker import FileTask, Prepared, Refused, prepare_file
from after.errors import DataError
from tests.unit.data.audio_folder import save, save_set, sine
from tests.unit.data.preparing import CHUNK_SAMPLES, dump

pytestmark = pytest.mark.cluster


@pytest.fixture(autouse=True)
def _nodes_find_this_module(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(repository))


def apart(check: Callable[..., None], *given: object) -> None:
    """Keep Ray out of the tests' process: it leaves threads, sockets and processes to the garbage collector."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        pool.submit(check, *given).result()


@dataclass(frozen=True, slots=True)
class Task:
    number: int
    spool_path: Path
    kind: str = "write"
    duration_s: float = 0.0
    shipped: bytes = b""
    meeting: Path = Path()


@dataclass(frozen=True, slots=True)
class Answer:
    number: int
    node: str
    shipped: bytes


def node_id() -> str:
    import ray

    return ray.get_runtime_context().get_node_id() if ray.is_initialized() else ""


def work(task: Task) -> Answer | None:
    if task.kind == "die":
        task.spool_path.write_bytes(b"half")
        os._exit(9)
    if task.kind == "fail":
        raise DataError(f"task {task.number} fails")
    if task.kind == "meet":  # on nodes with one processor, both nodes must work
        meet(task)
    until_s = time.monotonic() + task.duration_s
    while time.monotonic() < until_s:
        check_stop()
        time.sleep(0.01)
    if task.kind != "refuse":
        size_bytes = 40_000_000 if task.kind == "write much" else 1000
        task.spool_path.write_bytes(bytes([task.number]) * size_bytes)
    return Answer(task.number, node_id(), task.shipped)


def meet(task: Task) -> None:
    task.meeting.mkdir(exist_ok=True)
    (task.meeting / str(task.number)).touch()
    until_s = time.monotonic() + 30
    while len(list(task.meeting.iterdir())) < 2 and time.monotonic() < until_s:
        time.sleep(0.01)


def tasks_in(folder: Path, count: int, duration_s: float = 0.0, **kinds: tuple[int, ...]) -> list[Task]:
    folder.mkdir()
    by_number = {number: kind.replace("_", " ") for kind, numbers in kinds.items() for number in numbers}
    meeting = Path(f"{folder}_meeting").resolve()
    kind_of = {number: by_number.get(number, "write") for number in range(count)}
    return [Task(i, folder / str(i), kind, duration_s, meeting=meeting) for i, kind in kind_of.items()]


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def remains() -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob("after-spool-*"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def cluster_of_two(client_port: int) -> Iterator[Any]:
    from ray.cluster_utils import Cluster

    # A dead node is noticed after 2 s instead of 20.
    patience = {"health_check_initial_delay_ms": 0, "health_check_period_ms": 500, "health_check_failure_threshold": 4}
    head = {"include_dashboard": False, "ray_client_server_port": client_port, "_system_config": patience}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, **head})
    try:
        cluster.add_node(num_cpus=1)
        yield cluster
    finally:
        cluster.shutdown()


KINDS: dict[str, tuple[int, ...]] = {"meet": (0, 1), "refuse": (2, 5), "die": (3,), "write_much": (6,)}


@cache
def given_by_local() -> tuple[dict[int, int | None], dict[str, bytes]]:
    results = run_in_processes(work, tasks_in(Path("by_local"), 8, **KINDS), 2)
    numbers = {task.number: answer and answer.number for task, answer in results}
    Path("by_local/3").unlink()  # what a dead worker leaves is the caller's to delete
    return numbers, files_in(Path("by_local"))


def check_same_as_local(address: str) -> None:
    tasks = tasks_in(Path("by_ray"), 8, **KINDS)
    given = dict(run_on_ray(work, iter(tasks), address, ship=lambda task: replace(task, shipped=b"x")))
    assert set(given) == set(tasks)
    numbers = {task.number: answer and answer.number for task, answer in given.items()}
    assert (numbers, files_in(Path("by_ray"))) == given_by_local()
    assert {answer.shipped for answer in given.values() if answer} == {b"x"}
    assert len({answer.node for answer in given.values() if answer}) == 2


def check_errors_and_early_ends(address: str) -> None:
    with pytest.raises(DataError, match="task 3 fails") as caught:
        list(run_tasks(work, tasks_in(Path("fail"), 8, fail=(3,)), Workforce(ray=address)))
    assert type(caught.value) is DataError
    tasks = [replace(task, duration_s=100.0 * (task.number > 0)) for task in tasks_in(Path("early"), 5)]
    with closing(run_on_ray(work, tasks, address)) as results:
        assert next(results)[0].number == 0
        started_s = time.monotonic()
    assert time.monotonic() - started_s < 8


def check_prepare(address: str) -> None:
    names = {"a.wav": 1.0, "b.wav": 2.5, "short.wav": 0.1}
    for name, duration_s in names.items():
        save(Path("audio", name), np.stack([sine(220, duration_s), sine(330, duration_s)], axis=1), 48_000)
    Path("audio/broken.wav").write_bytes(b"RIFF")
    files = [Path("audio", name).resolve() for name in [*names, "broken.wav", "absent.wav"]]
    settings, before = PrepareSettings(min_seconds=0.5), remains()

    def outcomes(folder: str, ray: str | None) -> dict[str, object]:
        Path(folder).mkdir()
        tasks = [FileTask(f.name, f, None, Path(folder, f.name).resolve(), settings, None) for f in files]
        return {task.source: outcome for task, outcome in run_tasks(prepare_file, tasks, Workforce(1, ray))}

    given = outcomes("prepared_by_ray", address)
    assert given == outcomes("here", None)
    assert [type(given[f.name]) for f in files] == [Prepared, Prepared, Refused, Refused, Refused]
    assert files_in(Path("prepared_by_ray")) == files_in(Path("here"))
    assert set(files_in(Path("here"))) == {"a.wav", "b.wav"}
    assert remains() <= before


def check_store(address: str) -> None:
    """Files, copies, silence and features: the store is the same byte for byte, whoever worked."""
    save_set("set", {"piano/a.wav": 2.0, "piano/b.wav": 1.5, "flute/c.wav": 1.0})
    given = {"chunk_samples": CHUNK_SAMPLES, "min_seconds": 0.5, "copies": 1, "silent_share": 0.2}
    for out, ray in (("store_by_ray", address), ("store_here", None)):
        job = PrepareJob(inputs=(Path("set"),), out=Path(out), workers=1, features={"loudness": {}}, ray=ray)
        assert prepare(job, given).is_complete
    by_ray = dump("store_by_ray")
    assert {key.split(b"/")[0] for key in by_ray} == {b"source", b"chunk", b"array", b"feature"}
    assert by_ray == dump("store_here")


def check_lost_node(cluster: Any) -> None:
    tasks = tasks_in(Path("lost"), 12, 0.3)
    doomed = next(iter(cluster.worker_nodes))
    answers: dict[int, Answer | None] = {}
    with closing(run_on_ray(work, tasks, cluster.address)) as results:
        for task, answer in results:
            answers[task.number] = answer
            if len(answers) == 3:
                cluster.remove_node(doomed, allow_graceful=False)
    assert {number for number, answer in answers.items() if answer} == set(range(12))
    assert files_in(Path("lost")) == {str(i): bytes([i]) * 1000 for i in range(12)}


def check_cluster() -> None:
    with redirect_stdout(StringIO()) as said, cluster_of_two(free_port()) as cluster:
        for check in (check_same_as_local, check_errors_and_early_ends, check_prepare, check_store):
            check(cluster.address)
        check_lost_node(cluster)
    assert said.getvalue() == ""


def check_client() -> None:
    port = free_port()
    with cluster_of_two(port):
        for check in (check_same_as_local, check_errors_and_early_ends, check_prepare, check_store):
            check(f"ray://127.0.0.1:{port}")


def check_ray_here() -> None:
    tasks = tasks_in(Path("local"), 6)
    results = dict(run_on_ray(work, tasks, "local"))
    assert {task: answer and answer.number for task, answer in results.items()} == {task: task.number for task in tasks}
    assert len(files_in(Path("local"))) == 6
    assert node_id() == ""


def check_something_else_than_ray() -> None:
    tasks = tasks_in(Path("none"), 1)
    with (
        patch("after.data.pool.cluster._CONNECT_S", 2.0),
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(DataError, match="no answer within 2 s"),
    ):
        list(run_on_ray(work, tasks, f"127.0.0.1:{server.getsockname()[1]}"))


def test_a_cluster_gives_what_this_machine_gives() -> None:
    apart(check_cluster)  # one cluster for all, as starting one takes seconds; the loss of a node comes last


@pytest.mark.slow
def test_a_client_outside_the_cluster_gets_the_same() -> None:
    apart(check_client)


def test_local_starts_ray_and_ends_it() -> None:
    apart(check_ray_here)


def test_something_else_than_ray_is_told_in_time() -> None:
    apart(check_something_else_than_ray)


def be_killed_at_work(folder: str) -> None:
    tempfile.tempdir = folder
    with _node_folder() as spool_folder:
        (spool_folder / "spool").write_bytes(b"half")
        os._exit(9)


def test_files_of_killed_processes_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with _node_folder() as in_use:
        with pytest.raises(BrokenProcessPool):
            apart(be_killed_at_work, str(tmp_path))
        assert len(remains()) == 2
        with _node_folder() as other:
            assert remains() == {in_use, other}
    assert remains() == set()


def test_without_a_cluster_it_works_here() -> None:
    tasks = tasks_in(Path("here"), 3)
    assert dict(run_tasks(work, tasks, Workforce(0))) == {task: Answer(task.number, "", b"") for task in tasks}


@pytest.mark.parametrize("address", ["nowhere", "nowhere.invalid:6379", "127.0.0.1:{port}", "ray://127.0.0.1:{port}"])
def test_an_address_without_a_cluster_is_told_soon(address: str) -> None:
    started_s = time.monotonic()
    with pytest.raises(DataError, match=r"no Ray cluster at .*give local, auto, HOST:6379"):
        list(run_on_ray(work, tasks_in(Path("none"), 1), address.format(port=free_port())))
    assert time.monotonic() - started_s < 10


def test_a_missing_ray_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(DataError, match=r"pip install 'after-synth\[cluster\]'"):
        list(run_on_ray(work, tasks_in(Path("none"), 1), "local"))
