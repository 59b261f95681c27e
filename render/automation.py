"""What a track changes over time in the instrument that plays it."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from after.instrument.automation import Automation
from render.curves import Curve
from render.timbres import parse_place, read_timbre, resolve_timbre
from render.timeline import Track
from render.voices import Instrument

FloatArray = NDArray[np.float32]


def find_timbre(timbre: str, instrument: Instrument) -> str | FloatArray:
    """Give what `set_timbre` takes: a name, the vector at a place of the map, or the audio of a file.

    Raises:
        TimbreError: if there is no such timbre.
    """
    name = resolve_timbre(timbre, instrument.timbres, has_map=instrument.has_map)
    if name in instrument.timbres:
        return name
    place = parse_place(name)
    return read_timbre(name, instrument.sample_rate) if place is None else instrument.timbre_at(*place)


def track_automation(track: Track, instrument: Instrument) -> Callable[[int, int], Automation | None]:
    """Give what tells the automation of a part of a track, from its first sample and number of samples.

    Raises:
        TimbreError: if a timbre on the way does not exist.
    """
    timbres = _timbre_way(track, instrument)
    if timbres is None and not track.attributes:
        return lambda start_samples, num_samples: None
    hop, rate = instrument.hop_length, instrument.sample_rate

    def tell(start_samples: int, num_samples: int) -> Automation:
        middles_s = (start_samples + hop * (np.arange(-(-num_samples // hop) or 1) + 0.5)) / rate
        return Automation(
            timbres=None if timbres is None else timbres(middles_s),
            attributes={name: curve.at(middles_s).astype(np.float32) for name, curve in track.attributes},
        )

    return tell


def _timbre_way(track: Track, instrument: Instrument) -> Callable[[NDArray[np.float64]], FloatArray] | None:
    """Give a function of times [L] to timbres [L, E]; None where the timbre does not change."""
    path = track.timbre_path
    if path is None:
        return None
    places = [parse_place(timbre) if instrument.has_map else None for timbre in path.timbres]
    vectors = np.stack([_vector(timbre, instrument) for timbre in path.timbres])
    numbers = Curve(path.times_s, tuple(float(number) for number in range(len(vectors))), path.is_stepped)

    def timbres(times_s: NDArray[np.float64]) -> FloatArray:
        rows = np.empty((len(times_s), vectors.shape[1]), dtype=np.float32)
        for row, number in enumerate(numbers.at(times_s)):
            first, share = int(number), number % 1.0
            second = min(first + 1, len(vectors) - 1)
            here, there = places[first], places[second]
            if here is not None and there is not None:
                x, y = ((1.0 - share) * a + share * b for a, b in zip(here, there, strict=True))
                rows[row] = instrument.timbre_at(x, y)
            else:
                rows[row] = (1.0 - share) * vectors[first] + share * vectors[second]
        return rows

    return timbres


def _vector(timbre: str, instrument: Instrument) -> FloatArray:
    instrument.set_timbre(find_timbre(timbre, instrument))
    return instrument.timbre
