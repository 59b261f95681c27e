"""From the first frame to the last: blocks of many frames, cut where the automation changes an attribute."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from after.errors import InstrumentError
from after.instrument.attributes import Attributes
from after.instrument.automation import Automation

BLOCK_FRAMES = 64

Progress = Callable[[float], None]
"""Called with fractions 0..1."""


class PlaysFrames(Protocol):
    """What can be played through."""

    attributes: Attributes

    def set(self, **attributes: float) -> None:
        """Change attributes."""

    def reset(self, seed: int = 0) -> None:
        """Forget everything played."""

    def play_frames(self, structure: Tensor, timbres: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Play structure [1, L, S] to audio [1, L * hop_length]."""


def play_through(
    player: PlaysFrames,
    structure: Callable[[int, int], Tensor],
    num_frames: int,
    out: NDArray[np.float32],
    lag_samples: int,
    seed: int,
    automation: Automation,
    progress: Progress | None,
) -> None:
    """Play frames from the start; the player is left reset, with the attributes that it had.

    Args:
        player: plays.
        structure: gives frames [start, stop) as [1, L, S]; called for each in order.
        num_frames: of the whole.
        out: [1, T], written block by block, so that it may lie on disk.
        lag_samples: left out at the start.
        seed: of the noise.
        automation: of timbre and attributes.
        progress: called with fractions 0..1.
    """
    own, position = player.attributes, -lag_samples
    player.reset(seed)
    try:
        for block in range(0, num_frames, BLOCK_FRAMES):
            end = min(block + BLOCK_FRAMES, num_frames)
            for start, stop, attributes in automation.runs(block, end):
                player.set(**attributes)
                played = player.play_frames(structure(start, stop), automation.timbre_rows(start, stop))
                position = _put(out, position, played)
            if progress is not None:
                progress(end / num_frames)
    finally:
        player.set(**asdict(own))
        player.reset(seed)


def given_or_new(out: NDArray[np.float32] | None, num_samples: int) -> NDArray[np.float32]:
    """Give an array [1, num_samples] to write to.

    Raises:
        InstrumentError: if the one that is given has another shape.
    """
    if out is None:
        return np.empty((1, num_samples), dtype=np.float32)
    if out.shape != (1, num_samples):
        raise InstrumentError(f"out has the shape {list(out.shape)}; the result has {[1, num_samples]}")
    return out


def _put(out: NDArray[np.float32], position: int, played: NDArray[np.float32]) -> int:
    """Write audio [1, N] at a position, as far as it lies within [1, T]; give the position after it."""
    begin, end = max(0, position), max(0, min(position + played.shape[1], out.shape[1]))
    if begin < end:
        out[:, begin:end] = played[:, begin - position : end - position]
    return position + played.shape[1]
