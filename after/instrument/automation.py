"""What changes while an instrument renders: its timbre and its attributes, frame by frame."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from after.controls import CONTROLS
from after.errors import InstrumentError

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Automation:
    """Values per frame of `hop_length` samples, from the start of a render; the last ones hold on to its end.

    A change of steps or guidance branches starts the network's memory anew, as it does when it is set by hand.

    Attributes:
        timbres: [L, E] within +-1; None leaves the timbre as it is set.
        attributes: by name (see `Attributes`), [L] each.

    Raises:
        InstrumentError: if an array is empty, has another shape, or holds what is not finite, or a name is unknown.
    """

    timbres: FloatArray | None = None
    attributes: Mapping[str, FloatArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check shapes and names."""
        if unknown := sorted(set(self.attributes) - set(CONTROLS)):
            raise InstrumentError(f"no attribute {', '.join(unknown)} to automate; there are {', '.join(CONTROLS)}")
        for name, values in self.attributes.items():
            _check(values, 1, f"the automation of {name}")
        if self.timbres is not None:
            _check(self.timbres, 2, "the automation of the timbre")

    def check_size(self, timbre_size: int) -> None:
        """Refuse timbres of another size than an instrument's.

        Raises:
            InstrumentError: if they are.
        """
        if self.timbres is not None and self.timbres.shape[1] != timbre_size:
            raise InstrumentError(
                f"a timbre of this instrument has {timbre_size} numbers, those that are automated have "
                f"{self.timbres.shape[1]}"
            )

    def timbre_rows(self, start: int, stop: int) -> FloatArray | None:
        """Give the timbres [stop - start, E] of frames."""
        if self.timbres is None:
            return None
        rows: FloatArray = self.timbres[np.minimum(np.arange(start, stop), len(self.timbres) - 1)]
        return rows

    def runs(self, start: int, stop: int) -> Iterator[tuple[int, int, dict[str, float]]]:
        """Cut frames [start, stop) where attributes change; yields begin and end of each run, and its attributes."""
        frames = np.arange(start, stop)
        tracks = {name: values[np.minimum(frames, len(values) - 1)] for name, values in self.attributes.items()}
        changes = [np.flatnonzero(np.diff(track)) + 1 for track in tracks.values()]
        cuts = sorted({0, len(frames), *(int(cut) for places in changes for cut in places)})
        for first, last in pairwise(cuts):
            yield start + first, start + last, {name: float(track[first]) for name, track in tracks.items()}


def _check(values: FloatArray, num_axes: int, what: str) -> None:
    if values.ndim != num_axes or values.shape[0] == 0:
        raise InstrumentError(f"{what} has the shape {list(values.shape)}: give a value for each frame, one at least")
    if not np.isfinite(values).all():
        raise InstrumentError(f"{what} holds values that are NaN or infinite")
