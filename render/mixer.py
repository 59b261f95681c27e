"""Tracks and buses to one stereo mix: effects, gain, pan, sends; the sums are DawDreamer's."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from render.daw import Lane, mix_lanes
from render.effects import apply_effects
from render.large import pieces, scaled, zeros
from render.timeline import Bus, Mix, Track

FloatAudio = NDArray[np.float32]


@dataclass
class Mixer:
    """Sums up what tracks play.

    Attributes:
        num_samples: of everything, T.
        sample_rate: Hz.
        block_size: of the graph; the result does not depend on it.
        stems: of each track and bus that goes to the master [2, T], with effects, gain and pan, kept only with
            `keep_stems`; they add up to the mix.
        keep_stems: whether they are wanted.
    """

    num_samples: int
    sample_rate: int
    block_size: int = 512
    keep_stems: bool = False
    stems: dict[str, FloatAudio] = field(default_factory=dict)
    _feeds: dict[str, list[Lane]] = field(default_factory=lambda: defaultdict(list))

    def add(self, strip: Track | Bus, audio: FloatAudio) -> None:
        """Take what a track or a bus plays, [1 or 2, T], through its effects to where it goes."""
        audio = self._with_effects(audio, strip)
        audio = _placed(audio, strip.mix, self.sample_rate)
        self._feeds[strip.mix.output].append(Lane(strip.name, audio, strip.gain_db))
        for goal, gain_db in strip.mix.sends:
            self._feeds[goal].append(Lane(strip.name, audio, strip.gain_db + gain_db))
        if self.keep_stems and not strip.mix.output:
            both = np.broadcast_to(audio, (2, audio.shape[1]))
            self.stems[strip.name] = scaled(both, 10.0 ** (strip.gain_db / 20.0))

    def finish(self, buses: Sequence[Bus]) -> FloatAudio:
        """Sum up the buses in their order, then the master; [2, T]."""
        for bus in buses:
            self.add(bus, self._sum(self._feeds.pop(bus.name, [])))
        return self._sum(self._feeds.pop("", []))

    def _sum(self, lanes: Sequence[Lane]) -> FloatAudio:
        if not lanes:
            return zeros((2, self.num_samples))
        return mix_lanes(lanes, self.num_samples, sample_rate=self.sample_rate, block_size=self.block_size)

    def _with_effects(self, audio: FloatAudio, strip: Track | Bus) -> FloatAudio:
        """Run audio through a strip's own effects, in stereo so that they can be wide."""
        if not strip.effects:
            return audio
        both = np.broadcast_to(audio, (2, audio.shape[1]))
        return apply_effects(both, strip.effects, self.sample_rate)


def pan_gains(pan: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the gains [2, N] of left and right for pans [N] of -1..1: constant power, 1 and 1 in the middle."""
    angle = (np.clip(pan, -1.0, 1.0) + 1.0) * np.pi / 4.0
    return np.asarray(np.sqrt(2.0) * np.stack([np.cos(angle), np.sin(angle)]))


def _placed(audio: FloatAudio, mix: Mix, sample_rate: int) -> FloatAudio:
    """Put audio [1 or 2, T] to its place, with the gain that changes over time; unchanged where nothing asks for it."""
    if mix.pan == 0.0 and mix.pan_curve is None and mix.gain_curve is None:
        return audio
    placed = zeros((2, audio.shape[1]))
    for piece in pieces(audio.shape[1]):
        times_s = np.arange(piece.start, piece.stop) / sample_rate
        pan = np.full(len(times_s), mix.pan) if mix.pan_curve is None else mix.pan_curve.at(times_s)
        gains = pan_gains(pan)
        if mix.gain_curve is not None:
            gains *= 10.0 ** (mix.gain_curve.at(times_s) / 20.0)
        placed[:, piece] = audio[:, piece] * gains.astype(np.float32)
    return placed
