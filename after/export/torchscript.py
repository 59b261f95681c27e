"""Export an instrument or a codec as one TorchScript file that streams in nn~, in the plugin and in Python."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import after
from after.audio import read_audio
from after.checkpoint import read_snapshot
from after.codec.load import load_codec
from after.codec.streamer import CodecStreamer
from after.config import to_dict
from after.controls import CONTROLS, STREAM_CONTROLS
from after.errors import AudioError, CheckpointError, ExportError
from after.export.archive import check_name, write
from after.export.check import check_codec, check_operators, check_protocol, check_round_trip
from after.export.check_instrument import check_instrument, measure_speed
from after.instrument.loading import STRUCTURE_KIND, STRUCTURE_SIZE, InstrumentParts, read_parts, table_of
from after.instrument.melody import make_melody
from after.instrument.stored_map import MAP_TABLE
from after.manifest import EXPORT_SUFFIX, SCHEMA_VERSION
from after.streamer import NOTES_KIND, NUM_VOICES, Streamer
from after.streaming.archive import compile_module, pack, unpack
from after.trained import load_trained

_SPEED_FRAMES = (1, 2, 8)
_LEAST_TIMBRE_S = 0.2

Report = Callable[[str], None]
Manifest = dict[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class InstrumentJob:
    """What to export.

    Attributes:
        source: an instrument file (.safetensors), or a run of `after train` (folder or checkpoint).
        codec: of a run; an instrument file has its own.
        timbres: names to audio files whose timbre the file shall offer, beside those of an instrument file.
        license: of the weights; an instrument file states its own.
    """

    source: Path
    codec: Path | None = None
    timbres: Mapping[str, Path] = field(default_factory=dict)
    license: str = ""


def export_instrument(job: InstrumentJob, out: str | Path, *, report: Report = lambda text: None) -> Manifest:
    """Export an instrument, and check that the file plays what the instrument would play.

    Args:
        job: what to export.
        out: a .ts file; it appears whole or not at all, and only after all checks.
        report: is told what is being done.

    Returns:
        the manifest stored in the file.

    Raises:
        CheckpointError: if the source or its codec is missing, damaged or something else.
        AudioError: if a timbre's audio cannot be read or is too short.
        ExportError: if a check fails or the file cannot be written.
    """
    out = check_name(out)
    parts = _with_timbres(_read(job), job.timbres)
    codec, model = parts.codec, parts.model
    kind = parts.structure.kind
    streamer = Streamer(codec, model, parts.structure, timbre_map=parts.timbre_map)
    if "attributes" in parts.snapshot:
        for name, value in table_of(parts.snapshot, "attributes").items():
            getattr(streamer, f"set_{name}")(value)
    report("compiling")
    scripted = compile_module(streamer)
    check_operators(scripted)
    loaded = unpack(pack(scripted, {}))
    report("comparing the stream with the whole sequence")
    check_protocol(loaded, 2, codec.hop_length)
    errors = check_instrument(loaded, codec, model, kind=kind, timbre_map=parts.timbre_map)
    report("measuring speed")
    verification = {"max_error": errors, "real_time_factor": _speeds(loaded, "forward", codec)}
    manifest = _manifest("instrument", loaded, codec, verification) | {
        "timbre_size": model.timbre_size,
        STRUCTURE_KIND: kind,
        STRUCTURE_SIZE: streamer.source.structure_size,
        "num_voices": NUM_VOICES if kind == NOTES_KIND else 0,
        "latency_samples": codec.hop_length + codec.latency_samples,
        "attributes": {name: getattr(loaded, f"get_{name}")()[0] for name in CONTROLS},
        "controls": {name: asdict(control) for name, control in (CONTROLS | STREAM_CONTROLS).items()},
        "timbres": {name: [round(float(x), 6) for x in vector] for name, vector in parts.timbres.items()},
        "codec": parts.snapshot["codec"],
        "model": parts.snapshot["model"],
        "description": parts.snapshot.get("description", {}),
        **_map_entry(parts),
    }
    _finish(scripted, manifest, out, report)
    return manifest


def export_autoencoder(source: str | Path, out: str | Path, *, report: Report = lambda text: None) -> Manifest:
    """Export a codec by itself, and check that the file streams what the codec computes.

    Args:
        source: a run of `after train_autoencoder` (folder or checkpoint) or a codec file.
        out: a .ts file; it appears whole or not at all, and only after all checks.
        report: is told what is being done.

    Returns:
        the manifest stored in the file.

    Raises:
        CheckpointError: if the source is missing, damaged or something else.
        ExportError: if a check fails or the file cannot be written.
    """
    out = check_name(out)
    codec, settings = load_codec(source)
    report("compiling")
    scripted = compile_module(CodecStreamer(codec))
    check_operators(scripted)
    loaded = unpack(pack(scripted, {}))
    report("comparing the stream with the whole sequence")
    check_protocol(loaded, 2, codec.hop_length)
    errors = check_codec(loaded, codec)
    errors["forward"], lag = check_round_trip(loaded, codec)
    report("measuring speed")
    speeds = _speeds(loaded, "forward", codec)
    verification = {"max_error": errors, "latency_samples": lag, "real_time_factor": speeds}
    manifest = _manifest("codec", loaded, codec, verification) | {
        "latency_samples": codec.latency_samples,
        "codec": to_dict(settings),
    }
    _finish(scripted, manifest, out, report)
    return manifest


def _read(job: InstrumentJob) -> InstrumentParts:
    """Read an instrument file, or put one together from a run and its codec."""
    if job.source.suffix == EXPORT_SUFFIX:
        raise ExportError(f"{job.source} is exported already: name what it was exported from")
    if job.source.is_file() and read_snapshot(job.source).get("kind") == "instrument":
        return read_parts(job.source)
    if job.codec is None:
        raise CheckpointError(f"{job.source} is no instrument file: a run needs its codec, give --codec RUN_OR_FILE")
    trained = load_trained(job.source, job.codec)
    description = {
        "license": job.license,
        "iterations": trained.iterations,
        "codec_iterations": trained.codec_iterations,
        "after_version": after.__version__,
    }
    snapshot = {**trained.snapshot, "description": description}
    return InstrumentParts(codec=trained.codec, model=trained.model, timbres={}, snapshot=snapshot)


@torch.inference_mode()
def _with_timbres(parts: InstrumentParts, files: Mapping[str, Path]) -> InstrumentParts:
    """Add the timbres of audio files."""
    timbres: dict[str, Tensor] = dict(parts.timbres)
    for name, path in files.items():
        audio, _ = read_audio(path, sample_rate=parts.codec.sample_rate, mono=True)
        num_samples = audio.shape[1] // parts.codec.hop_length * parts.codec.hop_length
        if num_samples < _LEAST_TIMBRE_S * parts.codec.sample_rate:
            raise AudioError(f"{path} is too short for a timbre: give a second or more")
        latents = parts.codec.encode(torch.from_numpy(audio[None, :, :num_samples].copy()))
        timbres[name] = parts.model.timbre_encoder(latents.mT)[0]
    return replace(parts, timbres=timbres)


@torch.inference_mode()
def _map_entry(parts: InstrumentParts) -> Manifest:
    """Give the map for the manifest: weights, and the places of all named timbres, those of audio files too."""
    timbre_map = parts.timbre_map
    if timbre_map is None:
        return {}
    positions = {
        name: list(parts.positions[name])
        if name in parts.positions
        else [round(float(place), 4) for place in timbre_map.locate(vector[None].float())[0]]
        for name, vector in parts.timbres.items()
    }
    weights = [[[round(x, 4) for x in vector] for vector in row] for row in timbre_map.weights.tolist()]
    return {MAP_TABLE: {**table_of(parts.snapshot, MAP_TABLE), "positions": positions, "weights": weights}}


def _speeds(loaded: Any, name: str, codec: Any) -> dict[str, float]:
    """Measure a method from signals to signals at several buffer sizes; where it takes audio, it gets a melody."""
    speeds = {}
    for frames in _SPEED_FRAMES:
        num_samples = frames * codec.hop_length
        x = torch.zeros(1, int(getattr(loaded, f"{name}_params")[0]), num_samples)
        if getattr(loaded, f"{name}_input_labels")[0] == "audio":
            x[:, :1] = torch.from_numpy(make_melody(num_samples, codec.sample_rate))
        factor = measure_speed(loaded, name, x, num_samples / codec.sample_rate)
        speeds[str(num_samples)] = round(factor, 4)
    return speeds


def _manifest(kind: str, loaded: Any, codec: Any, verification: Mapping[str, object]) -> Manifest:
    """Give what manifests of all kinds have."""
    lags = {"encode": 0, "timbre": 0, "map": 0, "structure": 0, "generate": 0}
    methods = {}
    for name in loaded.get_methods():
        in_channels, in_ratio, out_channels, out_ratio = (int(x) for x in getattr(loaded, f"{name}_params"))
        methods[name] = {
            "in_channels": in_channels,
            "in_ratio": in_ratio,
            "out_channels": out_channels,
            "out_ratio": out_ratio,
            "input_labels": list(getattr(loaded, f"{name}_input_labels")),
            "output_labels": list(getattr(loaded, f"{name}_output_labels")),
            "latency_samples": lags.get(name, codec.latency_samples),
        }
    return {
        "kind": kind,
        "schema_version": SCHEMA_VERSION,
        "after_version": after.__version__,
        "torch_version": str(torch.__version__),
        "needs_torch": "2.5",
        "sample_rate": codec.sample_rate,
        "hop_length": codec.hop_length,
        "num_latents": codec.num_latents,
        "codec_latency_samples": codec.latency_samples,
        "methods": methods,
        "verification": dict(verification),
    }


def _finish(scripted: torch.jit.ScriptModule, manifest: Mapping[str, object], out: Path, report: Report) -> None:
    report("writing")
    data = pack(scripted, manifest)
    check_protocol(unpack(data), 1, int(str(manifest["hop_length"])))
    write(out, data)
