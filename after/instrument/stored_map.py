"""The timbre map of an instrument's file."""

from collections.abc import Mapping

import torch
from torch import Tensor

from after.conditioning.timbre_map import NUM_KNOTS, TimbreMap
from after.errors import CheckpointError

MAP_WEIGHTS = "map.weights"
"""Name of the map's tensor among those of an instrument."""

MAP_TABLE = "map"
"""Name of its table in an instrument's description: `positions`, `quality`, and in exported files `weights`."""

Positions = Mapping[str, tuple[float, float]]


def restore_map(weights: object, timbre_size: int) -> TimbreMap:
    """Build a map of its weights [K, K, E], a tensor or nested lists.

    Raises:
        CheckpointError: if they are damaged or fit another size of timbres.
    """
    try:
        tensor = weights if isinstance(weights, Tensor) else torch.tensor(weights, dtype=torch.float32)
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"the timbre map is damaged ({error}): make the instrument's file again") from error
    if tensor.ndim != 3 or tensor.size(0) != tensor.size(1) or tensor.size(0) < 4 or tensor.size(2) != timbre_size:
        raise CheckpointError(
            f"the timbre map has the shape {list(tensor.shape)}, this instrument needs "
            f"[{NUM_KNOTS}, {NUM_KNOTS}, {timbre_size}]: make the instrument's file again"
        )
    if not bool(torch.isfinite(tensor).all()):
        raise CheckpointError("the timbre map holds values that are not finite: make the instrument's file again")
    return TimbreMap(tensor).eval()


def read_positions(table: Mapping[str, object]) -> Positions:
    """Give the places of named timbres from the table of a map.

    Raises:
        CheckpointError: if they are missing or damaged.
    """
    try:
        pairs = dict(table["positions"]).items()  # type: ignore[call-overload]
        return {str(name): (float(x), float(y)) for name, (x, y) in pairs}
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError("the timbre map has no positions: make the instrument's file again") from error
