"""Read instrument files: weights with settings (.safetensors) or an exported stream (.ts)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

import torch
from torch import Tensor

from after.checkpoint import load_into, read_checkpoint
from after.codec.load import AnyCodec, rebuild_codec
from after.conditioning.roll import ROLL_CHANNELS
from after.conditioning.timbre_map import TimbreMap
from after.config import from_dict
from after.errors import CheckpointError, ExportError, InstrumentError
from after.instrument.stored_map import MAP_TABLE, MAP_WEIGHTS, Positions, read_positions, restore_map
from after.manifest import EXPORT_SUFFIX, read_manifest
from after.model import Model, build_model
from after.settings import ModelSettings, StructureSettings
from after.streamer import NOTES_KIND, Streamer

STRUCTURE_KIND, STRUCTURE_SIZE = "structure_kind", "structure_size"
"""What an exported file's manifest says of the structure; files without it are played by notes."""


class Engine(Protocol):
    """What the runtime needs of `after.streamer.Streamer`, as a module or as a loaded TorchScript file."""

    def structure(self, signals: Tensor) -> Tensor:
        """Tell the structure [B, S, L] of what is played, for instance audio [B, 1, L * hop]."""

    def play(self, structure: Tensor, timbre: Tensor) -> Tensor:
        """Play structure [B, L, S] with timbre [B, 1, E] to audio [B, 1, L * hop]."""

    def timbre_of(self, audio: Tensor) -> Tensor:
        """Tell the timbre [B, E] of audio [B, 1, T]."""

    def decode_alone(self, latents: Tensor) -> Tensor:
        """Decode [B, D, L] to [B, 1, L * hop] without lag."""

    def set_seed(self, value: int) -> int:
        """Set the seed of the noise."""

    def set_reset(self, value: int) -> int:
        """Forget everything."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InstrumentParts:
    """What an instrument's weights file holds, in evaluation mode; without a map, `timbre_map` is None."""

    codec: AnyCodec
    model: Model
    timbres: Mapping[str, Tensor]
    snapshot: Mapping[str, object]
    timbre_map: TimbreMap | None = None
    positions: Positions = field(default_factory=dict)

    @property
    def structure(self) -> StructureSettings:
        """Give what plays the instrument: notes, unless the file says something else."""
        return from_dict(ModelSettings, table_of(self.snapshot, "model")).structure


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadedInstrument:
    """An engine and what is known about it.

    Attributes:
        engine: plays.
        sample_rate: Hz.
        hop_length: samples per frame.
        num_latents: of the codec.
        timbre_size: numbers in a timbre.
        codec_latency_samples: by which `play` lags.
        structure_kind: `midi`, `pitch_loudness` or `learned`.
        timbres: named vectors [E].
        manifest: settings and description.
        timbre_map: places to timbres, where there is a map.
        positions: of the named timbres on it.
    """

    engine: Engine
    sample_rate: int
    hop_length: int
    num_latents: int
    timbre_size: int
    codec_latency_samples: int
    structure_kind: str
    timbres: Mapping[str, Tensor]
    manifest: Mapping[str, object]
    timbre_map: TimbreMap | None = None
    positions: Positions = field(default_factory=dict)

    @property
    def plays_audio(self) -> bool:
        """Tell whether audio plays it; else notes do."""
        return self.structure_kind != NOTES_KIND


def read_parts(path: str | Path) -> InstrumentParts:
    """Read an instrument's codec, model and timbres from a .safetensors file.

    Raises:
        CheckpointError: if the file is damaged or holds something else.
    """
    tensors, snapshot = read_checkpoint(path)
    if snapshot.get("kind") != "instrument":
        raise CheckpointError(f"{path} holds a {snapshot.get('kind', 'model')}, not an instrument")
    codec = rebuild_codec(table_of(snapshot, "codec"), _under("codec.", tensors))
    model = build_model(from_dict(ModelSettings, table_of(snapshot, "model")), codec.num_latents)
    load_into(model, _under("model.", tensors))
    timbres = {name: vector.float() for name, vector in _under("timbres.", tensors).items()}
    weights = tensors.get(MAP_WEIGHTS)
    return InstrumentParts(
        codec=codec,
        model=model.eval(),
        timbres=timbres,
        snapshot=snapshot,
        timbre_map=None if weights is None else restore_map(weights, model.timbre_size),
        positions={} if weights is None else read_positions(table_of(snapshot, MAP_TABLE)),
    )


def load_engine(path: Path) -> LoadedInstrument:
    """Load an instrument file of either kind, by its suffix.

    Raises:
        InstrumentError: if nothing is there, or an exported file is damaged or no instrument.
        CheckpointError: if a weights file is damaged or holds something else.
    """
    if not path.is_file():
        raise InstrumentError(
            f"there is no instrument at {path}: name a .safetensors file of a trained instrument, or an exported .ts"
        )
    if path.suffix == EXPORT_SUFFIX:
        return _load_export(path)
    parts = read_parts(path)
    codec, model = parts.codec, parts.model
    return LoadedInstrument(
        engine=Streamer(codec, model, parts.structure, timbre_map=parts.timbre_map).eval(),
        sample_rate=codec.sample_rate,
        hop_length=codec.hop_length,
        num_latents=codec.num_latents,
        timbre_size=model.timbre_size,
        codec_latency_samples=codec.latency_samples,
        structure_kind=parts.structure.kind,
        timbres=parts.timbres,
        manifest=parts.snapshot,
        timbre_map=parts.timbre_map,
        positions=parts.positions,
    )


def _load_export(path: Path) -> LoadedInstrument:
    try:
        manifest = read_manifest(path)
    except ExportError as error:
        raise InstrumentError(str(error)) from error
    if manifest.get("kind") != "instrument":
        raise InstrumentError(f"{path} is an exported {manifest.get('kind')}, not an instrument")
    try:
        module = torch.jit.load(path, map_location="cpu")  # type: ignore[no-untyped-call]
    except RuntimeError as error:
        raise InstrumentError(f"{path} is damaged ({str(error).splitlines()[0]}): export it again") from error
    timbres = table_of(manifest, "timbres")
    timbre_size = _number(manifest, "timbre_size")
    kind = str(manifest.get(STRUCTURE_KIND, NOTES_KIND))
    engine = cast(Engine, module.eval())
    _warm_up(engine, manifest, timbre_size, listens=kind != NOTES_KIND)
    stored_map = table_of(manifest, MAP_TABLE) if MAP_TABLE in manifest else {}
    return LoadedInstrument(
        engine=engine,
        sample_rate=_number(manifest, "sample_rate"),
        hop_length=_number(manifest, "hop_length"),
        num_latents=_number(manifest, "num_latents"),
        timbre_size=timbre_size,
        codec_latency_samples=_number(manifest, "codec_latency_samples"),
        structure_kind=kind,
        timbres={name: torch.tensor(vector, dtype=torch.float32) for name, vector in timbres.items()},
        manifest=manifest,
        timbre_map=restore_map(stored_map.get("weights"), timbre_size) if stored_map else None,
        positions=read_positions(stored_map) if stored_map else {},
    )


@torch.inference_mode()
def _warm_up(engine: Engine, manifest: Mapping[str, object], timbre_size: int, *, listens: bool) -> None:
    """Play a little: the first two calls of a TorchScript method compile it, far too slowly for a stream."""
    structure = torch.zeros(1, 1, _number(manifest, STRUCTURE_SIZE) if listens else ROLL_CHANNELS)
    for _ in range(2):
        if listens:
            engine.structure(torch.zeros(1, 1, _number(manifest, "hop_length")))
        engine.play(structure, torch.zeros(1, 1, timbre_size))
    engine.set_reset(1)


def table_of(snapshot: Mapping[str, object], key: str) -> Mapping[str, object]:
    """Give one table of an instrument's description.

    Raises:
        CheckpointError: if there is none.
    """
    value = snapshot.get(key)
    if not isinstance(value, dict):
        raise CheckpointError(f"the instrument's description has no table {key!r}: the file is damaged")
    return value


def _number(manifest: Mapping[str, object], key: str) -> int:
    value = manifest.get(key)
    if not isinstance(value, int):
        raise InstrumentError(f"the manifest has no number {key!r}: export the instrument again")
    return value


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
