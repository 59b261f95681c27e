"""Which file trains and which validates: decided by its name alone, so it never changes.

A file's rank is a hash of its path (or of its group) and the seed, evenly spread over 0..1; ranks below the validation
share validate. Resuming, adding or removing other files cannot move a file. Small sets would often leave one side
empty, so when a run is complete and one side of the store is empty, the file (or group) nearest to the border changes
sides, once; with fewer than two files (or groups) everything trains.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from after.data.parsers.discovery import FoundFile
from after.data.prepare.settings import PrepareSettings
from after.data.records import SourceRecord


def rank_of(file: FoundFile, settings: PrepareSettings) -> float:
    """Give the rank of a file under these settings."""
    return split_rank(file.group if settings.split_by == "group" else file.source, settings.seed)


def split_rank(unit: str, seed: int) -> float:
    """Give the rank in 0..1 of a file's path or a group's name."""
    digest = hashlib.blake2b(f"{seed}\n{unit}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2.0**64


def split_of(rank: float, validation: float) -> Literal["train", "validation"]:
    """Give the side of a rank."""
    return "validation" if rank < validation else "train"


def fill_empty_side(records: Sequence[SourceRecord], validation: float) -> list[SourceRecord]:
    """Give the records that must change sides so that neither side is empty; usually none.

    Records of one unit (a file or a group) share their rank and so move together.
    """
    sides = {record.split for record in records}
    ranks = sorted({record.split_rank for record in records})
    if not records or (len(ranks) >= 2 and sides == {"train", "validation"}):
        return []
    if len(ranks) < 2 or validation == 0.0:
        moved, side = ranks, "train"
    elif sides == {"train"}:
        moved, side = ranks[:1], "validation"
    else:
        moved, side = ranks[-1:], "train"
    return [replace(record, split=side) for record in records if record.split_rank in moved and record.split != side]
