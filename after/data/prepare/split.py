"""Which file trains and which validates: what the data set itself says, or else its name alone, so it never changes.

A file's rank is a hash of its path (or of its group) and the seed, evenly spread over 0..1; ranks below the validation
share validate, unless the data set puts the file on a side itself. Resuming, adding or removing other files cannot
move a file. Small sets would often leave one side empty, so when a run is complete and one side of the store is empty,
the file (or group) nearest to the border changes sides, once; with fewer than two files (or groups) everything trains.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from after.data.parsers.discovery import FoundFile
from after.data.prepare.settings import PrepareSettings
from after.data.records import SourceRecord
from after.data.store import Split


def rank_of(file: FoundFile, settings: PrepareSettings) -> float:
    """Give the rank of a file under these settings."""
    return split_rank(file.group if settings.split_by == "group" else file.source, settings.seed)


def split_rank(unit: str, seed: int) -> float:
    """Give the rank in 0..1 of a file's path or a group's name."""
    digest = hashlib.blake2b(f"{seed}\n{unit}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2.0**64


def split_of(rank: float, validation: float) -> Split:
    """Give the side of a rank."""
    return "validation" if rank < validation else "train"


def side_of(file: FoundFile, settings: PrepareSettings) -> Split:
    """Give the side of a file before an empty side is filled."""
    return file.split or split_of(rank_of(file, settings), settings.validation)


def settle_sides(
    records: Sequence[SourceRecord], found: Sequence[FoundFile], settings: PrepareSettings
) -> list[SourceRecord]:
    """Give the recordings whose group or side must change when a run is complete; usually none.

    A data set's tables may have changed where its audio has not, so groups, and sides that the data set itself gives,
    are as it says now; a side that it no longer gives stays. Where that leaves one side empty, files stay where they
    are, so that a file moved to fill it is not exchanged for another; if it still is empty, see `fill_empty_side`.
    """
    files = {file.source: file for file in found}
    before = [record for record in records if record.kind == "recording"]
    as_said = [_as_said(record, files.get(record.source), settings) for record in before]
    if len({record.split for record in as_said}) == 1:
        as_said = [
            new if new.split_rank != old.split_rank else replace(new, split=old.split)
            for new, old in zip(as_said, before, strict=True)
        ]
    filled = {record.source: record for record in fill_empty_side(as_said, settings.validation)}
    after = [filled.get(record.source, record) for record in as_said]
    return [new for new, old in zip(after, before, strict=True) if new != old]


def fill_empty_side(records: Sequence[SourceRecord], validation: float) -> list[SourceRecord]:
    """Give the records that must change sides so that neither side is empty; usually none.

    While both sides hold something nobody moves. Where one is empty, the unit (a file, or a group: its records share
    their rank) nearest to the border moves there, also if the data set itself put it elsewhere, for a training run
    needs both. A single unit trains, and so does everything where no validation is wanted and nobody asks for it.
    """
    sides = {record.split for record in records}
    if sides != {"train"} and sides != {"validation"}:
        return []
    ranks = sorted({record.split_rank for record in records})
    if len(ranks) < 2 or validation == 0.0:
        moved, side = ranks, "train"
    elif sides == {"train"}:
        moved, side = ranks[:1], "validation"
    else:
        moved, side = ranks[-1:], "train"
    return [replace(record, split=side) for record in records if record.split_rank in moved and record.split != side]


def _as_said(record: SourceRecord, file: FoundFile | None, settings: PrepareSettings) -> SourceRecord:
    """Give a record the group, rank and side that its file has now, if it is there."""
    if file is None:
        return record
    rank = rank_of(file, settings)
    split = file.split or (record.split if rank == record.split_rank else split_of(rank, settings.validation))
    return replace(record, group=file.group, split_rank=rank, split=split)
