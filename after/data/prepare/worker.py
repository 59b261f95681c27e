"""What happens to one file, in a worker process: hash, decode to a spool file, read the notes.

Kept light (no torch): every worker imports it.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from after.data.pool.local import check_stop
from after.data.prepare.audio_source import RefusedError
from after.data.prepare.decode import Decoded, decode
from after.data.prepare.notes import NoteArray, array_of, mismatch, read_notes, stamp_of
from after.data.prepare.settings import PrepareSettings
from after.data.prepare.spool_disk import writing_to_spool
from after.data.records import FileStamp, source_id
from after.errors import MidiError
from after.midi import Note

_HASH_BLOCK_BYTES = 1 << 22
_CLIPPED_SHARE = 1e-3


@dataclass(frozen=True, slots=True)
class FileTask:
    """One file to prepare.

    `known_hashes` (audio, notes) are those in the store, if it is there already, and `had_notes` tells whether notes
    are there too; `notes` are those of a table.
    """

    source: str
    path: Path
    midi_path: Path | None
    spool_path: Path
    settings: PrepareSettings
    known_hashes: tuple[str, str | None] | None
    had_notes: bool = False
    notes: tuple[Note, ...] | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """A file ready to be stored: its samples lie in the spool file, its notes (absolute times) here."""

    audio: FileStamp
    midi: FileStamp | None
    decoded: Decoded
    notes: NoteArray | None
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unchanged:
    """A file whose time or size changed, but not its contents."""

    audio: FileStamp
    midi: FileStamp | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A file that cannot be used, and why."""

    reason: str


def prepare_file(task: FileTask) -> Prepared | Unchanged | Refused:
    """Do the work for one file; a bad file is an answer, not an exception.

    Raises:
        DataError: if the spool file cannot be written.
    """
    before = _identities(task)
    outcome: Prepared | Unchanged | Refused
    try:
        outcome = _prepare(task)
    except RefusedError as error:
        outcome = Refused(str(error))
    if not isinstance(outcome, Unchanged) and before != _identities(task):
        outcome = Refused("changed while it was read: run the same command again")
    if not isinstance(outcome, Prepared):
        task.spool_path.unlink(missing_ok=True)
    return outcome


def _prepare(task: FileTask) -> Prepared | Unchanged:
    """Hash and decode a file, and read its notes."""
    audio = _stamp(task.path)
    notes_stamp, problem = _notes_stamp(task)
    if task.known_hashes == (audio.content_hash, notes_stamp.content_hash if notes_stamp else None):
        return Unchanged(audio, notes_stamp)
    decoded = _decode(task)
    _check(decoded, task.settings)
    notes: NoteArray | None = None
    warnings: tuple[str, ...] = ()
    if problem is None:
        notes, problem, warnings = _notes(task, decoded.num_samples / task.settings.sample_rate)
    if problem is not None:
        if task.had_notes and task.known_hashes and task.known_hashes[0] == audio.content_hash:
            raise RefusedError(f"its notes cannot be read: {problem}")
        warnings = (f"stored without notes: {problem}",)
    if decoded.clipped_samples > _CLIPPED_SHARE * decoded.num_samples:
        share = decoded.clipped_samples / decoded.num_samples
        warnings = (*warnings, f"{share:.1%} of the samples are beyond full scale and were clipped")
    return Prepared(audio, notes_stamp, decoded, notes, warnings)


def _decode(task: FileTask) -> Decoded:
    """Decode to the spool file; only what fails in writing it ends the run."""
    # What fails in reading is a RefusedError, so an OSError can only come of the spool file.
    with writing_to_spool(task.spool_path), task.spool_path.open("wb") as spool:
        return decode(task.path, task.settings.sample_rate, spool, check_stop)


def chunk_prefix(source: str, audio: FileStamp, midi: FileStamp | None) -> str:
    """Give the begin of a file's chunk keys; it changes with the contents, so versions never mix."""
    version = source_id(f"{audio.content_hash} {midi.content_hash if midi else ''}")
    return f"{source_id(source)}{version[:8]}"


def _check(decoded: Decoded, settings: PrepareSettings) -> None:
    """Refuse what holds no usable sound."""
    duration_s = decoded.num_samples / settings.sample_rate
    if decoded.num_samples == 0:
        raise RefusedError("empty: it holds no samples")
    if duration_s < settings.min_seconds:
        raise RefusedError(f"too short: {duration_s:.2f} s, the limit is {settings.min_seconds:g} s")
    if decoded.peak_db < settings.silence_db:
        raise RefusedError(f"silent: its peak is {decoded.peak_db:.1f} dBFS, the limit is {settings.silence_db:g} dBFS")


def _notes_stamp(task: FileTask) -> tuple[FileStamp | None, str | None]:
    """Hash the notes, from a table or a MIDI file; gives the reason instead where the MIDI file cannot be read."""
    if task.notes is not None:
        return stamp_of(task.notes), None
    if task.midi_path is None:
        return None, None
    try:
        return _stamp(task.midi_path), None
    except RefusedError as error:
        return None, f"{task.midi_path.name} is {error}"


def _notes(task: FileTask, duration_s: float) -> tuple[NoteArray | None, str | None, tuple[str, ...]]:
    """Read the notes that belong to the audio: gives them, or why the MIDI file is bad, and warnings."""
    if task.notes is not None:
        notes = array_of(task.notes)
    elif task.midi_path is not None:
        try:
            notes = read_notes(task.midi_path)
        except MidiError as error:
            return None, str(error), ()
    else:
        return None, None, ()
    warning = mismatch(notes, duration_s)
    return notes, None, (warning,) if warning else ()


def _identities(task: FileTask) -> list[tuple[int, int, int] | None]:
    """Give what changes when one of the files is written to or replaced."""
    return [_identity(path) for path in (task.path, task.midi_path) if path is not None]


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino


def _stamp(path: Path) -> FileStamp:
    """Hash a file's contents."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        status = path.stat()
        with path.open("rb") as stream:
            while block := stream.read(_HASH_BLOCK_BYTES):
                check_stop()
                digest.update(block)
    except OSError as error:
        raise RefusedError(f"unreadable ({error.strerror or error})") from error
    return FileStamp(size_bytes=status.st_size, mtime_ns=status.st_mtime_ns, content_hash=digest.hexdigest())
