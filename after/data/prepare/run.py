"""Make or continue a data store from folders of audio; see `prepare` for the promises."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from after.data.extract.run import check_features, extract_missing
from after.data.inspection.summary import summarize
from after.data.prepare.derived import put_copies, put_silence
from after.data.prepare.features import begin_updates, end_updates
from after.data.prepare.files import Tally, note_refused, store_files
from after.data.prepare.locking import only_writer
from after.data.prepare.plan import Plan, license_of, plan
from after.data.prepare.report import PrepareReport, warnings_of
from after.data.prepare.settings import PrepareJob
from after.data.prepare.split import settle_sides
from after.data.prepare.usage import Usage, measure_usage
from after.data.store import Store
from after.errors import DataError

Progress = Callable[[str, int, int], None]
"""Called with the stage (`files`, `copies` or `features`), and what is done of it and to do."""


def prepare(job: PrepareJob, given: Mapping[str, Any], progress: Progress | None = None) -> PrepareReport:
    """Bring a store up to date with folders of audio.

    New and changed files are decoded, mixed to mono, resampled and cut; each file's chunks and record come into being
    at once. Files already there are left alone, and so are features, so the same call continues after an
    interruption. Files that cannot be used are listed in the manifest with the reason.

    Nothing that is stored is lost to trouble: a file that was good before and is refused now (it may not be read, is
    damaged, silent or too short, or its MIDI file is bad while the audio is the same) stays as it was stored, with its
    copies and features, and is listed with the rest; each run tries it again. A file that is gone stays as well, and
    counts as absent.

    Args:
        job: inputs and output of this run.
        given: fields of `PrepareSettings`; None or absent keeps the store's value, or the default.
        progress: told after each file.

    Returns:
        what was done, also after Ctrl-C (`is_interrupted`).

    Raises:
        DataError: if there is no usable audio, another run writes the same store, or the store does not fit.
        ConfigError: if a setting is out of range.
        CheckpointError: if weights that a feature needs are missing.
    """
    started_s, usage_before = time.monotonic(), measure_usage()
    planned = plan(job, given)
    tally = Tally()
    with Store.open(job.out, "a") as store, only_writer(store.path) as spool_folder:
        planned = planned.against(store.sources())  # another run may just have ended
        check_features(store, [feature for name, feature in planned.features.items() if name not in job.update])
        _tidy(store, planned, job)
        _write_manifest(store, planned, begin_updates(store, planned.features, job.update))
        planned = replace(planned, known={record.source: record for record in store.sources()})
        try:
            _bring_up_to_date(store, planned, job, tally, (progress or _say_nothing, spool_folder))
        except KeyboardInterrupt:
            tally.is_interrupted = True
        manifest = _write_manifest(store, planned)
        here = {file.source for file in planned.found} | {problem.source for problem in planned.problems}
        absent = sum(record.kind == "recording" and record.source not in here for record in store.sources())
    if not manifest["summary"]["groups"] and not tally.is_interrupted:
        raise DataError(_nothing_usable(job, planned, manifest))
    usage = measure_usage()
    spent = Usage(usage.cpu_s - usage_before.cpu_s, usage.peak_bytes)
    return _report(planned, tally, manifest, absent=absent, wall_s=time.monotonic() - started_s, usage=spent)


def _nothing_usable(job: PrepareJob, planned: Plan, manifest: Mapping[str, Any]) -> str:
    """Say why a run stored nothing at all."""
    reasons = sorted({entry["reason"].partition(":")[0] for entry in manifest["skipped"]})
    return (
        f"none of the {len(planned.found)} audio files can be used: {', '.join(reasons)}; list them with "
        f"`after inspect_dataset {job.out} --problems`"
    )


def _report(
    planned: Plan, tally: Tally, manifest: Mapping[str, Any], *, absent: int, wall_s: float, usage: Usage
) -> PrepareReport:
    """Say what a run did."""
    return PrepareReport(
        found=len(planned.found) + len(planned.problems),
        stored=tally.stored,
        unchanged=len(planned.found) - len(planned.to_do) + tally.unchanged,
        absent=absent,
        skipped=tally.skipped + len(planned.problems),
        audio_s=max(tally.num_samples / planned.settings.sample_rate, tally.extracted.audio_s),
        wall_s=wall_s,
        usage=usage,
        crashed=(*tally.crashed_copies, *tally.extracted.crashed),
        is_interrupted=tally.is_interrupted,
        manifest=manifest,
    )


def _bring_up_to_date(
    store: Store, planned: Plan, job: PrepareJob, tally: Tally, surroundings: tuple[Progress, Path]
) -> None:
    """Store files, make what is derived from them, compute features."""
    progress, spool_folder = surroundings
    store_files(store, planned, job, tally, (lambda done, total: progress("files", done, total), spool_folder))
    store.put_records(settle_sides(store.sources(), planned.found, planned.settings))
    put_silence(store, planned.settings)
    tally.crashed_copies = put_copies(
        store,
        planned.settings,
        workforce=job.workforce,
        spool_folder=spool_folder,
        progress=lambda done, total: progress("copies", done, total),
    )
    extract_missing(
        store,
        tuple(planned.features.values()),
        workforce=job.workforce,
        spool_folder=spool_folder,
        progress=lambda done, total: progress("features", done, total),
        report=tally.extracted,
    )
    end_updates(store)


def _tidy(store: Store, planned: Plan, job: PrepareJob) -> None:
    """Make a store ready for a run: settings and licences noted, remains of a killed run and of deleted files gone."""
    store.drop_orphans()
    here = {file.source for file in planned.found}
    folders = {source.partition("/")[0] for source in (*here, *(problem.source for problem in planned.problems))}
    to_do = {file.source for file in planned.to_do}
    listed = (entry["source"] for entry in store.skipped())
    store.forget_skipped(source for source in listed if source not in to_do and source.partition("/")[0] in folders)
    for problem in planned.problems:
        note_refused(store, planned, problem.source, problem.reason)
    wanted = {file.source: license_of(file, planned, job) for file in planned.found}
    store.put_records(
        replace(record, license=wanted[source])
        for source, record in planned.known.items()
        if wanted.get(source, "") not in ("", record.license)
    )


def _write_manifest(store: Store, planned: Plan, updating: Sequence[str] = ()) -> dict[str, Any]:
    """Write the manifest from what is in the store and from the updates that begin, and give it."""
    records = store.sources()
    manifest = {
        **store.manifest,
        **({"updating": list(updating)} if updating else {}),
        **planned.settings.to_manifest(),
        "features": planned.feature_options,
        "summary": summarize(store, records, planned.settings.sample_rate),
        "skipped": store.skipped(),
        "warnings": warnings_of(records),
    }
    store.write_manifest(manifest)
    return store.manifest


def _say_nothing(stage: str, done: int, total: int) -> None:
    """Show no progress."""


def default_workers() -> int:
    """Give the number of processors this process may use."""
    return len(os.sched_getaffinity(0))
