"""An instrument file from a diffusion run, its codec and its data: half-precision weights, named timbres, their map."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import Tensor

import after
from after.checkpoint import write_checkpoint
from after.codec.load import stored_tensors
from after.conditioning.map_fit import FittedMap, fit_timbre_map
from after.config import to_dict
from after.data.loading.excerpts import Excerpts, ExcerptSettings
from after.data.records import SourceRecord
from after.data.store import Store
from after.errors import DataError, ExportError
from after.files import written_atomically
from after.instrument import Attributes
from after.instrument.stored_map import MAP_TABLE, MAP_WEIGHTS
from after.model import Model
from after.trained import Trained, load_trained

_BATCH = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class BundleJob:
    """What goes into an instrument file.

    Attributes:
        run: run folder of `after train`, or one of its checkpoints.
        codec: run folder of `after train_autoencoder`, one of its checkpoints, a codec file, or the TorchScript file of
            another program's codec.
        store: the data set that the run was trained on.
        names: groups of the store (instruments) to their names in the file; the others keep theirs.
        groups: the groups that become timbres; empty for all.
        license: of the weights, for who gets the file.
        attributes: how the instrument plays until told otherwise.
        num_excerpts: excerpts averaged for a timbre.
        max_megabytes: size (10^6 bytes) above which the file is refused.
    """

    run: Path
    codec: Path
    store: Path
    names: Mapping[str, str] = field(default_factory=dict)
    groups: tuple[str, ...] = ()
    license: str = ""
    attributes: Attributes = field(default_factory=Attributes)
    num_excerpts: int = 64
    max_megabytes: float = 30.0


def bundle(job: BundleJob, out: str | Path) -> dict[str, object]:
    """Write an instrument file.

    Args:
        job: what goes into it.
        out: a .safetensors file; it appears whole or not at all.

    Returns:
        the snapshot stored in the file.

    Raises:
        CheckpointError: if run and codec are missing or do not belong together.
        DataError: if the store lacks the latents of the run or a group that was named, or a timbre is not finite.
        ExportError: if the file would be larger than allowed, or two timbres would have the same name.
    """
    out = Path(out)
    if out.suffix != ".safetensors":
        raise ExportError(f"{out} has no suffix .safetensors: an instrument file needs it")
    trained = load_trained(job.run, job.codec)
    with Store.open(job.store) as store:
        excerpts, records = _excerpts(job, trained, store)
    timbres = {name: vectors.mean(0).clamp(-1.0, 1.0) for name, vectors in excerpts.items()}
    fitted = fit_timbre_map(excerpts, timbres)
    tensors = {f"timbres.{name}": vector for name, vector in timbres.items()}
    tensors[MAP_WEIGHTS] = fitted.timbre_map.weights
    for prefix, stored in (("codec", stored_tensors(trained.codec)), ("model", trained.model.state_dict())):
        tensors |= {f"{prefix}.{name}": tensor for name, tensor in stored.items()}
    snapshot = _snapshot(job, trained, records) | {MAP_TABLE: _map_table(fitted)}
    try:
        with written_atomically(out) as temporary:
            write_checkpoint(temporary, tensors, snapshot, half=True)
            _check_size(temporary, out, job.max_megabytes)
    except OSError as error:
        raise ExportError(f"cannot write {out}: {error.strerror or error}; choose another folder") from error
    return snapshot


def _excerpts(
    job: BundleJob, trained: Trained, store: Store
) -> tuple[dict[str, Tensor], dict[str, list[SourceRecord]]]:
    """Give the timbres [N, E] of each group's training excerpts, by the group's name, and the records behind each."""
    keys = store.keys("train")
    if not keys or not store.has(keys[0], trained.latents_name):
        raise DataError(f"{job.store} has no {trained.latents_name}: name the store that the run was trained on")
    excerpts = Excerpts(
        store,
        "train",
        ExcerptSettings(
            latents_name=trained.latents_name,
            crop_frames=1,
            timbre_frames=_frames(trained.snapshot),
            frame_rate=trained.codec.sample_rate / trained.codec.hop_length,
            kinds=("recording",),
            structure="learned",  # any recording will do: only timbres are drawn
        ),
    )
    group_of = _names(job, excerpts.groups)
    timbres = {
        name: _timbres_of(trained.model, excerpts.timbre_excerpts(group, job.num_excerpts))
        for name, group in group_of.items()
    }
    sources = [record for record in store.sources() if record.split == "train" and record.kind == "recording"]
    records = {name: [record for record in sources if record.group == group] for name, group in group_of.items()}
    return timbres, records


def _names(job: BundleJob, known: Sequence[str]) -> dict[str, str]:
    """Give the group behind each timbre's name, in the order of the names."""
    unknown = sorted({*job.groups, *job.names} - set(known))
    if unknown:
        raise DataError(f"{job.store} has no group {', '.join(unknown)} to train on; it has {', '.join(known)}")
    named: dict[str, str] = {}
    for group in job.groups or known:
        name = job.names.get(group, group)
        if name in named:
            raise ExportError(f"{named[name]} and {group} would both be named {name}: rename one of them")
        named[name] = group
    return dict(sorted(named.items()))


def _frames(snapshot: Mapping[str, object]) -> int:
    frames = snapshot.get("timbre_frames")
    return frames if isinstance(frames, int) else 128


@torch.inference_mode()
def _timbres_of(model: Model, excerpts: Tensor) -> Tensor:
    """Give the timbres [N, E] of excerpts [N, L, D]."""
    return torch.cat([model.timbre_encoder(batch) for batch in torch.split(excerpts, _BATCH)])


def _map_table(fitted: FittedMap) -> dict[str, object]:
    """Give what the instrument's file says about its map."""
    return {
        "positions": {name: list(place) for name, place in fitted.positions.items()},
        "quality": asdict(fitted.quality),
    }


def _snapshot(job: BundleJob, trained: Trained, records: Mapping[str, Sequence[SourceRecord]]) -> dict[str, object]:
    rate = trained.codec.sample_rate
    hours = {name: sum(r.stored_samples for r in group) / rate / 3600 for name, group in records.items()}
    return {
        "kind": "instrument",
        "codec": trained.snapshot["codec"],
        "model": trained.snapshot["model"],
        "attributes": to_dict(job.attributes),
        "description": {
            "license": job.license,
            "credits": {name: "; ".join(_licenses(group)) for name, group in records.items()},
            "timbres": list(records),
            "groups": {name: group[0].group for name, group in records.items()},
            "data_hours": round(sum(hours.values()), 3),
            "hours": {name: round(value, 3) for name, value in hours.items()},
            "iterations": trained.iterations,
            "codec_iterations": trained.codec_iterations,
            "after_version": after.__version__,
        },
    }


def _licenses(records: Sequence[SourceRecord]) -> Iterator[str]:
    yield from sorted({record.license or "unstated" for record in records})


def _check_size(path: Path, out: Path, max_megabytes: float) -> None:
    megabytes = path.stat().st_size / 1e6
    if megabytes > max_megabytes:
        raise ExportError(
            f"{out} would have {megabytes:.1f} MB, {max_megabytes:g} MB are allowed: "
            "train a smaller model, or allow more with --max-megabytes"
        )
