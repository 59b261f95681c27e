"""The codec that a generative model is trained on; one that another program trained is fitted to the store first."""

import json
import math
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path

import torch
from rich.console import Console

from after.checkpoint import list_checkpoints
from after.codec.foreign.codec import ForeignCodec
from after.codec.load import AnyCodec, open_codec
from after.config import to_dict
from after.data.extract.latents import codec_hash
from after.data.loading.crops import AudioCrops
from after.data.store import Store
from after.errors import CheckpointError
from after.training.distributed import from_primary, on_primary

_FIT_ITEMS = 128
_FIT_FRAMES = 64
_FIT_S = 60
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
        CheckpointError: if there is no codec, it is not the one that the run began with, or that is no such run.
        DataError: if the store is missing or of another sample rate.
    """
    opened = on_primary(lambda: _open(source, Path(store_path), Path(run_folder), place, sample_rate))
    # what was measured, latency and statistics, differs a little from process to process: rank 0's counts
    table = from_primary(opened[1] if opened else {})
    codec = opened[0] if opened else open_codec(source, known=table)[0].to(place)
    return codec, table


def _open(
    source: str | Path, store_path: Path, run_folder: Path, place: torch.device, sample_rate: int | None
) -> tuple[AnyCodec, dict[str, object]]:
    known = _known_settings(run_folder)
    codec, table = open_codec(source, known=known.get("codec"), sample_rate=sample_rate)
    codec = codec.to(place)
    if known.get("latents") not in (None, f"latents/{codec_hash(codec)}"):
        raise CheckpointError(
            f"{source} gives other latents than the codec that the run in {run_folder} was trained with: name that "
            "one, or a new folder"
        )
    if not isinstance(codec, ForeignCodec) or codec.is_fitted:
        return codec, table
    console = Console(stderr=True)
    with console.status("measuring the codec's latents") if console.is_terminal else nullcontext():
        _fit(codec, store_path)
    return codec, to_dict(codec.settings)


def _known_settings(run_folder: Path) -> Mapping[str, object]:
    """Read the settings of a run to go on with; empty where there is none.

    Raises:
        CheckpointError: if it is a run of another kind.
    """
    if not list_checkpoints(run_folder):
        return {}
    try:
        stored = json.loads((run_folder / "settings.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):  # `Run.open` says what is wrong
        return {}
    if not isinstance(stored, Mapping):
        return {}
    if stored.get("kind") == "codec":
        raise CheckpointError(f"{run_folder} is a run of after train_autoencoder: name another folder for --out")
    return stored


def _fit(codec: ForeignCodec, store_path: Path) -> None:
    with Store.open(store_path) as store:
        store.check_rate(codec.sample_rate)
        longest = int(store.manifest["chunk_samples"]) // codec.hop_length
        num_samples = max(1, min(longest, _FIT_FRAMES)) * codec.hop_length
        num_items = min(_FIT_ITEMS, math.ceil(_FIT_S * codec.sample_rate / num_samples))
        # the same excerpts whatever the run's seed: another run finds the latents that this one stored
        audio = AudioCrops(store, "train", num_samples).batch(0, num_items, _FIT_SEED)
    codec.fit_latents(audio.to(codec.norm.mean.device))
