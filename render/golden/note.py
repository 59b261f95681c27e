"""The note (JSON) beside recorded audio: what it was rendered from, and what can be told of it without rendering."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from after.files import written_atomically
from render.engine import RenderSettings
from render.golden.settings import Case
from render.job import Job, Prepared, is_session
from render.session.build import session_files

STATE = ("case", "source", "reference", "settings", "instrument", "package")
"""What `state_row` tells."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ReferenceNote:
    """What a reference was rendered from.

    Attributes:
        settings_hash: of the settings and of the contents of all files but the instrument's.
        instrument_hash: of the instrument's file.
        package: version.
        seed: of the noise.
        sample_rate: Hz.
        recorded: when, UTC, ISO 8601.
    """

    settings_hash: str
    instrument_hash: str
    package: str
    seed: int
    sample_rate: int
    recorded: str


def make_note(prepared: Prepared) -> ReferenceNote:
    """Describe what the audio of a job is rendered from, now.

    Raises:
        OSError: if a file cannot be read.
    """
    return ReferenceNote(
        settings_hash=settings_hash(prepared.job),
        instrument_hash=instrument_hash(prepared.job),
        package=metadata.version("after-synth"),
        seed=prepared.settings.seed,
        sample_rate=prepared.instrument.sample_rate,
        recorded=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def read_note(reference: Path) -> ReferenceNote | None:
    """Read the note beside recorded audio; None if there is none that can be read."""
    try:
        return ReferenceNote(**json.loads(reference.with_suffix(".json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def keep_note(reference: Path, note: ReferenceNote, *, is_unchanged: bool) -> None:
    """Write the note beside recorded audio, whole or not at all.

    Args:
        reference: the audio's file.
        note: to write.
        is_unchanged: whether the audio stayed the same; then a note that tells of the same settings and instrument
            stays too.

    Raises:
        OSError: if it cannot be written.
    """
    old = read_note(reference)
    hashes = (note.settings_hash, note.instrument_hash)
    if is_unchanged and old is not None and (old.settings_hash, old.instrument_hash) == hashes:
        return
    with written_atomically(reference.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(asdict(note), indent=1) + "\n", encoding="utf-8")


def settings_hash(job: Job) -> str:
    """Hash what is asked for and not as usual, with the contents of files for their names, without the instrument.

    Raises:
        OSError: if a file cannot be read.
    """
    values = _unusual(asdict(job), asdict(Job(source=job.source)))
    values["settings"] = _unusual(asdict(job.settings), asdict(RenderSettings()))
    values.pop("instrument", None)
    files = session_files(job.source) if is_session(job.source) else (job.source,)
    values["source"] = [_file_hash(path) for path in files]
    values |= {"effects": _file_hash_if(job.effects), "timbre": _file_hash_if(job.timbre)}
    values["timbre_for"] = [[channel, _file_hash_if(timbre)] for channel, timbre in job.timbre_for]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def instrument_hash(job: Job) -> str:
    """Hash the file of a job's instrument; of a session the bundled one, as its own are among its settings.

    Raises:
        OSError: if it cannot be read.
    """
    from after.instrument.instrument import BUNDLED

    return _file_hash(job.instrument or BUNDLED)


def state_row(case: Case, now: datetime | None = None) -> tuple[str, ...]:
    """Tell of a case whether it has a reference, its age, and whether settings and instrument are still those."""
    source = case.job.source.name
    if not case.reference.exists():
        return (case.name, source, "missing", "-", "-", "-")
    note = read_note(case.reference)
    if note is None:
        return (case.name, source, "no note beside it", "unknown", "unknown", "unknown")
    try:
        pairs = (
            (settings_hash(case.job), note.settings_hash),
            (instrument_hash(case.job), note.instrument_hash),
        )
        states = ["same" if is_ == was else "changed" for is_, was in pairs]
    except OSError as error:
        states = [f"{error.filename}: {error.strerror}", "unknown"]
    return (case.name, source, _describe_age(note.recorded, now or datetime.now(UTC)), *states, note.package)


def _describe_age(recorded: str, now: datetime) -> str:
    """Say how long ago something was recorded (ISO 8601 with its offset from UTC)."""
    try:
        age = now - datetime.fromisoformat(recorded)
    except (TypeError, ValueError):
        return "recorded at an unknown time"
    hours = age.total_seconds() / 3600.0
    if hours < 1.0:
        return "recorded within the hour"
    return f"recorded {hours:.0f} h ago" if hours < 48.0 else f"recorded {age.days} days ago"


def _unusual(values: dict[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    """Leave out what is as usual, so that options that later versions add leave hashes alone."""
    return {name: value for name, value in values.items() if value != usual[name]}


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _file_hash_if(name: str) -> str:
    return _file_hash(Path(name)) if Path(name).is_file() else name
