"""Decode files in worker processes, and store them."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from after.data.extract.run import ExtractReport
from after.data.parsers.discovery import FoundFile
from after.data.pool.choose import run_tasks
from after.data.prepare.chunks import build_record, cut_chunks
from after.data.prepare.plan import Plan, license_of
from after.data.prepare.settings import PrepareJob
from after.data.prepare.worker import FileTask, Prepared, Refused, Unchanged, prepare_file
from after.data.records import source_id
from after.data.store import Store

Progress = Callable[[int, int], None]

KEPT = "; kept as it was stored before"
"""Ends the reason of a file that was good once."""


@dataclass(slots=True)
class Tally:
    """What the run has done so far."""

    stored: int = 0
    skipped: int = 0
    unchanged: int = 0
    num_samples: int = 0
    crashed_copies: list[str] = field(default_factory=list)
    extracted: ExtractReport = field(default_factory=ExtractReport)
    is_interrupted: bool = False


def store_files(
    store: Store, planned: Plan, job: PrepareJob, tally: Tally, surroundings: tuple[Progress, Path]
) -> None:
    """Run the worker processes and write what they bring; only this process writes."""
    progress, spool_folder = surroundings
    by_source = {file.source: file for file in planned.to_do}
    tasks = [_task(file, planned, spool_folder) for file in planned.to_do]
    with closing(run_tasks(prepare_file, tasks, job.workforce)) as results:
        for task, outcome in results:
            if isinstance(outcome, Prepared):
                file = by_source[task.source]
                record = build_record(file, outcome, planned.settings, license_of(file, planned, job))
                store.put_source(record, cut_chunks(record, task.spool_path, outcome.notes, planned.settings))
                tally.stored += 1
                tally.num_samples += record.num_samples
            elif isinstance(outcome, Unchanged):
                known = planned.known[task.source]
                store.put_records([replace(known, audio=outcome.audio, midi=outcome.midi)])
                store.forget_skipped([task.source])
                tally.unchanged += 1
            else:
                reason = outcome.reason if isinstance(outcome, Refused) else "unreadable (it makes the decoder crash)"
                note_refused(store, planned, task.source, reason)
                tally.skipped += 1
            task.spool_path.unlink(missing_ok=True)
            progress(tally.stored + tally.skipped + tally.unchanged, len(tasks))


def note_refused(store: Store, planned: Plan, source: str, reason: str) -> None:
    """Note why a file is refused, and whether that leaves an earlier version of it in the store."""
    store.put_skipped(source, reason + KEPT if source in planned.known else reason)


def _task(file: FoundFile, planned: Plan, spool_folder: Path) -> FileTask:
    """Describe the work on one file for a worker process."""
    known = planned.known.get(file.source)
    hashes = (known.audio.content_hash, known.midi.content_hash if known.midi else None) if known else None
    had_notes = known is not None and known.num_notes is not None
    spool_path = spool_folder / source_id(file.source)
    return FileTask(file.source, file.path, file.midi_path, spool_path, planned.settings, hashes, had_notes, file.notes)
