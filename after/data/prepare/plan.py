"""What a run of `prepare` will do: the settings in force, the files found, and those that are new or changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from after.data.extract.contract import FeatureSettings
from after.data.parsers.discovery import FileFilter, Found, FoundFile, LeftOut, find_files
from after.data.prepare.features import check_plan, choose_features, options_of
from after.data.prepare.license import licenses_by_group
from after.data.prepare.notes import stamp_of
from after.data.prepare.settings import PrepareJob, PrepareSettings, resolve_settings
from after.data.records import FileStamp, SourceRecord
from after.data.store import Store
from after.data.store_layout import is_store
from after.errors import DataError


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
        features: to compute, by the name that a user asks for them with.
    """

    settings: PrepareSettings
    known: Mapping[str, SourceRecord]
    found: tuple[FoundFile, ...]
    to_do: tuple[FoundFile, ...]
    licenses: Mapping[str, str]
    problems: tuple[LeftOut, ...] = ()
    parsers: tuple[str, ...] = ()
    features: Mapping[str, FeatureSettings] = field(default_factory=dict)

    @property
    def feature_options(self) -> dict[str, dict[str, Any]]:
        """The options behind the features, as the manifest keeps them."""
        return options_of(self.features)

    def against(self, records: Sequence[SourceRecord]) -> "Plan":
        """Give the plan for a store that holds these records."""
        known = {record.source: record for record in records}
        to_do = tuple(file for file in self.found if not _looks_unchanged(file, known.get(file.source)))
        return replace(self, known=known, to_do=to_do)


def plan(job: PrepareJob, given: Mapping[str, Any]) -> Plan:
    """Find the files and compare them with the store, writing nothing.

    Raises:
        DataError: if there is no audio, the inputs clash, or the store does not fit the settings.
        ConfigError: if a setting is out of range.
    """
    if not is_store(job.out):
        return _plan(job, given, {}, [])
    with Store.open(job.out) as store:
        return _plan(job, given, store.manifest, store.sources())


def license_of(file: FoundFile, planned: Plan, job: PrepareJob) -> str:
    """Give a file's licence: what the user says, else the parser, else what `dataset.json` says of its group."""
    return job.license or file.license or planned.licenses.get(file.group, "")


def _plan(
    job: PrepareJob, given: Mapping[str, Any], manifest: Mapping[str, Any], records: Sequence[SourceRecord]
) -> Plan:
    """Find the files and those among them that the store does not have as they are."""
    settings = resolve_settings(given, manifest, job.out)
    features = choose_features(job.features, manifest, job.device)
    check_plan(features, job.update, settings)
    found = find_files(job.inputs, FileFilter(job.include, job.exclude), settings.group_by, parser=job.parser)
    if not found.files:
        raise DataError(_no_audio(found, job))
    licenses = licenses_by_group(job.inputs)
    return Plan(settings, {}, found.files, (), licenses, found.problems, found.parsers, features).against(records)


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
