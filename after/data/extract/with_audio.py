"""Tasks that read a stored recording, run by whoever works: each reaches the audio in its own way."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from typing import TypeVar

from after.data.extract.copies import CopyTask
from after.data.extract.stored_audio import AudioInOpenStore, AudioInStore
from after.data.extract.work import ExtractTask
from after.data.pool.choose import Workforce, run_tasks
from after.data.store import Store

Task = TypeVar("Task", CopyTask, ExtractTask)
Result = TypeVar("Result")


def run_with_audio(
    work: Callable[[Task], Result], tasks: Sequence[Task], workforce: Workforce, store: Store
) -> Generator[tuple[Task, Result | None], None, None]:
    """Give each task with its result as they come, like `run_tasks`.

    Args:
        work: a module-level function.
        tasks: with the audio in `store`.
        workforce: processes of this machine open the store, this process has it open, and a cluster's are sent samples.
        store: open in this process.
    """

    def ship(task: Task) -> Task:
        assert isinstance(task.audio, AudioInStore)
        return replace(task, audio=task.audio.ship(store))

    def attach(task: Task) -> Task:
        assert isinstance(task.audio, AudioInStore)
        return replace(task, audio=AudioInOpenStore(store, task.audio))

    return run_tasks(work, tasks, workforce, ship=ship, attach=attach)
