"""Random crops of the store for training, as a function of iteration and item alone."""

import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import Tensor

from after.audio import FloatAudio
from after.data.loading.augment import MARGIN_SAMPLES, change_voice, draw_gain, draw_pitch_ratio, draw_second_gain
from after.data.records import SourceRecord
from after.data.store import Split, Store
from after.errors import DataError
from after.settings import AugmentSettings

_FULL_SCALE = 32_768.0


def item_seeds(seed: int, iteration: int, items: range) -> Tensor:
    """Give one seed to each item of an iteration's batch, for noise that a model adds; [B] int64, 0 to 2^32 - 1."""
    drawn = [int(np.random.SeedSequence((seed, iteration, item)).generate_state(1)[0]) for item in items]
    return torch.tensor(drawn, dtype=torch.int64)


@dataclass(frozen=True, kw_only=True, slots=True)
class CropSettings:
    """How crops are drawn.

    `balance_groups` draws every group equally often, else every second of audio is equally likely to be drawn; crops
    whose peak is below `silence_db` are drawn again, at most `num_attempts` times.
    """

    balance_groups: bool = True
    silence_db: float = -50.0
    num_attempts: int = 5


class AudioCrops:
    """Batches of audio crops of one length.

    An item depends on the store's contents, the settings, `seed`, `iteration` and its number in the batch only: a
    resumed run needs no position in the data, and several processes draw each their share of one batch.
    """

    def __init__(
        self,
        store: Store,
        split: Split,
        crop_samples: int,
        settings: CropSettings | None = None,
        *,
        augment: AugmentSettings | None = None,
    ) -> None:
        """Index the chunks of one split.

        Args:
            store: prepared audio.
            split: which files.
            crop_samples: length of an item.
            settings: how crops are drawn.
            augment: how `batch` changes them; None for not at all.

        Raises:
            DataError: if the split is empty, or crops are longer than chunks.
        """
        chunk_samples = int(store.manifest["chunk_samples"])
        if not 0 < crop_samples <= chunk_samples:
            raise DataError(
                f"crops of {crop_samples} samples do not fit into chunks of {chunk_samples}: "
                "ask for shorter crops, or prepare the store with a larger --chunk-seconds"
            )
        records = [record for record in store.sources() if record.split == split and record.kind == "recording"]
        if not records:
            raise DataError(f"{store.path} has no {split} files: add files, or prepare it with a larger --validation")
        self.crop_samples = crop_samples
        self.settings = settings or CropSettings()
        self.augment = augment
        self._store = store
        self._split_code = ("train", "validation").index(split)
        self._chunk_samples = chunk_samples
        groups: dict[str, list[SourceRecord]] = {}
        for record in records:
            groups.setdefault(record.group if self.settings.balance_groups else "", []).append(record)
        self._groups = [groups[name] for name in sorted(groups)]
        self._ends = [list(accumulate(record.num_chunks for record in members)) for members in self._groups]

    def batch(self, iteration: int, batch_size: int, seed: int = 0, *, items: range | None = None) -> Tensor:
        """Draw the batch of one iteration.

        Args:
            iteration: the batch's number.
            batch_size: items in the whole batch.
            seed: of the whole training.
            items: which of them to draw; None for all.

        Returns:
            audio [B, 1, T] float32; augmentation may take it beyond +-1.
        """
        numbers = range(batch_size) if items is None else items
        audio = np.empty((len(numbers), 1, self.crop_samples), dtype=np.float32)
        for row, item in zip(audio, numbers, strict=True):
            row[0] = self._item(np.random.default_rng((seed, self._split_code, iteration, item)))
        return torch.from_numpy(audio)

    def fixed(self, batch_size: int, limit: int | None = None) -> Iterator[Tensor]:
        """Give the same crops every time, unchanged: one from each chunk, spread evenly over groups and files.

        Args:
            batch_size: crops per batch; the last batch may be smaller.
            limit: number of crops; None for one from every chunk.

        Yields:
            audio [B, 1, T] float32 in +-1.
        """
        places = _interleave([_interleave([record.chunk_keys() for record in members]) for members in self._groups])
        places = places[:limit]
        for start in range(0, len(places), batch_size):
            rows = [
                self._store.read_slice(key, "audio", 0, self.crop_samples) for key in places[start : start + batch_size]
            ]
            yield (torch.from_numpy(np.stack(rows)).to(torch.float32) / _FULL_SCALE).unsqueeze(1)

    def _item(self, rng: np.random.Generator) -> FloatAudio:
        """Draw one item, [T]."""
        settings = self.augment
        if settings is None:
            return self._draw(rng, self.crop_samples, 0)[0]
        if rng.random() < settings.silence_probability:
            return np.zeros(self.crop_samples, dtype=np.float32)
        audio = self._voice(rng, settings)
        if second_gain := draw_second_gain(rng, settings):
            audio = audio + np.float32(second_gain) * self._voice(rng, settings)
        return audio * np.float32(draw_gain(rng, settings))

    def _voice(self, rng: np.random.Generator, settings: AugmentSettings) -> FloatAudio:
        """Draw one crop, at times at another pitch and with other phases, [T]."""
        ratio = min(draw_pitch_ratio(rng, settings), self._chunk_samples / self.crop_samples)
        audio, start = self._draw(rng, math.ceil(self.crop_samples * ratio), MARGIN_SAMPLES)
        return change_voice(audio, self.crop_samples, start=start, ratio=ratio, rng=rng, settings=settings)

    def _draw(self, rng: np.random.Generator, num_samples: int, margin: int) -> tuple[FloatAudio, int]:
        """Draw one crop with up to `margin` samples on each side; give it and where the crop starts in it.

        An all-silent crop is given only if nothing louder is found.
        """
        threshold = _FULL_SCALE * 10.0 ** (self.settings.silence_db / 20.0)
        for _ in range(max(1, self.settings.num_attempts)):
            group = int(rng.integers(len(self._groups)))
            place = int(rng.integers(self._ends[group][-1]))
            index = bisect_right(self._ends[group], place)
            record = self._groups[group][index]
            chunk = place - (self._ends[group][index] - record.num_chunks)
            valid_samples = min(self._chunk_samples, record.num_samples - chunk * self._chunk_samples)
            start = int(rng.integers(max(0, valid_samples - num_samples) + 1))
            first = max(0, start - margin)
            audio = self._store.read_slice(record.chunk_key(chunk), "audio", first, start + num_samples + margin)
            crop = audio[start - first :][:num_samples]
            if max(int(crop.max()), -int(crop.min())) >= threshold:
                break
        return audio.astype(np.float32) / np.float32(_FULL_SCALE), start - first


def _interleave(rows: list[list[Any]]) -> list[Any]:
    """Take the first of each row, then the second of each, and so on."""
    return [row[index] for index in range(max(map(len, rows), default=0)) for row in rows if index < len(row)]
