"""Encode a whole store with a codec, once; the latents lie beside the audio, named after the codec."""

import hashlib
from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray

from after.codec.foreign.codec import ForeignCodec
from after.codec.load import AnyCodec
from after.data.store import Store
from after.errors import DataError

_BATCH = 8


def codec_hash(codec: AnyCodec) -> str:
    """Give a short name that changes with anything that decides latents: the encoder's weights, windows and filters."""
    digest = hashlib.blake2b(digest_size=8)
    if isinstance(codec, ForeignCodec):
        digest.update(codec.fingerprint)
        return digest.hexdigest()
    digest.update(f"{codec.sample_rate} {codec.hop_length}".encode())
    for name, tensor in sorted({**dict(codec.encoder.named_buffers()), **codec.encoder.state_dict()}.items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().float().numpy().tobytes())
    return digest.hexdigest()


@torch.inference_mode()
def encode_store(store: Store, codec: AnyCodec, *, progress: Callable[[int, int], None] | None = None) -> str:
    """Add the latents [L, D] (float16) of every chunk that has none yet; interrupted, the next call goes on.

    Args:
        store: opened for writing.
        codec: in evaluation mode.
        progress: called with (chunks done, chunks in all).

    Returns:
        the name under which they lie.

    Raises:
        DataError: if the store is empty, has another sample rate than the codec, or its chunks are no multiple of the
            codec's hop length.
    """
    store.check_rate(codec.sample_rate)
    samples = int(store.manifest["chunk_samples"])
    if samples % codec.hop_length:
        raise DataError(
            f"chunks of {samples} samples are no multiple of the codec's hop length {codec.hop_length}: prepare the "
            "store again with another --chunk-seconds"
        )
    name = f"latents/{codec_hash(codec)}"
    keys = store.keys()
    missing = [key for key in keys if not store.has(key, name)]
    device = next(chain(codec.parameters(), codec.buffers())).device
    done = len(keys) - len(missing)

    def encoded() -> Iterator[tuple[str, dict[str, NDArray[np.float16]]]]:
        nonlocal done
        for start in range(0, len(missing), _BATCH):
            batch = missing[start : start + _BATCH]
            audio = np.stack([store.read(key, ("audio",))["audio"] for key in batch]).astype(np.float32) / 32768.0
            latents = codec.encode(torch.from_numpy(audio)[:, None].to(device)).transpose(1, 2).cpu().numpy()
            for key, rows in zip(batch, latents, strict=True):
                yield key, {name: rows.astype(np.float16)}
            done += len(batch)
            if progress is not None:
                progress(done, len(keys))

    store.write_many(encoded())
    return name
