"""The feature `transcribed_notes`: what Basic Pitch hears in recordings without notes."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import soxr

from after.audio import FloatAudio
from after.data.extract.activation_file import ActivationFile
from after.data.extract.contract import Counts
from after.data.extract.stored_audio import StoredAudio
from after.data.pool.local import check_stop
from after.data.prepare.notes import NoteArray, notes_in_span
from after.data.records import Array
from after.errors import ConfigError
from after.features.note_search import FoundNote, NoteSearch, find_notes
from after.features.transcription import HOP_LENGTH, SAMPLE_RATE, activate_stream, as_notes, check_network

_BLOCK_SAMPLES = 1 << 19
_FRAMES_PER_S = SAMPLE_RATE / HOP_LENGTH

PIECE_FRAMES = round(120 * _FRAMES_PER_S)
"""Frames that are searched for the beginnings of notes at a time."""

MARGIN_FRAMES = round(30 * _FRAMES_PER_S)
"""Frames around a piece that are searched too, so that its notes are found as in the whole."""

MAX_MARGIN_FRAMES = 16 * MARGIN_FRAMES
"""Where notes reach beyond the margin it is doubled, up to eight minutes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TranscriptionSettings:
    """Activations in 0..1 from which a note begins and sounds on, and the shortest note."""

    onset_threshold: float = 0.5
    frame_threshold: float = 0.3
    min_note_ms: float = 128.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name in ("onset_threshold", "frame_threshold"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ConfigError(f"{name} is {getattr(self, name)}; give a value between 0 and 1")
        if not 0.0 <= self.min_note_ms <= 10_000.0:
            raise ConfigError(f"a shortest note of {self.min_note_ms} ms is out of range; give 0 to 10000")

    @property
    def name(self) -> str:
        """Name of the feature and of its array, float32 [N, 4] like the array `notes`."""
        return "transcribed_notes"

    @property
    def search(self) -> NoteSearch:
        """The thresholds in the search's own terms."""
        return NoteSearch(
            onset_threshold=self.onset_threshold,
            frame_threshold=self.frame_threshold,
            min_frames=round(self.min_note_ms / 1000.0 * _FRAMES_PER_S),
        )

    def to_manifest(self) -> dict[str, Any]:
        """Give the settings as JSON."""
        return {"network": "basic_pitch icassp_2022", **asdict(self)}

    def build(self) -> "TranscriptionExtractor":
        """Make the extractor.

        Raises:
            CheckpointError: if packages that it needs are missing.
        """
        return TranscriptionExtractor(self)


class TranscriptionExtractor:
    """Transcribes whole recordings, in memory that does not grow with them, and deals the notes out to the chunks."""

    def __init__(self, settings: TranscriptionSettings) -> None:
        check_network()
        self._search = settings.search

    def extract(self, audio: StoredAudio) -> Iterator[Mapping[str, Array]]:
        """Give the notes that sound in each chunk: onset_s from its start, duration_s, pitch, velocity."""
        with ActivationFile() as activations:
            for part in activate_stream(_low_rate(audio)):
                check_stop()
                activations.append(part)
            found = list(find_in_pieces(activations, self._search))
        rows = [(note.onset_s, note.duration_s, note.pitch, note.velocity) for note in as_notes(found)]
        notes: NoteArray = np.asarray(rows, dtype=np.float64).reshape(-1, 4)
        for index in range(audio.num_chunks):
            start = index * audio.chunk_samples
            stop = start + audio.valid_samples(index)
            yield {"transcribed_notes": notes_in_span(notes, start / audio.sample_rate, stop / audio.sample_rate)}

    def count(self, arrays: Mapping[str, Array], num_samples: int) -> Counts:
        """Count the notes that begin in the chunk by pitch."""
        notes = arrays["transcribed_notes"]
        pitches = notes[notes[:, 0] >= 0.0, 2].astype(int)
        return {"transcribed_pitch": dict(Counter(pitches.tolist()))}


def find_in_pieces(
    activations: ActivationFile,
    search: NoteSearch,
    *,
    piece_frames: int = PIECE_FRAMES,
    margin_frames: int = MARGIN_FRAMES,
) -> Iterator[FoundNote]:
    """Find the notes of a recording piece by piece, as if it were searched as a whole.

    A piece is searched together with margins, and gives the notes that begin in it. Margins grow where a note reaches
    through one of them.
    """
    for start in range(0, activations.num_frames, piece_frames):
        check_stop()
        stop = min(start + piece_frames, activations.num_frames)
        margin = margin_frames
        while True:
            first, last = max(0, start - margin), min(activations.num_frames, stop + margin)
            part = activations.read(first, last)
            found = [
                FoundNote(first + note.first_frame, first + note.end_frame, note.row, note.activation)
                for note in find_notes(part.onsets, part.frames, search, rise_scale=activations.rise_scale)
            ]
            open_start = first > 0 and _reaches(found, first, start, search)
            open_end = last < activations.num_frames and _reaches(found, stop, last, search)
            if not (open_start or open_end) or margin >= MAX_MARGIN_FRAMES:
                break
            margin *= 2
        yield from (note for note in found if start <= note.first_frame < stop)


def _reaches(found: list[FoundNote], start: int, stop: int, search: NoteSearch) -> bool:
    """Tell whether a note sounds from before `start` to after `stop`, or might but for the piece's end there."""
    slack = search.patience_frames + 1
    return any(note.first_frame <= start + slack and note.end_frame >= stop - slack for note in found)


def _low_rate(audio: StoredAudio) -> Iterator[FloatAudio]:
    """Give the recording at the network's rate, block by block."""
    length = audio.num_samples
    blocks = (audio.read(start, min(start + _BLOCK_SAMPLES, length)) for start in range(0, length, _BLOCK_SAMPLES))
    if audio.sample_rate == SAMPLE_RATE:
        yield from blocks
        return
    stream = soxr.ResampleStream(audio.sample_rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
    for block in blocks:
        yield stream.resample_chunk(block)
    yield stream.resample_chunk(np.zeros(0, dtype=np.float32), last=True)
