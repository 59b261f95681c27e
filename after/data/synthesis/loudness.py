"""How loud a note of a velocity is: one smooth curve per instrument, whatever its layers' recorded levels."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from after.data.synthesis.samples import SampledInstrument
from after.data.synthesis.take import Take
from after.data.synthesis.traits import Traits

DEFAULT_SLOPE_DB = 0.25
"""dB per step of velocity: 12 dB from p (48) to f (96)."""

_SLOPE_LIMITS_DB = (0.2, 0.35)
_REFERENCE_VELOCITY = 100
_SINGLE_PEAK_DB = -9.5
_CHORD_ROOM_DB = 4.5
_RINGING_ROOM_DB = 2.5
"""Peak of one note of the reference velocity (the loudest is 6 dB above), and room for notes that sound together."""
_TREND_WIDTH_SEMITONES = 4.0
_MAX_TREND_DB = 4.0


class LoudnessCurve:
    """Gain for each take such that its level follows pitch and velocity smoothly.

    Level in dB = reference + slope (velocity - 100) + trend(pitch). The slope is what the natural layers of the
    instrument show, within 0.2-0.35 dB per step, and 0.25 where they were levelled or there is one only. The trend is
    the instrument's own balance over its range, smoothed over 4 semitones and held within +-4 dB: what single
    recordings deviate from it is an accident of the session.
    """

    def __init__(self, instrument: SampledInstrument, takes: Sequence[Take], traits: Traits) -> None:
        """Measure an instrument's takes."""
        crest_db = float(np.percentile([take.peak_db - take.level_db for take in takes], 80))
        room_db = 0.0 if traits.is_monophonic else _CHORD_ROOM_DB
        room_db += _RINGING_ROOM_DB if traits.release_s is None else 0.0
        self.reference_db = _SINGLE_PEAK_DB - room_db - crest_db
        self.slope_db = _slope(instrument)
        layers: dict[int, list[float]] = defaultdict(list)
        for take in takes:
            layers[take.sample.velocity].append(take.level_db)
        means = {velocity: float(np.mean(levels)) for velocity, levels in layers.items()}
        self._pitches = np.array([take.sample.pitch for take in takes], dtype=np.float64)
        self._deviations_db = np.array([take.level_db - means[take.sample.velocity] for take in takes])

    def level_db(self, pitch: int, velocity: int) -> float:
        """Give the level that a note is to have."""
        distance = (self._pitches - pitch) / _TREND_WIDTH_SEMITONES
        nearest = float(np.min(np.abs(distance)))
        weights = np.exp(-0.5 * (distance**2 - nearest**2))
        trend_db = float(np.sum(weights * self._deviations_db) / np.sum(weights))
        trend_db = float(np.clip(trend_db, -_MAX_TREND_DB, _MAX_TREND_DB))
        return self.reference_db + self.slope_db * (velocity - _REFERENCE_VELOCITY) + trend_db

    def gain(self, take: Take, pitch: int, velocity: int) -> float:
        """Give the factor by which a take is multiplied."""
        return float(10 ** ((self.level_db(pitch, velocity) - take.level_db) / 20))


def _slope(instrument: SampledInstrument) -> float:
    """Give the instrument's dB per step of velocity."""
    velocities = [sample.velocity for sample in instrument.samples]
    steps = max(velocities) - min(velocities)
    if not instrument.layer_span_db or steps == 0:
        return DEFAULT_SLOPE_DB
    return float(np.clip(instrument.layer_span_db / steps, *_SLOPE_LIMITS_DB))
