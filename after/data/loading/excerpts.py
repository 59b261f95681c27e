"""Training items for the generative model: latents with their structure, and another excerpt that gives the timbre."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from after.conditioning.roll import piano_roll
from after.data.records import Kind, SourceRecord
from after.data.store import Split, Store
from after.errors import DataError

NOTES_ARRAYS = ("notes", "transcribed_notes")
"""Where a chunk's notes are looked for: those of a score go before those of a transcription."""

TimbreFrom = Literal["group", "file"]


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch, channel-last.

    Attributes:
        latents: [B, L, D].
        structure: [B, L, S].
        timbre_latents: [B, L', D] of elsewhere in the same group or file; see `ExcerptSettings.timbre_from`.
    """

    latents: Tensor
    structure: Tensor
    timbre_latents: Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class ExcerptSettings:
    """What is drawn.

    Attributes:
        latents_name: array of the latents, [L, D] in each chunk.
        crop_frames: length of an excerpt.
        timbre_frames: length of the excerpt that gives the timbre.
        frame_rate: of the latents.
        timbre_from: where the timbre excerpt comes from: another file of the group (where it has one), or another
            chunk of the same file (where it has one).
        kinds: what an excerpt is cut from. Silence never gives a timbre; copies, transposed and at another tempo, do.
    """

    latents_name: str
    crop_frames: int
    timbre_frames: int
    frame_rate: float
    timbre_from: TimbreFrom = "group"
    kinds: tuple[Kind, ...] = ("recording", "copy", "silence")


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Where a chunk lies: `origin` is the recording that it is, or is a copy of."""

    key: str
    origin: str
    num_frames: int
    notes_name: str
    kind: Kind


def check_lengths(chunk_frames: int, crop_frames: int, timbre_frames: int) -> None:
    """Refuse excerpts that are longer than chunks.

    Raises:
        DataError: if they are.
    """
    if chunk_frames < max(crop_frames, timbre_frames):
        raise DataError(
            f"crops of {crop_frames} and {timbre_frames} frames do not fit into chunks of {chunk_frames}: "
            "ask for shorter ones, or prepare the store with a larger --chunk-seconds"
        )


class Excerpts:
    """Random excerpts, read from the store when they are drawn: memory does not grow with the corpus.

    An item depends on the store, the seed, the iteration and its number in the batch only: a resumed run needs no
    position in the data, and several processes draw each their share of one batch.
    """

    def __init__(self, store: Store, split: Split, settings: ExcerptSettings) -> None:
        """Index all chunks of a split.

        Raises:
            DataError: if the split is empty, has no notes, or its chunks are shorter than a crop.
        """
        self.settings = settings
        self._store = store
        self._split_code = ("train", "validation").index(split)
        self._chunk_samples = int(store.manifest["chunk_samples"])
        self._hop = store.manifest["sample_rate"] / settings.frame_rate
        self._drawn: dict[str, list[_Chunk]] = {}
        self._sounding: dict[str, list[_Chunk]] = {}
        for record in store.sources():
            if record.split == split:
                self._index(record)
        if not self._drawn:
            raise DataError(
                f"{store.path} has no {split} recordings with notes: prepare it with MIDI beside the audio, or with "
                "--feature transcription"
            )
        self._names = sorted(self._drawn)

    @property
    def groups(self) -> Sequence[str]:
        """Names of the groups, sorted."""
        return self._names

    def batch(self, iteration: int, batch_size: int, seed: int = 0, *, items: range | None = None) -> Batch:
        """Draw the batch of one iteration: groups equally often, then chunk and start at random.

        Args:
            iteration: the batch's number.
            batch_size: items in the whole batch.
            seed: of the whole training.
            items: which of them to draw; None for all.
        """
        numbers = range(batch_size) if items is None else items
        rngs = (np.random.default_rng((seed, self._split_code, iteration, item)) for item in numbers)
        columns = zip(*(self._item(rng) for rng in rngs), strict=True)
        return Batch(*(torch.from_numpy(np.stack(rows).astype(np.float32)) for rows in columns))

    def timbre_excerpts(self, group: str, count: int, seed: int = 0) -> Tensor:
        """Draw excerpts [count, timbre_frames, D] of one group's recordings, from their chunks in turn."""
        rng = np.random.default_rng((seed, self._split_code))
        chunks = [chunk for chunk in self._sounding[group] if chunk.kind == "recording"]
        order = rng.permutation(len(chunks))
        rows = [self._timbre(rng, chunks[order[index % len(chunks)]]) for index in range(count)]
        return torch.from_numpy(np.stack(rows).astype(np.float32))

    def _index(self, record: SourceRecord) -> None:
        """Note where the chunks of a recording lie."""
        settings = self.settings
        names = [name for name in NOTES_ARRAYS if self._store.has(record.chunk_key(0), name)]
        if not names:
            return
        self._store.read_rows(record.chunk_key(0), settings.latents_name, 0, 0)  # says so where there are none
        chunk_frames = int(self._chunk_samples / self._hop)
        check_lengths(chunk_frames, settings.crop_frames, settings.timbre_frames)
        for index, key in enumerate(record.chunk_keys()):
            left = record.num_samples - index * self._chunk_samples
            num_frames = min(chunk_frames, int(np.ceil(left / self._hop)))
            chunk = _Chunk(key, record.original or record.source, num_frames, names[0], record.kind)
            if record.kind in settings.kinds:
                self._drawn.setdefault(record.group, []).append(chunk)
            if record.kind != "silence":
                self._sounding.setdefault(record.group, []).append(chunk)

    def _item(self, rng: np.random.Generator) -> tuple[NDArray[np.float16], NDArray[np.float32], NDArray[np.float16]]:
        """Draw latents [L, D], structure [L, S] and timbre latents [L', D]."""
        group = self._names[int(rng.integers(len(self._names)))]
        chunks = self._drawn[group]
        chunk = chunks[int(rng.integers(len(chunks)))]
        crop_frames = self.settings.crop_frames
        start = int(rng.integers(max(0, chunk.num_frames - crop_frames) + 1))
        frame_rate = self.settings.frame_rate
        notes = self._store.read(chunk.key, (chunk.notes_name,))[chunk.notes_name]
        structure = piano_roll(notes, crop_frames, frame_rate=frame_rate, start_s=start / frame_rate).T
        return self._latents(chunk, start, crop_frames), structure, self._other(rng, self._sounding[group], chunk)

    def _other(self, rng: np.random.Generator, chunks: list[_Chunk], chunk: _Chunk) -> NDArray[np.float16]:
        """Draw the excerpt that gives the timbre; from the chunk itself only where there is no other."""
        for _ in range(8):
            other = chunks[int(rng.integers(len(chunks)))]
            if self._fits(other, chunk):
                return self._timbre(rng, other)
        # one long file among short ones, a short one among long ones, or a single file
        others = [candidate for candidate in chunks if self._fits(candidate, chunk)]
        return self._timbre(rng, others[int(rng.integers(len(others)))] if others else other)

    def _fits(self, other: _Chunk, chunk: _Chunk) -> bool:
        """Tell whether a chunk may give the timbre of another."""
        if chunk.kind == "silence":
            return True
        is_same = other.origin == chunk.origin
        return is_same and other.key != chunk.key if self.settings.timbre_from == "file" else not is_same

    def _timbre(self, rng: np.random.Generator, chunk: _Chunk) -> NDArray[np.float16]:
        start = int(rng.integers(max(0, chunk.num_frames - self.settings.timbre_frames) + 1))
        return self._latents(chunk, start, self.settings.timbre_frames)

    def _latents(self, chunk: _Chunk, start: int, num_frames: int) -> NDArray[np.float16]:
        return self._store.read_rows(chunk.key, self.settings.latents_name, start, start + num_frames)
