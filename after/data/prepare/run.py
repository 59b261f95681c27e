"""Make or continue a data store from folders of audio; see `prepare` for the promises."""

import fcntl
import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from after.data.inspection.summary import summarize
from after.data.parsers.discovery import FileFilter, Found, FoundFile, LeftOut, find_files
from after.data.pool.local import run_in_processes
from after.data.prepare.chunks import build_record, cut_chunks
from after.data.prepare.license import licenses_by_group
from after.data.prepare.notes import stamp_of
from after.data.prepare.report import PrepareReport, warnings_of
from after.data.prepare.settings import PrepareJob, PrepareSettings, resolve_settings
from after.data.prepare.split import settle_sides
from after.data.prepare.worker import FileTask, Prepared, Refused, Unchanged, prepare_file
from after.data.records import FileStamp, SourceRecord, source_id
from after.data.store import Store
from after.errors import DataError

Progress = Callable[[int, int], None]
"""Called after each file with the number of files done and to do."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run will do.

    Attributes:
        settings: those in force.
        known: what the store has, by source.
        found: all files found.
        to_do: those of them that are new or changed.
        licenses: by group, from the inputs' `dataset.json`.
        problems: what was found but cannot be taken.
        parsers: names of those that read the inputs, in their order.
    """

    settings: PrepareSettings
    known: Mapping[str, SourceRecord]
    found: tuple[FoundFile, ...]
    to_do: tuple[FoundFile, ...]
    licenses: Mapping[str, str]
    problems: tuple[LeftOut, ...] = ()
    parsers: tuple[str, ...] = ()

    def against(self, records: Sequence[SourceRecord]) -> "Plan":
        """Give the plan for a store that holds these records."""
        known = {record.source: record for record in records}
        to_do = tuple(file for file in self.found if not _looks_unchanged(file, known.get(file.source)))
        return replace(self, known=known, to_do=to_do)


@dataclass(slots=True)
class _Tally:
    """What the run has done so far."""

    stored: int = 0
    skipped: int = 0
    unchanged: int = 0
    num_samples: int = 0
    is_interrupted: bool = False


def plan(job: PrepareJob, given: Mapping[str, Any]) -> Plan:
    """Find the files and compare them with the store, writing nothing.

    Raises:
        DataError: if there is no audio, the inputs clash, or the store does not fit the settings.
        ConfigError: if a setting is out of range.
    """
    if not (job.out / "data.mdb").exists():
        return _plan(job, resolve_settings(given, {}, job.out), [])
    with Store.open(job.out) as store:
        return _plan(job, resolve_settings(given, store.manifest, job.out), store.sources())


def prepare(job: PrepareJob, given: Mapping[str, Any], progress: Progress | None = None) -> PrepareReport:
    """Bring a store up to date with folders of audio.

    New and changed files are decoded, mixed to mono, resampled and cut; each file's chunks and record come into being
    at once. Files already there are left alone, so the same call continues after an interruption. Files that cannot
    be used are listed in the manifest with the reason.

    Args:
        job: inputs and output of this run.
        given: fields of `PrepareSettings`; None or absent keeps the store's value, or the default.
        progress: told after each file.

    Returns:
        what was done, also after Ctrl-C (`is_interrupted`).

    Raises:
        DataError: if there is no usable audio, another run writes the same store, or the store does not fit.
        ConfigError: if a setting is out of range.
    """
    started_s, cpu_before_s = time.monotonic(), _cpu_s()
    planned = plan(job, given)
    tally = _Tally()
    with Store.open(job.out, "a") as store, _only_writer(store.path) as spool_folder:
        planned = planned.against(store.sources())  # another run may just have ended
        _tidy(store, planned, job)
        try:
            _store_files(store, planned, job, tally, (progress, spool_folder))
            store.put_records(settle_sides(store.sources(), planned.found, planned.settings))
        except KeyboardInterrupt:
            tally.is_interrupted = True
        manifest = _write_manifest(store, planned.settings)
        absent = len({record.source for record in store.sources()} - {file.source for file in planned.found})
    if not manifest["summary"]["groups"] and not tally.is_interrupted:
        reasons = sorted({entry["reason"].partition(":")[0] for entry in manifest["skipped"]})
        raise DataError(f"none of the {len(planned.found)} audio files can be used: {', '.join(reasons)}")
    return PrepareReport(
        found=len(planned.found) + len(planned.problems),
        stored=tally.stored,
        unchanged=len(planned.found) - len(planned.to_do) + tally.unchanged,
        absent=absent,
        skipped=tally.skipped + len(planned.problems),
        audio_s=tally.num_samples / planned.settings.sample_rate,
        wall_s=time.monotonic() - started_s,
        cpu_s=_cpu_s() - cpu_before_s,
        is_interrupted=tally.is_interrupted,
        manifest=manifest,
    )


def _plan(job: PrepareJob, settings: PrepareSettings, records: Sequence[SourceRecord]) -> Plan:
    """Find the files and those among them that the store does not have as they are."""
    found = find_files(job.inputs, FileFilter(job.include, job.exclude), settings.group_by, parser=job.parser)
    if not found.files:
        raise DataError(_no_audio(found, job))
    licenses = licenses_by_group(job.inputs)
    return Plan(settings, {}, found.files, (), licenses, found.problems, found.parsers).against(records)


def _no_audio(found: Found, job: PrepareJob) -> str:
    """Say that there is nothing to prepare, and what may be the reason."""
    if found.problems:
        first, *others = found.problems
        return f"nothing to prepare: {first.source}: {first.reason}" + (f", and {len(others)} more" if others else "")
    return (
        f"no audio in {', '.join(map(str, job.inputs))}: give folders with wav, flac, ogg, mp3, aiff or m4a files"
        + (", or widen --include and --exclude" if job.include or job.exclude else "")
        + "".join(f" (read as {name})" for name in set(found.parsers) - {"audio_midi"})
    )


def _store_files(
    store: Store, planned: Plan, job: PrepareJob, tally: _Tally, surroundings: tuple[Progress | None, Path]
) -> None:
    """Run the worker processes and write what they bring; only this process writes."""
    progress, spool_folder = surroundings
    by_source = {file.source: file for file in planned.to_do}
    tasks = [_task(file, planned, spool_folder) for file in planned.to_do]
    with closing(run_in_processes(prepare_file, tasks, job.workers)) as results:
        for task, outcome in results:
            if isinstance(outcome, Prepared):
                file = by_source[task.source]
                record = build_record(file, outcome, planned.settings, _license(file, planned, job))
                store.put_source(record, cut_chunks(record, task.spool_path, outcome.notes, planned.settings))
                tally.stored += 1
                tally.num_samples += record.num_samples
            elif isinstance(outcome, Unchanged):
                known = planned.known[task.source]
                store.put_records([replace(known, audio=outcome.audio, midi=outcome.midi)])
                tally.unchanged += 1
            else:
                reason = outcome.reason if isinstance(outcome, Refused) else "unreadable (it makes the decoder crash)"
                store.put_skipped(task.source, reason)
                tally.skipped += 1
            task.spool_path.unlink(missing_ok=True)
            if progress:
                progress(tally.stored + tally.skipped + tally.unchanged, len(tasks))


def _license(file: FoundFile, planned: Plan, job: PrepareJob) -> str:
    """Give a file's licence: what the user says, else the parser, else what `dataset.json` says of its group."""
    return job.license or file.license or planned.licenses.get(file.group, "")


def _tidy(store: Store, planned: Plan, job: PrepareJob) -> None:
    """Make a store ready for a run: settings and licences noted, remains of a killed run and of deleted files gone."""
    store.drop_orphans()
    here = {file.source for file in planned.found}
    folders = {source.partition("/")[0] for source in (*here, *(problem.source for problem in planned.problems))}
    listed = (entry["source"] for entry in store.skipped())
    store.forget_skipped(source for source in listed if source not in here and source.partition("/")[0] in folders)
    for problem in planned.problems:
        store.put_skipped(problem.source, problem.reason)
    wanted = {file.source: _license(file, planned, job) for file in planned.found}
    store.put_records(
        replace(record, license=wanted[source])
        for source, record in planned.known.items()
        if wanted.get(source, "") not in ("", record.license)
    )
    _write_manifest(store, planned.settings)


def _task(file: FoundFile, planned: Plan, spool_folder: Path) -> FileTask:
    """Describe the work on one file for a worker process."""
    known = planned.known.get(file.source)
    hashes = (known.audio.content_hash, known.midi.content_hash if known.midi else None) if known else None
    spool_path = spool_folder / source_id(file.source)
    return FileTask(file.source, file.path, file.midi_path, spool_path, planned.settings, hashes, file.notes)


def _write_manifest(store: Store, settings: PrepareSettings) -> dict[str, Any]:
    """Write the manifest from what is in the store, and give it."""
    records = store.sources()
    manifest = {
        **settings.to_manifest(),
        "summary": summarize(store, records, settings.sample_rate),
        "skipped": store.skipped(),
        "warnings": warnings_of(records),
    }
    store.write_manifest(manifest)
    return store.manifest


def _looks_unchanged(file: FoundFile, record: SourceRecord | None) -> bool:
    """Tell from size and time alone, as nearly every file of a resumed run is unchanged."""
    if record is None or (record.midi is None) == file.has_notes:
        return False
    if file.notes is not None and record.midi != stamp_of(file.notes):
        return False
    pairs: list[tuple[Path, FileStamp]] = [(file.path, record.audio)]
    if file.midi_path is not None and record.midi is not None:
        pairs.append((file.midi_path, record.midi))
    try:
        status = [(path.stat(), stamp) for path, stamp in pairs]
    except OSError:
        return False
    return all(found.st_size == stamp.size_bytes and found.st_mtime_ns == stamp.mtime_ns for found, stamp in status)


@contextmanager
def _only_writer(path: Path) -> Iterator[Path]:
    """Keep other runs out of the store and give a fresh folder for decoded files, inside the store's disk."""
    spool_folder = path / "spool"
    with (path / "prepare.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(f"another prepare_dataset is writing {path}; wait for it, or name another --out") from error
        shutil.rmtree(spool_folder, ignore_errors=True)
        spool_folder.mkdir()
        try:
            yield spool_folder
        finally:
            shutil.rmtree(spool_folder, ignore_errors=True)


def _cpu_s() -> float:
    """Processor time of this process and its finished children."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def default_workers() -> int:
    """Give the number of processors this process may use."""
    return len(os.sched_getaffinity(0))
