"""The melodies of every instrument in the timbre of every other: how much of both arrives."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from after.evaluation.bootstrap import Interval, bootstrap_values
from after.evaluation.likeness import TimbreJudge, take_fingerprint
from after.evaluation.performance import PerformanceSettings, measure_pitch
from after.evaluation.phrases import Phrase, move_into_range
from after.evaluation.trials import Player


@dataclass(frozen=True, slots=True)
class Pair:
    """One melody in one timbre.

    Attributes:
        melody: instrument whose phrase is played.
        timbre: it is played in.
        phrase: its name.
        octaves: it was moved by, into the range of `timbre`.
        pitch_accuracy: raw, NaN where no note sounds alone.
        heard_as: instrument that the timbre is taken for; empty for silence.
    """

    melody: str
    timbre: str
    phrase: str
    octaves: int
    pitch_accuracy: float
    heard_as: str

    @property
    def is_recognised(self) -> bool:
        """Whether the timbre is taken for the one asked for."""
        return self.heard_as == self.timbre


@dataclass(frozen=True, slots=True)
class Transfer:
    """All pairs.

    Attributes:
        names: N instruments.
        pairs: at least one of each melody and timbre.
    """

    names: tuple[str, ...]
    pairs: tuple[Pair, ...]

    def pitch_matrix(self) -> NDArray[np.float64]:
        """Average the pitch accuracy: [melody, timbre], NaN where there is none."""
        return self._matrix(lambda pair: pair.pitch_accuracy)

    def timbre_matrix(self) -> NDArray[np.float64]:
        """Give the share of phrases whose timbre is recognised: [melody, timbre]."""
        return self._matrix(lambda pair: float(pair.is_recognised))

    def summarise(self, *, seed: int = 0) -> dict[str, Interval]:
        """Average over pairs of two different instruments, and over each with itself."""
        figures = {}
        for kind, is_own in (("transfer", False), ("own_melody", True)):
            pairs = [pair for pair in self.pairs if (pair.melody == pair.timbre) == is_own]
            figures[f"{kind}_pitch_accuracy"] = bootstrap_values([pair.pitch_accuracy for pair in pairs], seed=seed)
            figures[f"{kind}_timbre_accuracy"] = bootstrap_values([float(p.is_recognised) for p in pairs], seed=seed)
        return figures

    def _matrix(self, figure: Callable[[Pair], float]) -> NDArray[np.float64]:
        cells: dict[tuple[str, str], list[float]] = {}
        for pair in self.pairs:
            if math.isfinite(value := figure(pair)):
                cells.setdefault((pair.melody, pair.timbre), []).append(value)
        return np.array(
            [
                [float(np.mean(cells.get((melody, timbre), [float("nan")]))) for timbre in self.names]
                for melody in self.names
            ]
        )


def measure_transfer(
    player: Player,
    melodies: Mapping[str, Sequence[Phrase]],
    ranges: Mapping[str, tuple[int, int]],
    judge: TimbreJudge,
    *,
    settings: PerformanceSettings,
    seed: int = 0,
    on_progress: Callable[[], None] = lambda: None,
) -> Transfer:
    """Play every instrument's phrases in every timbre.

    Args:
        player: the instrument under test.
        melodies: phrases by instrument; the names are timbres of `player` too.
        ranges: lowest and highest MIDI pitch of each timbre; melodies are moved into them by octaves.
        judge: names timbres, by its classifier or else by the nearest average.
        settings: how to measure pitch.
        seed: of the renders.
        on_progress: called after each pair.

    Returns:
        All pairs, timbre by timbre.
    """
    pairs = []
    for timbre in melodies:
        player.set_timbre(timbre)
        for melody, phrases in melodies.items():
            for phrase in phrases:
                notes = move_into_range(phrase.notes, *ranges[timbre])
                audio = player.render(notes, phrase.length_s, seed=seed)
                likeness = judge.judge(take_fingerprint(audio, player.sample_rate), phrase.name, timbre)
                pairs.append(
                    Pair(
                        melody=melody,
                        timbre=timbre,
                        phrase=phrase.name,
                        octaves=(notes[0].pitch - phrase.notes[0].pitch) // 12,
                        pitch_accuracy=measure_pitch(audio, player.sample_rate, notes, settings).raw,
                        heard_as=likeness.heard_as or "",
                    )
                )
                on_progress()
    return Transfer(tuple(melodies), tuple(pairs))
