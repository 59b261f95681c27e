"""The summary in a store's manifest: hours, groups, features and histograms, counted from the records alone."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from after.data.feature_records import FeatureRecord
from after.data.inspection.histograms import NUM_PITCHES, as_json, count_durations
from after.data.records import SourceRecord
from after.data.store import Store

_SPLITS = ("train", "validation")
_KINDS = ("recording", "copy", "silence")


@dataclass(slots=True)
class _Size:
    """How much there is of something."""

    samples: int = 0
    files: int = 0
    chunks: int = 0

    def add(self, record: SourceRecord) -> None:
        """Add a file."""
        self.samples += record.stored_samples
        self.files += 1
        self.chunks += record.num_chunks

    def to_json(self, sample_rate: int) -> dict[str, float]:
        """Give hours, files and chunks."""
        return {
            "hours": round(self.samples / sample_rate / 3600, 6),
            "files": self.files,
            "chunks": self.chunks,
        }


@dataclass(slots=True)
class _Feature:
    """One feature with one set of settings, and how many files of each kind have all of it."""

    record: FeatureRecord
    files: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """Give name, settings and files by kind."""
        files = {kind: self.files[kind] for kind in _KINDS}
        return {"name": self.record.name, "settings": dict(self.record.settings), "files": files}


def summarize(store: Store, records: Sequence[SourceRecord], sample_rate: int) -> dict[str, Any]:
    """Count what a store holds, in one pass over its records.

    Copies and silence are counted under "kinds" and "features" only; everything else is about recordings.

    Args:
        store: where the features' records are.
        records: of the files to count.
        sample_rate: of the store, Hz.

    Returns:
        JSON: hours, files and chunks by split, group and kind; features with their settings; histograms of notes'
        pitches (128 numbers), of durations, and of what the features counted (see `histograms.from_json`).
    """
    recordings = [record for record in records if record.kind == "recording"]
    features, histograms = _gather_features(store, records)
    pitches: Counter[int] = Counter()
    for record in recordings:
        pitches.update(record.pitch_counts)
    return {
        **_measure(records, sample_rate),
        "features": features,
        "files_with_notes": sum(record.num_notes is not None for record in recordings),
        "notes": sum(record.num_notes or 0 for record in recordings),
        "pitch_histogram": [pitches[pitch] for pitch in range(NUM_PITCHES)],
        "duration_histogram": count_durations(record.num_samples / sample_rate for record in recordings),
        "histograms": histograms,
        "clipped_samples": sum(record.clipped_samples for record in recordings),
        "dropped_s": round(sum(record.dropped_samples for record in recordings) / sample_rate, 3),
    }


def _measure(records: Iterable[SourceRecord], sample_rate: int) -> dict[str, Any]:
    """Measure kinds, splits and groups."""
    kinds = {kind: _Size() for kind in _KINDS}
    splits = {split: _Size() for split in _SPLITS}
    groups: defaultdict[str, dict[str, _Size]] = defaultdict(lambda: {split: _Size() for split in _SPLITS})
    for record in records:
        kinds[record.kind].add(record)
        if record.kind == "recording":
            splits[record.split].add(record)
            groups[record.group][record.split].add(record)
    return {
        "splits": {split: size.to_json(sample_rate) for split, size in splits.items()},
        "groups": {
            group: {split: size.to_json(sample_rate) for split, size in sides.items()}
            for group, sides in sorted(groups.items())
        },
        "kinds": {kind: size.to_json(sample_rate) for kind, size in kinds.items()},
    }


def _gather_features(
    store: Store, records: Iterable[SourceRecord]
) -> tuple[list[dict[str, Any]], dict[str, dict[str, int]]]:
    """Read the features' records: who has what, and the sums of the recordings' histograms."""
    found: defaultdict[str, list[_Feature]] = defaultdict(list)
    sums: defaultdict[str, Counter[int]] = defaultdict(Counter)
    for record in records:
        for feature in store.features.of(record):
            variants = found[feature.name]
            known = next((each for each in variants if each.record.settings == feature.settings), None)
            if known is None:
                known = _Feature(feature)
                variants.append(known)
            known.files[record.kind] += 1
            if record.kind == "recording":
                for name, counts in feature.counts.items():
                    sums[name].update(counts)
    features = [variant.to_json() for name in sorted(found) for variant in found[name]]
    return features, {name: as_json(counts) for name, counts in sorted(sums.items())}
