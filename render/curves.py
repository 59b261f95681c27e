"""Numbers that change over time: what automation is made of."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from render.errors import TimelineError


@dataclass(frozen=True, slots=True)
class Curve:
    """Values at times in seconds, in order; straight between them, or each held until the next. The ends hold on.

    Raises:
        TimelineError: if there is no point, or times go back.
    """

    times_s: tuple[float, ...]
    values: tuple[float, ...]
    is_stepped: bool = False

    def __post_init__(self) -> None:
        """Check the points."""
        if not self.times_s or len(self.times_s) != len(self.values):
            raise TimelineError(f"a curve has {len(self.times_s)} times and {len(self.values)} values; give one each")
        if any(later < earlier for earlier, later in zip(self.times_s, self.times_s[1:], strict=False)):
            raise TimelineError(f"the times {', '.join(f'{t:g}' for t in self.times_s)} s go back; put them in order")

    def at(self, times_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the values [N] at times [N]; where two points share a time, the later one counts from there."""
        times, values = np.asarray(self.times_s), np.asarray(self.values)
        after = np.searchsorted(times, times_s, side="right")
        first, second = np.clip(after - 1, 0, len(times) - 1), np.clip(after, 0, len(times) - 1)
        if self.is_stepped:
            return np.asarray(values[first])
        span = times[second] - times[first]
        share = np.clip((times_s - times[first]) / np.where(span > 0, span, 1.0), 0.0, 1.0)
        return np.asarray(values[first] + share * (values[second] - values[first]))


@dataclass(frozen=True, slots=True)
class TimbrePath:
    """Timbres at times in seconds, in order; in between they turn into each other. The ends hold on.

    `timbres` are as `Track.timbre`. Between two places of the map the way leads over the map, between others straight
    through the space of timbres; `is_stepped` holds each until the next.
    """

    times_s: tuple[float, ...]
    timbres: tuple[str, ...]
    is_stepped: bool = False
