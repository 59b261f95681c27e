"""What an instrument file says about itself, in lines for people."""

from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path

from safetensors import safe_open

from after.checkpoint import WEIGHTS_SUFFIX
from after.codec.foreign.settings import FOREIGN_KIND
from after.instrument import Instrument

PLAYED_BY = {
    "midi": "notes (midi)",
    "pitch_loudness": "audio: its pitch and loudness (pitch_loudness)",
    "learned": "audio: what the model has learned to follow (learned)",
}
"""What plays an instrument, by the kind of its structure."""


def describe_instrument(path: str | Path) -> list[str]:
    """Describe an instrument file: size, parts, rates, timbres, defaults, training data, licence and credits.

    Args:
        path: an instrument file of any kind that `Instrument.load` takes.

    Raises:
        CheckpointError: if the file is damaged or holds something else.
        InstrumentError: if it is missing or not an instrument.
    """
    path = Path(path)
    instrument = Instrument.load(path)
    parts = ", ".join(_parts(path)) if path.suffix == WEIGHTS_SUFFIX else "TorchScript"
    latency_ms = 1000 * instrument.latency_samples / instrument.sample_rate
    return [
        f"{path}: {path.stat().st_size / 1e6:.2f} MB ({parts})",
        f"  audio       {instrument.sample_rate} Hz, {instrument.hop_length} samples per frame, "
        f"{instrument.num_latents} latents, latency {instrument.latency_samples} samples ({latency_ms:.1f} ms)",
        *_foreign_codec(instrument.manifest.get("codec")),
        f"  played by   {PLAYED_BY.get(instrument.structure_kind, instrument.structure_kind)}",
        f"  timbres     {', '.join(instrument.timbres) or 'none named'}",
        f"  map         {_map(instrument)}",
        f"  plays with  {_pairs(instrument.manifest.get('attributes'))}",
        *_description(instrument.manifest.get("description")),
    ]


def _parts(path: Path) -> Iterator[str]:
    """Say how many weights each part of a safetensors file has, without loading them; of a file inside it, the size."""
    counts: dict[str, int] = {}
    with safe_open(path, framework="pt", device="cpu") as file:
        for name in file.keys():  # noqa: SIM118 - not a dict
            part, count = name.partition(".")[0], prod(file.get_slice(name).get_shape())
            if file.get_slice(name).get_dtype() == "U8":
                yield f"{part} {count / 1e6:.2f} MB"
            else:
                counts[part] = counts.get(part, 0) + count
    for part, count in counts.items():
        yield f"{part} {count / 1e6:.2f} M" if count >= 10_000 else f"{part} {count}"


def _foreign_codec(table: object) -> Iterator[str]:
    if isinstance(table, Mapping) and table.get("kind") == FOREIGN_KIND:
        yield "  codec       of another program, and a program itself (TorchScript): open files of people you trust"


def _description(table: object) -> Iterator[str]:
    if not isinstance(table, Mapping):
        return
    yield (
        f"  trained     {table.get('iterations', '?')} iterations, codec {table.get('codec_iterations', '?')}, on "
        + (f"{table.get('data_hours', '?')} h; made by after {table.get('after_version', '?')}")
    )
    yield f"  licence     {table.get('license') or 'not stated'}"
    credits = table.get("credits")
    if isinstance(credits, Mapping):
        yield "  recordings"
        width = max((len(name) for name in credits), default=0)
        yield from (f"    {name:<{width}}  {text}" for name, text in credits.items())


def _map(instrument: Instrument) -> str:
    if not instrument.has_map:
        return "none"
    return f"of {len(instrument.map_positions)} named timbres; after map shows it"


def _pairs(table: object) -> str:
    if not isinstance(table, Mapping):
        return "the program's defaults"
    return ", ".join(f"{name} {value:g}" for name, value in table.items())
