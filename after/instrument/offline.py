"""From the first frame to the last: blocks of many frames, cut where the automation changes an attribute."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

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
    *,
    seed: int,
    automation: Automation,
    progress: Progress | None,
) -> NDArray[np.float32]:
    """Play frames from the start; the player is left reset, with the attributes that it had.

    Args:
        player: plays.
        structure: gives frames [start, stop) as [1, L, S]; called for each in order.
        num_frames: of the whole.
        seed: of the noise.
        automation: of timbre and attributes.
        progress: called with fractions 0..1.

    Returns:
        audio [1, num_frames * hop_length].
    """
    own = player.attributes
    player.reset(seed)
    output = [np.zeros((1, 0), dtype=np.float32)]
    try:
        for block in range(0, num_frames, BLOCK_FRAMES):
            end = min(block + BLOCK_FRAMES, num_frames)
            for start, stop, attributes in automation.runs(block, end):
                player.set(**attributes)
                output.append(player.play_frames(structure(start, stop), automation.timbre_rows(start, stop)))
            if progress is not None:
                progress(end / num_frames)
    finally:
        player.set(**asdict(own))
        player.reset(seed)
    return np.concatenate(output, axis=1)
