"""Where a file is cut, and the records that come of it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from after.data.parsers.discovery import FoundFile
from after.data.prepare.decode import decibels
from after.data.prepare.notes import NoteArray, notes_in_span
from after.data.prepare.settings import PrepareSettings
from after.data.prepare.split import rank_of, side_of
from after.data.prepare.worker import Prepared, chunk_prefix
from after.data.records import Chunk, SourceRecord

MIN_FILL = 0.25
"""A rest filled to less than this would be mostly padding."""


@dataclass(frozen=True, slots=True)
class Span:
    """A chunk's place in its file; `valid_samples` are audio, the rest of the chunk is zeros."""

    offset_samples: int
    valid_samples: int


def chunk_spans(num_samples: int, chunk_samples: int) -> list[Span]:
    """Cut a file into chunks that follow each other without a gap.

    The last one is padded with zeros if a quarter of it is audio or it is the only one; otherwise it is left out.
    """
    whole, rest = divmod(num_samples, chunk_samples)
    spans = [Span(index * chunk_samples, chunk_samples) for index in range(whole)]
    if rest and (rest >= MIN_FILL * chunk_samples or not whole):
        spans.append(Span(whole * chunk_samples, rest))
    return spans


def build_record(file: FoundFile, outcome: Prepared, settings: PrepareSettings, license_text: str) -> SourceRecord:
    """Describe a decoded file: its split, its group, and how many chunks it gives."""
    spans = chunk_spans(outcome.decoded.num_samples, settings.chunk_samples)
    pitches, counts = np.unique(outcome.notes[:, 2] if outcome.notes is not None else [], return_counts=True)
    return SourceRecord(
        source=file.source,
        split=side_of(file, settings),
        split_rank=rank_of(file, settings),
        group=file.group,
        license=license_text,
        audio=outcome.audio,
        midi=outcome.midi,
        chunk_prefix=chunk_prefix(file.source, outcome.audio, outcome.midi),
        num_chunks=len(spans),
        num_samples=outcome.decoded.num_samples,
        source_sample_rate=outcome.decoded.source_sample_rate,
        source_channels=outcome.decoded.source_channels,
        peak_db=outcome.decoded.peak_db,
        clipped_samples=outcome.decoded.clipped_samples,
        dropped_samples=outcome.decoded.num_samples - sum(span.valid_samples for span in spans),
        num_notes=None if outcome.notes is None else len(outcome.notes),
        pitch_counts={int(pitch): int(count) for pitch, count in zip(pitches, counts, strict=True)},
        warnings=outcome.warnings,
    )


def cut_chunks(
    record: SourceRecord, spool_path: Path, notes: NoteArray | None, settings: PrepareSettings
) -> Iterator[Chunk]:
    """Cut a decoded file: the spool file holds int16 at the store's rate, `notes` with times from the file's start."""
    for index, span in enumerate(chunk_spans(record.num_samples, settings.chunk_samples)):
        stop = span.offset_samples + span.valid_samples
        audio = np.zeros(settings.chunk_samples, dtype="<i2")
        audio[: span.valid_samples] = np.fromfile(spool_path, "<i2", span.valid_samples, offset=2 * span.offset_samples)
        arrays: dict[str, NDArray[Any]] = {"audio": audio}
        if notes is not None:
            arrays["notes"] = notes_in_span(
                notes, span.offset_samples / settings.sample_rate, stop / settings.sample_rate
            )
        peak = max(int(audio.max()), -int(audio.min())) / 32_768
        yield Chunk(
            {
                "index": index,
                "offset_samples": span.offset_samples,
                "valid_samples": span.valid_samples,
                "peak_db": decibels(peak),
            },
            arrays,
        )
