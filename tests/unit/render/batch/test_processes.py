"""Worker processes render what one process renders, whatever is killed, interrupted or done at the same time."""

import os
import signal
from pathlib import Path

import pytest
import soundfile

from after.data.pool.choose import Workforce, run_tasks
from render.batch.work import Failed, Rendered, RenderTask, _loaded, render_task
from render.engine import RenderSettings
from render.job import Job
from tests.unit.render.batch.batches import (
    INSTRUMENT,
    batch,
    finish,
    group_is_gone,
    names,
    outputs,
    start,
    times,
    wait_for_outputs,
    write_song,
    write_songs,
)

NUM_SONGS = 12


def write_long_songs() -> None:
    """Write songs that take a good part of a second each."""
    for number in range(NUM_SONGS):
        write_song(f"stems/{'ab'[number % 2]}/{number}.mid", 40 + number, notes=60)


def assert_whole(folder: str = "out") -> None:
    for name in names(folder):
        frames, _ = soundfile.read(Path(folder, name))
        assert len(frames) > 44100 * 30


def test_any_number_of_workers_gives_the_same() -> None:
    write_songs()
    assert batch("stems", out="none").exit_code == 3
    for workers in (1, 2):
        result = batch("stems", workers=workers, out=f"by_{workers}")
        assert result.exit_code == 3, result.output
        assert "2 rendered, 0 there already, 1 failed" in result.stdout
        assert outputs(f"by_{workers}") == outputs("none")
    assert len(outputs("none")) == 2


def test_a_killed_batch_is_taken_up_where_it_stopped() -> None:
    write_long_songs()
    process = start("stems", "--workers", 2)
    wait_for_outputs(process, 3)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGKILL
    assert group_is_gone(process.pid)
    kept = times()
    assert 3 <= len(kept) < NUM_SONGS
    assert_whole()
    output, _ = finish(start("stems", "--workers", 2))
    assert f"{NUM_SONGS - len(kept)} rendered, {len(kept)} there already" in output
    assert {name: times()[name] for name in kept} == kept
    assert sorted(path.name for path in Path("out/.after-batch").iterdir()) == ["lock", "records"]
    assert batch("stems", out="undisturbed").exit_code == 0
    assert outputs() == outputs("undisturbed")
    assert len(outputs()) == NUM_SONGS


@pytest.mark.parametrize("workers", [0, 2])
def test_ctrl_c_keeps_what_is_finished_and_leaves_nothing_half_written(workers: int) -> None:
    write_long_songs()
    process = start("stems", "--workers", workers, "--report", "report.json")
    wait_for_outputs(process, 2)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does, to every process of the foreground group
    output, errors = finish(process, exit_code=130)
    assert group_is_gone(process.pid)
    assert errors.splitlines()[-1] == "interrupted: what is written is whole; the same command continues"
    kept = times()
    assert 2 <= len(kept) < NUM_SONGS
    assert_whole()
    assert f"{len(kept)} rendered, 0 there already, {NUM_SONGS - len(kept)} waiting" in output
    assert '"is_interrupted": true' in Path("report.json").read_text()
    assert sorted(path.name for path in Path("out/.after-batch").iterdir()) == ["lock", "records"]
    result = batch("stems")
    assert f"{NUM_SONGS - len(kept)} rendered, {len(kept)} there already" in result.stdout
    assert {name: times()[name] for name in kept} == kept


def test_two_batches_at_once_share_a_folder() -> None:
    write_songs()
    for pitch in (50, 52, 54):
        write_song(f"stems/{pitch}.mid", pitch, notes=10)
    processes = [start("stems", "--workers", 1) for _ in range(2)]
    for process in processes:
        finish(process, exit_code=3)
    assert "0 rendered, 5 there already, 1 failed" in batch("stems").stdout
    batch("stems", out="alone")
    assert outputs() == outputs("alone")


def look_inside(task: RenderTask) -> tuple[Rendered | Failed, int, int]:
    """Render, and tell how many instruments this process has loaded so far."""
    return render_task(task), os.getpid(), _loaded.cache_info().misses


def tasks(number: int) -> list[RenderTask]:
    songs = [write_song(f"songs/{n}.mid", 50 + n).absolute() for n in range(number)]
    Path("spool").mkdir(exist_ok=True)
    jobs = [
        Job(source=song, timbre="bright", instrument=Path(INSTRUMENT).absolute(), settings=RenderSettings(tail_s=0.2))
        for song in songs
    ]
    return [
        RenderTask(number=n, job=job, suffix=".wav", bit_depth=24, spool_path=Path("spool", str(n)).absolute())
        for n, job in enumerate(jobs)
    ]


def test_each_process_loads_its_instrument_once() -> None:
    results = [result for _, result in run_tasks(look_inside, tasks(8), Workforce(2)) if result]
    assert len(results) == 8
    assert all(isinstance(rendered, Rendered) for rendered, _, _ in results)
    assert len({process for _, process, _ in results}) <= 2
    assert {loaded for _, _, loaded in results} == {1}


def test_what_nobody_foresaw_costs_one_render_and_keeps_its_traceback() -> None:
    (task,) = tasks(1)
    broken = RenderTask(number=0, job=task.job, suffix=".wav", bit_depth=7, spool_path=task.spool_path)
    result = render_task(broken)
    assert isinstance(result, Failed)
    assert result.reason == "unforeseen KeyError: 7"
    assert "Traceback" in result.details


def test_torch_keeps_its_threads() -> None:
    import torch

    (task,) = tasks(1)
    torch.set_num_threads(2)
    assert isinstance(render_task(task), Rendered)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(1)
