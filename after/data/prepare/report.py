"""Numbers and sentences about a store: for the manifest, the end of a run and `after inspect_dataset`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from after.data.records import SourceRecord

_NOTE_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_NUM_PITCHES = 128


@dataclass(frozen=True, kw_only=True, slots=True)
class PrepareReport:
    """What one run did; `audio_s` and the times are of this run only.

    `absent` counts files in the store that were not among the inputs of this run.
    """

    found: int
    stored: int
    unchanged: int
    absent: int
    skipped: int
    audio_s: float
    wall_s: float
    cpu_s: float
    is_interrupted: bool
    manifest: Mapping[str, Any]

    @property
    def audio_s_per_cpu_s(self) -> float:
        """Seconds of audio prepared per second of processor time, over all processes."""
        return self.audio_s / self.cpu_s if self.cpu_s > 0 else 0.0


def summarize(records: Sequence[SourceRecord], sample_rate: int) -> dict[str, Any]:
    """Count what a store holds: hours, files and chunks per split and group, notes and their pitches."""
    pitches: Counter[int] = Counter()
    for record in records:
        pitches.update(record.pitch_counts)
    return {
        "splits": {
            split: _count([record for record in records if record.split == split], sample_rate)
            for split in ("train", "validation")
        },
        "groups": {
            group: {
                split: _count([record for record in members if record.split == split], sample_rate)
                for split in ("train", "validation")
            }
            for group, members in _by_group(records).items()
        },
        "files_with_notes": sum(record.num_notes is not None for record in records),
        "notes": sum(record.num_notes or 0 for record in records),
        "pitch_histogram": [pitches[pitch] for pitch in range(_NUM_PITCHES)],
        "clipped_samples": sum(record.clipped_samples for record in records),
        "dropped_s": round(sum(record.dropped_samples for record in records) / sample_rate, 3),
    }


def warnings_of(records: Sequence[SourceRecord]) -> list[dict[str, str]]:
    """List every warning with its file."""
    return [{"source": record.source, "warning": text} for record in records for text in record.warnings]


def describe_store(manifest: Mapping[str, Any]) -> list[str]:
    """Describe a store from its manifest, in lines."""
    summary = manifest["summary"]
    sample_rate, chunk_samples = manifest["sample_rate"], manifest["chunk_samples"]
    lines = [f"{sample_rate} Hz mono, chunks of {chunk_samples} samples ({chunk_samples / sample_rate:.3f} s)"]
    for split, count in summary["splits"].items():
        lines.append(f"{split:<11}{count['hours']:9.3f} h {count['files']:7d} files {count['chunks']:8d} chunks")
    lines += _describe_notes(summary)
    if summary["clipped_samples"]:
        lines.append(f"clipped    {summary['clipped_samples']} samples")
    lines.append(f"groups     {len(summary['groups'])}")
    width = max((len(group) for group in summary["groups"]), default=0)
    for group, splits in summary["groups"].items():
        minutes = {split: 60 * count["hours"] for split, count in splits.items()}
        lines.append(
            f"  {group:<{width}} {minutes['train']:8.1f} min train {minutes['validation']:7.1f} min validation"
        )
    return [printable(line) for line in lines]


def describe_problems(manifest: Mapping[str, Any]) -> list[str]:
    """List the refused files with their reasons and the warnings, one line each."""
    skipped = [f"skipped {entry['source']}: {entry['reason']}" for entry in manifest["skipped"]]
    warnings = [f"warning {entry['source']}: {entry['warning']}" for entry in manifest["warnings"]]
    return [printable(line) for line in skipped + warnings]


def describe_run(report: PrepareReport) -> list[str]:
    """Say what a run did, in lines."""
    lines = [
        f"{report.found} files: {report.stored} stored, {report.unchanged} there already, {report.skipped} skipped"
        + (f", {report.absent} more in the store from other inputs" if report.absent else "")
    ]
    if report.audio_s:
        lines.append(
            f"{report.audio_s:.0f} s of audio in {report.wall_s:.1f} s, {report.cpu_s:.1f} CPU s: "
            f"{report.audio_s_per_cpu_s:.0f} audio s per CPU s"
        )
    return lines


def printable(text: str) -> str:
    """Make a file name that is not UTF-8 fit for a terminal."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _describe_notes(summary: Mapping[str, Any]) -> list[str]:
    """Describe the notes: how many, and the range they cover."""
    used = [pitch for pitch, count in enumerate(summary["pitch_histogram"]) if count]
    if not used:
        return ["notes      none"]
    low, high = (f"{_NOTE_NAMES[pitch % 12]}{pitch // 12 - 1}" for pitch in (used[0], used[-1]))
    return [
        f"notes      {summary['notes']} in {summary['files_with_notes']} files, "
        f"{low} ({used[0]}) to {high} ({used[-1]})"
    ]


def _count(records: Sequence[SourceRecord], sample_rate: int) -> dict[str, float]:
    """Count hours, files and chunks."""
    return {
        "hours": round(sum(record.stored_samples for record in records) / sample_rate / 3600, 6),
        "files": len(records),
        "chunks": sum(record.num_chunks for record in records),
    }


def _by_group(records: Sequence[SourceRecord]) -> dict[str, list[SourceRecord]]:
    """Sort the records into their groups."""
    groups: dict[str, list[SourceRecord]] = {}
    for record in records:
        groups.setdefault(record.group, []).append(record)
    return dict(sorted(groups.items()))
