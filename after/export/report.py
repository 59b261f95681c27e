"""What an export did, in lines for people."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from after.export.card import PLAYED_BY


def describe_export(path: str | Path, manifest: Mapping[str, Any]) -> list[str]:
    """Give the methods, attributes, timbres and measured figures of a file that was just exported."""
    path, rate = Path(path), manifest["sample_rate"]
    latency = manifest["latency_samples"]
    lines = [
        f"{path}: {path.stat().st_size / 1e6:.1f} MB, {manifest['kind']}, {rate} Hz, hop {manifest['hop_length']}, "
        f"latency {latency} samples ({1000 * latency / rate:.1f} ms)"
    ]
    for name, method in manifest["methods"].items():
        lines.append(
            f"  method      {name:<9} {method['in_channels']} channels at 1/{method['in_ratio']} -> "
            f"{method['out_channels']} at 1/{method['out_ratio']}"
        )
    if "attributes" in manifest:
        lines.append(f"  played by   {PLAYED_BY[manifest['structure_kind']]}")
        lines.append(f"  attributes  {', '.join(f'{k} {v:g}' for k, v in manifest['attributes'].items())}")
        lines.append(f"  timbres     {', '.join(manifest['timbres']) or 'none named'}")
    figures = manifest["verification"]
    errors = ", ".join(f"{name} {error:.1e}" for name, error in figures["max_error"].items())
    speeds = ", ".join(f"{factor:.3f} at {size}" for size, factor in figures["real_time_factor"].items())
    return [*lines, f"  stream error {errors}", f"  computing / playing time, 1 thread: {speeds} samples"]
