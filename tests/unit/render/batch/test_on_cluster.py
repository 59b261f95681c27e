"""A Ray cluster of two nodes renders what this machine renders."""

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from after.data.pool.choose import Workforce, run_tasks
from render.batch.work import Rendered
from tests.unit.data.test_cluster import apart, cluster_of_two, free_port
from tests.unit.render.batch.batches import batch, outputs, times, write_song, write_songs
from tests.unit.render.batch.test_processes import look_inside, tasks

pytestmark = pytest.mark.cluster


@pytest.fixture(autouse=True)
def _nodes_find_this_module(monkeypatch: pytest.MonkeyPatch, repository: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(repository))


def check_batch(address: str) -> None:
    for pitch in (50, 52, 54):
        write_song(f"stems/{pitch}.mid", pitch)
    write_songs()
    options = ("stems", "--timbre", "dark", "--effects", "room")
    result = batch(*options, "--ray", address, out="by_ray")
    assert result.exit_code == 3, result.output
    assert "12 files: 10 rendered, 0 there already, 2 failed" in result.stdout
    assert batch(*options, out="here").exit_code == 3
    assert outputs("by_ray") == outputs("here")
    assert len(outputs("here")) == 10
    at = times("by_ray")
    assert "0 rendered, 10 there already" in batch(*options, "--ray", address, out="by_ray").stdout
    assert times("by_ray") == at


def check_loads(address: str) -> None:
    results = [result for _, result in run_tasks(look_inside, tasks(12), Workforce(ray=address)) if result]
    assert len(results) == 12
    assert all(isinstance(rendered, Rendered) for rendered, _, _ in results)
    assert {loaded for _, _, loaded in results} == {1}
    assert len({process for _, process, _ in results}) <= 4


def check_cluster() -> None:
    with redirect_stdout(StringIO()), cluster_of_two(free_port()) as cluster:
        check_batch(cluster.address)
        check_loads(cluster.address)


def test_a_cluster_renders_what_this_machine_renders() -> None:
    apart(check_cluster)


def test_an_address_without_a_cluster_is_one_line() -> None:
    write_song("stems/a.mid", 60)
    result = batch("stems", "--ray", f"127.0.0.1:{free_port()}")
    assert result.exit_code == 2
    assert "no Ray cluster at" in result.stderr
    assert outputs() == {}
