"""What a batch plans and what it did, in sentences and as JSON."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from after.data.inspection.description import printable
from after.files import written_atomically
from render.batch.plan import Step
from render.batch.run import Batch, Outcome

SCHEMA_VERSION = 1

_PLANNED = {"new": "render", "changed": "render", "forced": "render", "there": "skip", "refused": "refuse"}
_REASONS = {"new": "new", "changed": "changed", "forced": "--force", "there": "there already"}


def plan_lines(steps: Sequence[Step]) -> Iterator[str]:
    """Say what would be done."""
    for step in steps:
        why = step.reason if step.standing == "refused" else _REASONS[step.standing]
        yield printable(
            f"{_PLANNED[step.standing]:<7}{shown(step.item.output)}  of {shown(step.item.job.source)} ({why})"
        )
    to_do = sum(step.is_to_do for step in steps)
    there, refused = (sum(step.standing == standing for step in steps) for standing in ("there", "refused"))
    yield f"{len(steps)} files: {to_do} to render, {there} there already, {refused} refused"


def summary_lines(batch: Batch) -> Iterator[str]:
    """Say what was done, and what was not and why."""
    for outcome in batch.outcomes:
        if outcome.failed is not None:
            yield printable(f"{outcome.status} {line_of(outcome)}")
    counts = [f"{batch.count('rendered')} rendered", f"{batch.count('there')} there already"]
    counts += [f"{number} {status}" for status in ("refused", "failed", "waiting") if (number := batch.count(status))]
    yield f"{len(batch.outcomes)} files: {', '.join(counts)}"
    if batch.audio_s:
        speed = batch.audio_s / batch.wall_s
        yield f"{batch.audio_s:.1f} s of audio in {batch.wall_s:.1f} s: {speed:.1f} audio s per s"


def line_of(outcome: Outcome) -> str:
    """Say what became of one file."""
    output = shown(outcome.step.item.output)
    if outcome.failed is not None:
        return f"{output}: {outcome.failed.reason}"
    return (
        f"{output}: {outcome.rendered.audio_s:.1f} s in {outcome.rendered.wall_s:.1f} s" if outcome.rendered else output
    )


def shown(path: Path) -> str:
    """Write a path from where the user is, if it lies below."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def write_report(path: Path, batch: Batch) -> None:
    """Write all that is known of a batch as JSON, atomically."""
    with written_atomically(path) as temporary:
        temporary.write_text(json.dumps(report_of(batch), indent=1), encoding="utf-8")


def report_of(batch: Batch) -> dict[str, Any]:
    """Give all that is known of a batch; a real-time factor is computing time over playing time."""
    compute_s = sum(outcome.rendered.wall_s for outcome in batch.outcomes if outcome.rendered)
    return {
        "schema_version": SCHEMA_VERSION,
        "is_interrupted": batch.is_interrupted,
        "totals": {
            "jobs": len(batch.outcomes),
            **{status: batch.count(status) for status in ("rendered", "there", "refused", "failed", "waiting")},
            "audio_s": batch.audio_s,
            "compute_s": compute_s,
            "wall_s": batch.wall_s,
            "real_time_factor": compute_s / batch.audio_s if batch.audio_s else None,
            "audio_s_per_s": batch.audio_s / batch.wall_s if batch.wall_s else None,
        },
        "jobs": [_described(outcome) for outcome in batch.outcomes],
    }


def _described(outcome: Outcome) -> dict[str, Any]:
    """Describe one job."""
    step, rendered, failed = outcome.step, outcome.rendered, outcome.failed
    return {
        "source": str(step.item.job.source),
        "output": str(step.item.output),
        "timbre": step.item.job.timbre,
        "status": outcome.status,
        "standing": step.standing,
        "fingerprint": step.fingerprint,
        "audio_s": rendered.audio_s if rendered else None,
        "seconds": rendered.wall_s if rendered else None,
        "real_time_factor": rendered.wall_s / rendered.audio_s if rendered and rendered.audio_s else None,
        "remarks": list(rendered.remarks) if rendered else [],
        "error": failed.reason if failed else None,
        "traceback": failed.details or None if failed else None,
    }
