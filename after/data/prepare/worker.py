"""What happens to one file, in a worker process: hash, decode to a spool file, read the notes.

Kept light (no torch): every worker imports it.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from after.data.pool.local import check_stop
from after.data.prepare.decode import Decoded, RefusedError, decode
from after.data.prepare.notes import NoteArray, mismatch, read_notes
from after.data.prepare.settings import PrepareSettings
from after.data.records import FileStamp, source_id
from after.errors import MidiError

_HASH_BLOCK_BYTES = 1 << 22
_CLIPPED_SHARE = 1e-3


@dataclass(frozen=True, slots=True)
class FileTask:
    """One file to prepare; `known_hashes` (audio, MIDI) are those in the store, if it is there already."""

    source: str
    path: Path
    midi_path: Path | None
    spool_path: Path
    settings: PrepareSettings
    known_hashes: tuple[str, str | None] | None


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
    """Do the work for one file; a bad file is an answer, not an exception."""
    try:
        audio = _stamp(task.path)
        midi = _stamp(task.midi_path) if task.midi_path else None
        if task.known_hashes == (audio.content_hash, midi.content_hash if midi else None):
            return Unchanged(audio, midi)
        with task.spool_path.open("wb") as spool:
            decoded = decode(task.path, task.settings.sample_rate, spool, check_stop)
        _check(decoded, task.settings)
        notes, warnings = _notes(task.midi_path, decoded.num_samples / task.settings.sample_rate)
        if decoded.clipped_samples > _CLIPPED_SHARE * decoded.num_samples:
            share = decoded.clipped_samples / decoded.num_samples
            warnings = (*warnings, f"{share:.1%} of the samples are beyond full scale and were clipped")
        return Prepared(audio, midi, decoded, notes, warnings)
    except RefusedError as error:
        task.spool_path.unlink(missing_ok=True)
        return Refused(str(error))


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


def _notes(midi_path: Path | None, duration_s: float) -> tuple[NoteArray | None, tuple[str, ...]]:
    """Read the notes beside the audio; a bad MIDI file costs the notes, not the audio."""
    if midi_path is None:
        return None, ()
    try:
        notes = read_notes(midi_path)
    except MidiError as error:
        return None, (f"stored without notes: {error}",)
    problem = mismatch(notes, duration_s)
    return notes, (problem,) if problem else ()


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
