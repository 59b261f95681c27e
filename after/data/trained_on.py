"""Which recordings a run was trained on, noted in its folder, so that nobody takes them for held out."""

import json
from dataclasses import dataclass
from pathlib import Path

from after.checkpoint import list_checkpoints
from after.data.store import Store
from after.errors import CheckpointError
from after.files import written_atomically

_FILE = "recordings.json"


@dataclass(frozen=True, slots=True)
class TrainedOn:
    """What trained.

    Attributes:
        hashes: of the files' contents, as `FileStamp.content_hash`.
        is_complete: False where a run had been trained before its recordings were first noted.
    """

    hashes: frozenset[str]
    is_complete: bool


def note_recordings(folder: Path, store: Store) -> None:
    """Note what a store gives to training, in addition to what an earlier part of the same run was trained on.

    Args:
        folder: of the run, before its training begins or goes on.
        store: what it is trained on.

    Raises:
        CheckpointError: if the earlier note cannot be read.
        OSError: if the folder cannot be written to.
    """
    is_new = not list_checkpoints(folder)
    earlier = None if is_new else read_recordings(folder)
    trains = {r.audio.content_hash for r in store.sources() if r.split == "train" and r.kind == "recording"}
    hashes = sorted(trains | (earlier.hashes if earlier else frozenset()))
    is_complete = earlier.is_complete if earlier else is_new
    with written_atomically(folder / _FILE) as temporary:
        temporary.write_text(json.dumps({"complete": is_complete, "hashes": hashes}, indent=1), encoding="utf-8")


def read_recordings(run: Path) -> TrainedOn | None:
    """Read the note of a run folder, or of the one that a checkpoint lies in; None where there is none.

    Raises:
        CheckpointError: if it cannot be read.
    """
    run = run.resolve()
    path = (run.parent.parent if run.parent.name == "checkpoints" else run) / _FILE
    if not path.is_file():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        return TrainedOn(frozenset(map(str, values["hashes"])), bool(values["complete"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            f"cannot read {path} ({error}): restore it, or delete it to do without knowing what trained"
        ) from error
