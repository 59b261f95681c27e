"""Training items for the generative model: latents with their structure, and another excerpt that gives the timbre."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from after.conditioning.roll import piano_roll
from after.data.store import Split, Store
from after.errors import DataError


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch, channel-last.

    Attributes:
        latents: [B, L, D].
        structure: [B, L, S].
        timbre_latents: [B, L', D] of another file (where there is one) of the same group.
    """

    latents: Tensor
    structure: Tensor
    timbre_latents: Tensor


@dataclass(frozen=True, slots=True)
class _Chunk:
    source: str
    latents: NDArray[np.float16]
    notes: NDArray[np.float32]
    num_frames: int


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
    """Random excerpts with latents and notes, held in memory (about 10 MB per hour of audio).

    An item depends on the store, the seed, the iteration and its number in the batch only: a resumed run needs no
    position in the data, and several processes draw each their share of one batch.
    """

    def __init__(
        self, store: Store, split: Split, *, latents_name: str, crop_frames: int, timbre_frames: int, frame_rate: float
    ) -> None:
        """Read all chunks of a split.

        Raises:
            DataError: if the split is empty, has no notes, or its chunks are shorter than a crop.
        """
        self.crop_frames = crop_frames
        self.timbre_frames = timbre_frames
        self.frame_rate = frame_rate
        self._split_code = ("train", "validation").index(split)
        hop = store.manifest["sample_rate"] / frame_rate
        self.groups: dict[str, list[_Chunk]] = {}
        for record in store.sources():
            if record.split != split:
                continue
            for index, key in enumerate(record.chunk_keys()):
                if not store.has(key, "notes"):
                    continue
                arrays = store.read(key, (latents_name, "notes"))
                latents = arrays[latents_name]
                left = record.num_samples - index * int(store.manifest["chunk_samples"])
                num_frames = min(len(latents), int(np.ceil(left / hop)))
                chunk = _Chunk(record.source, latents, arrays["notes"], num_frames)
                self.groups.setdefault(record.group, []).append(chunk)
        if not self.groups:
            raise DataError(f"{store.path} has no {split} recordings with notes: prepare it with MIDI beside the audio")
        longest = min(len(chunk.latents) for chunks in self.groups.values() for chunk in chunks)
        check_lengths(longest, crop_frames, timbre_frames)
        self._names = sorted(self.groups)

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

    def _item(self, rng: np.random.Generator) -> tuple[NDArray[np.float16], NDArray[np.float32], NDArray[np.float16]]:
        """Draw latents [L, D], structure [L, S] and timbre latents [L', D]."""
        chunks = self.groups[self._names[int(rng.integers(len(self._names)))]]
        chunk = chunks[int(rng.integers(len(chunks)))]
        start = int(rng.integers(max(0, chunk.num_frames - self.crop_frames) + 1))
        start_s = start / self.frame_rate
        structure = piano_roll(chunk.notes, self.crop_frames, frame_rate=self.frame_rate, start_s=start_s).T
        return chunk.latents[start : start + self.crop_frames], structure, self._other(rng, chunks, chunk)

    def timbre_excerpts(self, group: str, count: int, seed: int = 0) -> Tensor:
        """Draw excerpts [count, timbre_frames, D] of one group, from its chunks in turn."""
        rng = np.random.default_rng((seed, self._split_code))
        chunks = self.groups[group]
        order = rng.permutation(len(chunks))
        rows = [self._excerpt(rng, chunks[order[index % len(chunks)]]) for index in range(count)]
        return torch.from_numpy(np.stack(rows).astype(np.float32))

    def _other(self, rng: np.random.Generator, chunks: list[_Chunk], chunk: _Chunk) -> NDArray[np.float16]:
        """Draw an excerpt of another file of the same group; of the same one only where there is no other."""
        other = chunk
        for _ in range(8):
            other = chunks[int(rng.integers(len(chunks)))]
            if other.source != chunk.source:
                break
        else:  # one long file among short ones, or a single file
            others = [candidate for candidate in chunks if candidate.source != chunk.source]
            other = others[int(rng.integers(len(others)))] if others else other
        return self._excerpt(rng, other)

    def _excerpt(self, rng: np.random.Generator, chunk: _Chunk) -> NDArray[np.float16]:
        start = int(rng.integers(max(0, chunk.num_frames - self.timbre_frames) + 1))
        return chunk.latents[start : start + self.timbre_frames]
