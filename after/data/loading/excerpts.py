"""Training items for the generative model: latents with their structure, and another excerpt that gives the timbre."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from after.conditioning.adversary import NUM_CLASSES, NUM_OCTAVES, pitch_shares
from after.data.loading.structures import NotesReader, PitchLoudnessReader, StructureReader, structure_reader
from after.data.records import Kind, SourceRecord
from after.data.store import Split, Store
from after.errors import DataError


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch, channel-last.

    Attributes:
        latents: [B, L, D].
        structure: [B, L, S].
        timbre_latents: [B, L', D] of elsewhere in the same group or file; see `ExcerptSettings.timbre_from`.
        group: [B] int64, the index of the item's group in `Excerpts.groups`.
        origin: [B] int64, a number for the recording that each excerpt is from, or is from a copy of.
        source: [B] int64, likewise for the recording that each timbre comes from.
        timbre_pitches: [B, 23], what was played where the timbre comes from, see `pitch_shares`; zeros where that is
            not known, or not asked for.
    """

    latents: Tensor
    structure: Tensor
    timbre_latents: Tensor
    group: Tensor
    origin: Tensor
    source: Tensor
    timbre_pitches: Tensor


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
        structure: `midi`, `pitch_loudness` or `learned`.
        with_pitches: whether `Batch.timbre_pitches` is wanted.
    """

    latents_name: str
    crop_frames: int
    timbre_frames: int
    frame_rate: float
    timbre_from: str = "group"
    kinds: tuple[Kind, ...] = ("recording", "copy", "silence")
    structure: str = "midi"
    with_pitches: bool = False


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Where a chunk lies: `origin` is the recording that it is, or is a copy of."""

    key: str
    origin: str
    num_frames: int
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
            DataError: if the split is empty, has not what the structure is made of, or its chunks are shorter than a
                crop.
        """
        self.settings = settings
        self._reader: StructureReader = structure_reader(
            settings.structure, latents_name=settings.latents_name, frame_rate=settings.frame_rate
        )
        self._pitch_readers = (NotesReader(settings.frame_rate), PitchLoudnessReader())
        self._store = store
        self._split_code = ("train", "validation").index(split)
        self._chunk_samples = int(store.manifest["chunk_samples"])
        self._hop = store.manifest["sample_rate"] / settings.frame_rate
        self._drawn: dict[str, list[_Chunk]] = {}
        self._sounding: dict[str, list[_Chunk]] = {}
        for record in store.sources():
            if record.split == split:
                self._index(record)
        # silence alone, of a group whose recordings lack what structure is made of, has no timbre
        self._drawn = {name: chunks for name, chunks in self._drawn.items() if name in self._sounding}
        if not self._drawn:
            what = "recordings with notes" if settings.structure == "midi" else f"{settings.structure} recordings"
            raise DataError(f"{store.path} has no {split} {what}: {self._reader.remedy}")
        self._names = sorted(self._drawn)
        indexed = (*self._drawn.values(), *self._sounding.values())
        origins = sorted({chunk.origin for chunks in indexed for chunk in chunks})
        self._numbers = {origin: number for number, origin in enumerate(origins)}

    @property
    def groups(self) -> Sequence[str]:
        """Names of the groups, sorted."""
        return self._names

    def tell_pitches(self) -> bool:
        """Tell whether pitches are known of anything that may give a timbre."""
        chunks = (chunk for chunks in self._sounding.values() for chunk in chunks)
        return any(reader.has(self._store, chunk.key) for chunk in chunks for reader in self._pitch_readers)

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
        latents, structure, timbre_latents, group, origin, source, pitches = (np.stack(rows) for rows in columns)
        return Batch(
            torch.from_numpy(latents.astype(np.float32)),
            torch.from_numpy(structure),
            torch.from_numpy(timbre_latents.astype(np.float32)),
            torch.from_numpy(group),
            torch.from_numpy(origin),
            torch.from_numpy(source),
            torch.from_numpy(pitches),
        )

    def timbre_excerpts(self, group: str, count: int, seed: int = 0) -> Tensor:
        """Draw excerpts [count, timbre_frames, D] of one group's recordings, from their chunks in turn."""
        rng = np.random.default_rng((seed, self._split_code))
        chunks = [chunk for chunk in self._sounding[group] if chunk.kind == "recording"]
        order = rng.permutation(len(chunks))
        places = [
            (chunk, self._timbre_start(rng, chunk)) for chunk in (chunks[order[i % len(chunks)]] for i in range(count))
        ]
        rows = [self._latents(chunk, start, self.settings.timbre_frames) for chunk, start in places]
        return torch.from_numpy(np.stack(rows).astype(np.float32))

    def _index(self, record: SourceRecord) -> None:
        """Note where the chunks of a recording lie."""
        settings = self.settings
        if not self._reader.has(self._store, record.chunk_key(0)):
            return
        self._store.read_rows(record.chunk_key(0), settings.latents_name, 0, 0)  # says so where there are none
        chunk_frames = int(self._chunk_samples / self._hop)
        check_lengths(chunk_frames, settings.crop_frames, settings.timbre_frames)
        for index, key in enumerate(record.chunk_keys()):
            left = record.num_samples - index * self._chunk_samples
            num_frames = min(chunk_frames, int(np.ceil(left / self._hop)))
            chunk = _Chunk(key, record.original or record.source, num_frames, record.kind)
            if record.kind in settings.kinds:
                self._drawn.setdefault(record.group, []).append(chunk)
            if record.kind != "silence":
                self._sounding.setdefault(record.group, []).append(chunk)

    def _item(self, rng: np.random.Generator) -> tuple[NDArray[Any], ...]:
        """Draw what one item has in each column of a batch."""
        group = int(rng.integers(len(self._names)))
        chunks = self._drawn[self._names[group]]
        chunk = chunks[int(rng.integers(len(chunks)))]
        crop_frames, timbre_frames = self.settings.crop_frames, self.settings.timbre_frames
        start = int(rng.integers(max(0, chunk.num_frames - crop_frames) + 1))
        structure = self._reader.read(self._store, chunk.key, start, crop_frames)
        other = self._other(rng, self._sounding[self._names[group]], chunk)
        place = self._timbre_start(rng, other)
        return (
            self._latents(chunk, start, crop_frames),
            structure,
            self._latents(other, place, timbre_frames),
            np.array(group, dtype=np.int64),
            np.array(self._numbers[chunk.origin], dtype=np.int64),
            np.array(self._numbers[other.origin], dtype=np.int64),
            self._pitches(other, place),
        )

    def _other(self, rng: np.random.Generator, chunks: list[_Chunk], chunk: _Chunk) -> _Chunk:
        """Draw the chunk that gives the timbre: the chunk itself only where there is no other."""
        for _ in range(8):
            other = chunks[int(rng.integers(len(chunks)))]
            if self._fits(other, chunk):
                return other
        # one long file among short ones, a short one among long ones, or a single file
        others = [candidate for candidate in chunks if self._fits(candidate, chunk)]
        others = others or [candidate for candidate in chunks if candidate.key != chunk.key]
        return others[int(rng.integers(len(others)))] if others else other

    def _fits(self, other: _Chunk, chunk: _Chunk) -> bool:
        """Tell whether a chunk may give the timbre of another."""
        if chunk.kind == "silence":
            return True
        is_same = other.origin == chunk.origin
        return is_same and other.key != chunk.key if self.settings.timbre_from == "file" else not is_same

    def _timbre_start(self, rng: np.random.Generator, chunk: _Chunk) -> int:
        return int(rng.integers(max(0, chunk.num_frames - self.settings.timbre_frames) + 1))

    def _pitches(self, chunk: _Chunk, start: int) -> NDArray[np.float32]:
        """Give the shares of pitch classes and octaves where a timbre comes from, [23]; zeros if nothing tells them."""
        shares = np.zeros(NUM_CLASSES + NUM_OCTAVES, dtype=np.float32)
        if not self.settings.with_pitches:
            return shares
        for reader in self._pitch_readers:
            if reader.has(self._store, chunk.key):
                frames = reader.read(self._store, chunk.key, start, self.settings.timbre_frames)
                shares = pitch_shares(torch.from_numpy(frames)[None])[0].numpy()
                break
        return shares

    def _latents(self, chunk: _Chunk, start: int, num_frames: int) -> NDArray[np.float16]:
        return self._store.read_rows(chunk.key, self.settings.latents_name, start, start + num_frames)
