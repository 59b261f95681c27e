"""Bring the features of a store up to date: compute what is missing, in worker processes, and write it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from after.data.extract.contract import FeatureSettings
from after.data.extract.spool import read_arrays
from after.data.extract.stored_audio import AudioInStore
from after.data.extract.with_audio import run_with_audio
from after.data.extract.work import Extracted, ExtractTask, extract_features
from after.data.feature_records import FeatureRecord
from after.data.pool.choose import Workforce
from after.data.records import SourceRecord, source_id
from after.data.store import Store
from after.errors import DataError

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class ExtractReport:
    """What a run computed: recordings and their seconds of audio; recordings that made the worker crash."""

    num_recordings: int = 0
    audio_s: float = 0.0
    crashed: tuple[str, ...] = ()


def check_features(store: Store, features: Sequence[FeatureSettings]) -> None:
    """Refuse to mix values that were computed with different settings.

    Raises:
        DataError: if the store has a feature with other settings.
        AfterError: if weights or packages that a feature needs are missing.
    """
    for feature in features:
        feature.build()
        for record in store.sources():
            known = store.features.get(record, feature.name)
            if known is not None and dict(known.settings) != feature.to_manifest():
                raise DataError(
                    f"{store.path} has the feature {feature.name} with {_different(known, feature)}: leave the option "
                    f"out to keep it, or compute all of it again with --update {feature.name}"
                )


def missing_features(
    store: Store, features: Sequence[FeatureSettings]
) -> list[tuple[SourceRecord, tuple[FeatureSettings, ...]]]:
    """Give the recordings that lack features, longest first, so that no worker is left alone with a long one."""
    found = []
    for record in store.sources():
        missing = tuple(feature for feature in features if store.features.get(record, feature.name) is None)
        if missing:
            found.append((record, missing))
    return sorted(found, key=lambda pair: (-pair[0].num_chunks, pair[0].source))


def extract_missing(
    store: Store,
    features: Sequence[FeatureSettings],
    *,
    workforce: Workforce,
    spool_folder: Path,
    progress: Progress | None = None,
    report: ExtractReport | None = None,
) -> ExtractReport:
    """Compute every feature that a recording lacks. Interrupted, the next call continues.

    Args:
        store: opened for writing, by this process only.
        features: which ones, with their settings.
        workforce: which processes do the work.
        spool_folder: where workers leave arrays; emptied as they are stored.
        progress: called with seconds of audio done and to do.
        report: filled in on the way, for who wants to know what an interrupted call did.

    Raises:
        DataError: if the disk refuses.
    """
    to_do = {record.source: (record, missing) for record, missing in missing_features(store, features)}
    tasks = list(_tasks(store, to_do.values(), spool_folder))
    sample_rate = int(store.manifest["sample_rate"])
    total_s = sum(record.stored_samples for record, _ in to_do.values()) / sample_rate
    report = ExtractReport() if report is None else report

    with closing(run_with_audio(extract_features, tasks, workforce, store)) as results:
        for task, outcome in results:
            record, missing = to_do[task.source]
            if outcome is None:
                report.crashed = (*report.crashed, task.source)
            else:
                _store_features(store, record, missing, outcome, task.spool_path)
                report.num_recordings += 1
            report.audio_s += record.stored_samples / sample_rate
            task.spool_path.unlink(missing_ok=True)
            if progress is not None:
                progress(round(report.audio_s), round(total_s))
    return report


def _tasks(
    store: Store, to_do: Iterable[tuple[SourceRecord, tuple[FeatureSettings, ...]]], spool_folder: Path
) -> Iterator[ExtractTask]:
    """Describe the work on each recording for a worker process."""
    manifest = store.manifest
    for record, missing in to_do:
        audio = AudioInStore(store.path, record, int(manifest["sample_rate"]), int(manifest["chunk_samples"]))
        yield ExtractTask(record.source, audio, missing, spool_folder / source_id(f"features {record.source}"))


def _store_features(
    store: Store, record: SourceRecord, features: Sequence[FeatureSettings], outcome: Extracted, spool_path: Path
) -> None:
    """Write what a worker left, feature by feature."""
    arrays = read_arrays(spool_path)
    blocks: Iterator[tuple[int, str, bytes]] = ((array.index, array.name, array.block) for array in arrays)
    for feature, number, counts in zip(features, outcome.num_arrays, outcome.counts, strict=True):
        described = FeatureRecord(name=feature.name, settings=feature.to_manifest(), counts=counts)
        store.features.put(record, described, islice(blocks, number))


def _different(known: FeatureRecord, feature: FeatureSettings) -> str:
    """Name the settings that differ, as stored and as asked for."""
    asked = feature.to_manifest()
    names = sorted(name for name in {*known.settings, *asked} if known.settings.get(name) != asked.get(name))
    return ", ".join(f"{name} = {known.settings.get(name)}, not {asked.get(name)}" for name in names)
