"""The codec that a generative model is trained on; one that another program trained is fitted to the store first."""

import json
from collections.abc import Mapping
from pathlib import Path

import torch

from after.checkpoint import list_checkpoints
from after.codec.foreign.codec import ForeignCodec
from after.codec.load import AnyCodec, open_codec
from after.config import to_dict
from after.data.dataset import AudioCrops
from after.data.store import Store
from after.training.distributed import broadcast_module, from_primary, on_primary

_FIT_ITEMS = 128
_FIT_FRAMES = 64
_FIT_SEED = 0


def open_training_codec(
    source: str | Path,
    store_path: str | Path,
    run_folder: str | Path,
    place: torch.device,
    *,
    sample_rate: int | None = None,
) -> tuple[AnyCodec, dict[str, object]]:
    """Load the codec onto a device, with the table that the run's snapshot holds of it.

    The statistics of a foreign codec's latents are measured on the store's training files when a run begins; a run that
    goes on has them in its settings.

    Args:
        source: of the codec.
        store_path: the training data.
        run_folder: of the model.
        place: the device.
        sample_rate: Hz, for a foreign codec that does not state it.

    Raises:
        CheckpointError: if there is no codec, or it is not the one that the run began with.
        DataError: if the store is missing or of another sample rate.
    """
    codec, table = open_codec(source, known=_known_codec(Path(run_folder)), sample_rate=sample_rate)
    codec = codec.to(place)
    if not isinstance(codec, ForeignCodec) or codec.is_fitted:
        return codec, table
    on_primary(lambda: _fit(codec, Path(store_path)))
    broadcast_module(codec.norm)
    codec.is_fitted = True
    return codec, from_primary(to_dict(codec.settings))


def _known_codec(run_folder: Path) -> object:
    """Read what a run knows of its codec; None where there is no run to go on with."""
    if not list_checkpoints(run_folder):
        return None
    try:
        stored = json.loads((run_folder / "settings.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # `Run.open` says what is wrong
        return None
    return stored.get("codec") if isinstance(stored, Mapping) else None


def _fit(codec: ForeignCodec, store_path: Path) -> None:
    with Store.open(store_path) as store:
        store.check_rate(codec.sample_rate)
        longest = int(store.manifest["chunk_samples"]) // codec.hop_length
        num_frames = max(1, min(longest, _FIT_FRAMES))
        crops = AudioCrops(store, "train", num_frames * codec.hop_length)
        # the same excerpts whatever the run's seed: another run finds the latents that this one stored
        codec.fit_latents(crops.batch(0, _FIT_ITEMS, _FIT_SEED).to(codec.norm.mean.device))
