"""What a preparation did, and what it could not use, in sentences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from after.data.inspection.description import describe_store, printable
from after.data.prepare.usage import Usage
from after.data.records import SourceRecord

__all__ = ["PrepareReport", "describe_problems", "describe_run", "describe_store", "printable", "warnings_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PrepareReport:
    """What one run did; `audio_s` and the times are of this run only.

    `absent` counts files in the store that were not among the inputs of this run; `crashed` names recordings that made
    a worker crash, so that features or copies are missing.
    """

    found: int
    stored: int
    unchanged: int
    absent: int
    skipped: int
    audio_s: float
    wall_s: float
    usage: Usage
    crashed: tuple[str, ...]
    is_interrupted: bool
    manifest: Mapping[str, Any]

    @property
    def audio_s_per_cpu_s(self) -> float:
        """Seconds of audio prepared per second of processor time, over all processes."""
        return self.audio_s / self.usage.cpu_s if self.usage.cpu_s > 0 else 0.0

    @property
    def is_complete(self) -> bool:
        """Whether every file could be used, and everything asked for was made of it."""
        return not (self.skipped or self.crashed or self.is_interrupted)


def warnings_of(records: Sequence[SourceRecord]) -> list[dict[str, str]]:
    """List every warning with its file."""
    return [{"source": record.source, "warning": text} for record in records for text in record.warnings]


def describe_problems(manifest: Mapping[str, Any]) -> list[str]:
    """List the refused files with their reasons and the warnings, one line each."""
    skipped = [f"skipped {entry['source']}: {entry['reason']}" for entry in manifest["skipped"]]
    warnings = [f"warning {entry['source']}: {entry['warning']}" for entry in manifest["warnings"]]
    return [printable(line) for line in skipped + warnings]


def describe_run(report: PrepareReport) -> list[str]:
    """Say what a run did, in lines."""
    lines = [
        f"{report.found} files: {report.stored} stored, {report.unchanged} there already, {report.skipped} skipped"
        + (f", {report.absent} more in the store that these inputs do not hold" if report.absent else "")
    ]
    if report.audio_s:
        lines.append(
            f"{report.audio_s:.0f} s of audio in {report.wall_s:.1f} s, {report.usage.cpu_s:.1f} CPU s: "
            f"{report.audio_s_per_cpu_s:.0f} audio s per CPU s; "
            f"{report.usage.peak_bytes / 2**20:.0f} MB in one process at most, mapped files included"
        )
    lines += [printable(f"crashed {source}: its features or copy are missing; try again") for source in report.crashed]
    return lines
