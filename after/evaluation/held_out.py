"""Whether the recordings that a store holds out are new to a run: they may have trained it as part of another store."""

from collections.abc import Sequence
from pathlib import Path

from after.data.records import SourceRecord
from after.data.store import Store
from after.data.trained_on import read_recordings
from after.errors import DataError


def check_held_out(run: Path, store: Store, latents_name: str) -> list[str]:
    """Refuse a store whose held-out recordings trained the run; files count as the same if their contents are.

    Args:
        run: its folder, or a checkpoint of it.
        store: of the recordings.
        latents_name: of the latents that the run learned.

    Returns:
        What could not be made sure of, or has to be known when the figures are read.

    Raises:
        DataError: if held-out recordings trained the run, or the store lacks its latents.
        CheckpointError: if the run's note of its recordings cannot be read.
    """
    keys = store.keys()
    if not all(store.has(key, latents_name) for key in keys):
        raise DataError(
            f"{store.path} lacks {latents_name}, which {run} learned: it is not what the run was trained on, or has "
            "grown since. Name that store, or add them with `after prepare_dataset --feature latents --codec CODEC`"
        )
    recordings = [record for record in store.sources() if record.kind == "recording"]
    trains = {record.audio.content_hash for record in recordings if record.split == "train"}
    held_out = [record for record in recordings if record.split == "validation"]
    twice = [record for record in held_out if record.audio.content_hash in trains]
    trained_on = read_recordings(run)
    known = trained_on.hashes if trained_on else frozenset()
    heard = [record for record in held_out if record.audio.content_hash in known - trains]
    if heard:
        raise DataError(
            f"{_count(heard, held_out)} recordings that {store.path} holds out trained {run} ({_name(heard)}): "
            "name the store that it was trained on, or one of other recordings"
        )
    notes = []
    if twice:
        notes.append(f"{_count(twice, held_out)} held-out recordings are also among those that train ({_name(twice)})")
    if trained_on is None or not trained_on.is_complete:
        extent = "not" if trained_on is None else "not wholly"
        notes.append(
            f"{run} does {extent} record what trained it: that it never heard what {store.path} holds out is taken on "
            "trust"
        )
    return notes


def _count(some: Sequence[SourceRecord], of_all: Sequence[SourceRecord]) -> str:
    return f"{len(some)} of {len(of_all)}"


def _name(records: Sequence[SourceRecord]) -> str:
    return ", ".join(record.source for record in records[:3]) + (", ..." if len(records) > 3 else "")
