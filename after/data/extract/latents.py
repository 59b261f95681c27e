"""Latents of stored recordings, named after the codec that gives them.

A recording is encoded as one stream, so its chunks fit together as if it had been encoded in one go.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from after.codec.foreign.archive import RUN_ERRORS, last_line
from after.codec.foreign.codec import ForeignCodec
from after.codec.load import AnyCodec, open_codec
from after.data.extract.contract import Counts
from after.data.extract.device import pick_worker_device
from after.data.extract.frame_grid import frames_per_chunk
from after.data.extract.stored_audio import AudioInStore, StoredAudio
from after.data.feature_records import FeatureRecord
from after.data.records import Array, encode_array
from after.data.store import Store
from after.errors import CheckpointError, DataError

_BLOCK_SAMPLES = 1 << 21
"""Samples that are encoded at a time: eight chunks of the usual length."""

_VERSION = b"streamed"
"""Part of every name: latents of programs that began each chunk from silence have other values."""


def codec_hash(codec: AnyCodec) -> str:
    """Give a short name that changes with anything that decides latents: the encoder's weights, windows and filters."""
    digest = hashlib.blake2b(_VERSION, digest_size=8)
    if isinstance(codec, ForeignCodec):
        digest.update(codec.fingerprint)
        return digest.hexdigest()
    digest.update(f"{codec.sample_rate} {codec.hop_length}".encode())
    for name, tensor in sorted({**dict(codec.encoder.named_buffers()), **codec.encoder.state_dict()}.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class LatentsSettings:
    """A codec that was trained here (run folder, checkpoint or file); `device` is auto, cpu or cuda."""

    codec_path: str
    device: str = "auto"

    @property
    def name(self) -> str:
        """Name of the feature and of its array, [L, D] float16; it loads the codec.

        Raises:
            CheckpointError: if there is no codec.
        """
        return f"latents/{self._open()[1]}"

    @property
    def sample_rate(self) -> int:
        """Rate in Hz that the codec runs at, and a store must have."""
        return self._open()[0].sample_rate

    def to_manifest(self) -> dict[str, Any]:
        """Give what the codec is; its place does not matter."""
        return describe_latents(*self._open())

    def build(self) -> "LatentsExtractor":
        """Load the codec.

        Raises:
            CheckpointError: if there is none, or it is one whose latents training measures first.
            ConfigError: if the device is not there.
        """
        return LatentsExtractor(self._open(pick_worker_device(self.device))[0])

    def _open(self, device: torch.device | None = None) -> tuple[AnyCodec, str]:
        path = Path(self.codec_path).resolve()
        changed_ns = path.stat().st_mtime_ns if path.exists() else 0
        return _open(path, changed_ns, device or torch.device("cpu"))


class LatentsExtractor:
    """Encodes recordings with one codec."""

    def __init__(self, codec: AnyCodec) -> None:
        self._codec = codec
        self._name = f"latents/{codec_hash(codec)}"

    def extract(self, audio: StoredAudio) -> Iterator[Mapping[str, Array]]:
        """Give the latents of each chunk."""
        for rows in encode_recording(self._codec, audio):
            yield {self._name: rows}

    def count(self, arrays: Mapping[str, Array], num_samples: int) -> Counts:
        """Count nothing."""
        return {}


def describe_latents(codec: AnyCodec, name_hash: str) -> dict[str, Any]:
    """Give what stands in the manifest about a codec's latents."""
    return {"codec": name_hash, "hop_length": codec.hop_length, "num_latents": codec.num_latents}


def encode_recording(codec: AnyCodec, audio: StoredAudio) -> Iterator[NDArray[np.float16]]:
    """Give the latents [L, D] of each chunk, as the codec gives them for the whole recording.

    Args:
        codec: in evaluation mode.
        audio: the recording.

    Raises:
        DataError: if the sample rate differs, or chunks are no multiple of the codec's hop length.
        CheckpointError: if a foreign codec fails when it is run.
    """
    if audio.sample_rate != codec.sample_rate:
        raise DataError(
            f"the audio has a sample rate of {audio.sample_rate} Hz, the codec runs at {codec.sample_rate} Hz: prepare "
            f"it with --sample-rate {codec.sample_rate}, or take another codec"
        )
    num_frames = frames_per_chunk(audio, codec.hop_length, "the codec's")
    chunks_per_block = max(1, _BLOCK_SAMPLES // audio.chunk_samples)
    device = _device_of(codec)
    state = codec.encoder.init_state(1)
    for first in range(0, audio.num_chunks, chunks_per_block):
        stop = min(audio.num_chunks, first + chunks_per_block)
        block = torch.from_numpy(audio.read(first * audio.chunk_samples, stop * audio.chunk_samples))
        latents, state = _step(codec, block.to(device)[None, :, None], state)
        rows = latents[0].float().cpu().numpy().astype(np.float16)
        for index in range(stop - first):
            yield rows[index * num_frames : (index + 1) * num_frames]


def encode_store(store: Store, codec: AnyCodec, *, progress: Callable[[int, int], None] | None = None) -> str:
    """Add the latents [L, D] (float16) of every recording that has none yet; interrupted, the next call goes on.

    Args:
        store: opened for writing, unless nothing is missing.
        codec: in evaluation mode.
        progress: called with (chunks done, chunks in all).

    Returns:
        the name under which they lie.

    Raises:
        DataError: if the store is empty, has another sample rate than the codec, or its chunks are no multiple of the
            codec's hop length.
        CheckpointError: if a foreign codec fails when it is run.
    """
    store.check_rate(codec.sample_rate)
    chunk_samples = int(store.manifest["chunk_samples"])
    name_hash = codec_hash(codec)
    name = f"latents/{name_hash}"
    feature = FeatureRecord(name=name, settings=describe_latents(codec, name_hash))
    records = store.sources()
    missing = [record for record in records if store.features.get(record, name) is None]
    total = sum(record.num_chunks for record in records)
    done = total - sum(record.num_chunks for record in missing)

    def blocks(audio: StoredAudio) -> Iterator[tuple[int, str, bytes]]:
        nonlocal done
        for index, rows in enumerate(encode_recording(codec, audio)):
            yield index, name, encode_array(name, rows)
            done += 1
            if progress is not None:
                progress(done, total)

    for record in missing:
        audio = AudioInStore(store.path, record, codec.sample_rate, chunk_samples).read_from(store)
        store.features.put(record, feature, blocks(audio))
    return name


@torch.inference_mode()
def _step(codec: AnyCodec, audio: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Encode one block [1, T, 1]."""
    if not isinstance(codec, ForeignCodec):
        latents, state = codec.encoder.step(audio, state)
        return latents, state
    try:
        latents, state = codec.encoder.step(audio, state)
    except RUN_ERRORS as error:
        raise CheckpointError(
            f"the foreign codec fails on {list(audio.shape)} values on {audio.device} ({last_line(error)}): if it runs "
            "on the CPU alone, use --device cpu, else export it again"
        ) from error
    return latents, state


@lru_cache(maxsize=4)
def _open(path: Path, changed_ns: int, device: torch.device) -> tuple[AnyCodec, str]:
    """Load a codec and hash it, again when its file has changed."""
    codec, _ = open_codec(path)
    if isinstance(codec, ForeignCodec):
        raise CheckpointError(
            f"{path} is another program's codec, whose latents are normalised by what `after train --codec` measures: "
            "leave them to that command"
        )
    return codec.to(device), codec_hash(codec)


def _device_of(codec: AnyCodec) -> torch.device:
    return next(chain(codec.parameters(), codec.buffers())).device
