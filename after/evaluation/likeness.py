"""Whether a recording sounds like the instrument it should: everything that is told from its timbre."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from after.audio import resample
from after.evaluation.bootstrap import Interval, bootstrap_values
from after.evaluation.centroids import SAMPLE_RATE, references_for_phrase
from after.evaluation.classifier import MIN_RECORDINGS, TimbreSpace, cross_validate
from after.evaluation.frechet import Moments, embed_frames, moments_of
from after.evaluation.real_recordings import DescribedRecordings, RealRecordings
from after.evaluation.timbre import TimbreReferences, build_references
from after.features.frames import as_mono
from after.features.mfcc import mfcc_statistics


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """The timbre of one recording.

    Attributes:
        statistics: `mfcc_statistics` [F], NaN for silence.
        moments: of its frames; none for silence.
    """

    statistics: NDArray[np.float32]
    moments: Moments


def take_fingerprint(audio: NDArray[np.float32], sample_rate: int) -> Fingerprint:
    """Describe the timbre of audio [C, T].

    Raises:
        AudioError: if `audio` is empty or not finite.
    """
    mono = as_mono(resample(audio, sample_rate, SAMPLE_RATE))
    return Fingerprint(mfcc_statistics(mono, SAMPLE_RATE), moments_of(embed_frames(mono, SAMPLE_RATE)))


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a recording's timbre is like.

    Attributes:
        nearest: instruments by the distance of their average recording, nearest first; empty for silence, None without
            references.
        classified: instruments as the classifier ranks them; empty for silence, None without classifier.
        relative_distance: to the real recordings of the instrument asked for: 0 as two real ones of it, 1 as real ones
            of two instruments; NaN without them.
    """

    nearest: tuple[str, ...] | None
    classified: tuple[str, ...] | None
    relative_distance: float

    @property
    def heard_as(self) -> str | None:
        """Give the instrument it is taken for, by the classifier or else the nearest; "" for silence, None unjudged."""
        ranks = self.nearest if self.classified is None else self.classified
        return None if ranks is None else next(iter(ranks), "")


@dataclass(frozen=True, slots=True, eq=False)
class TimbreJudge:
    """Tells instruments apart by what real recordings sound like.

    Attributes:
        centroids: an average for each instrument, None without.
        space: classifier and distances, None with too few recordings.
        is_right: by instrument, for each recording whether a classifier that did not hear it names its instrument.
        described: the recordings all this was made of, None without.
        real: where there may be recordings of the very phrase, with which it is compared first; None without.
    """

    centroids: TimbreReferences | None = None
    space: TimbreSpace | None = None
    is_right: Mapping[str, Sequence[bool]] = field(default_factory=dict)
    described: DescribedRecordings | None = None
    real: RealRecordings | None = None
    _of_phrases: dict[str, TimbreReferences | None] = field(default_factory=dict)

    def judge(self, fingerprint: Fingerprint, phrase: str, instrument: str | None) -> Likeness:
        """Judge one recording of a phrase that should sound like `instrument`."""
        references = self._references(phrase)
        statistics, space = fingerprint.statistics, self.space
        return Likeness(
            nearest=tuple(references.rank(statistics)) if references else None,
            classified=tuple(space.classifier.rank(statistics)) if space else None,
            relative_distance=space.relative_distance(statistics, instrument or "") if space else float("nan"),
        )

    def cross_validated(self, *, seed: int = 0) -> Interval:
        """Give the share of real recordings that the classifier names right without having heard them."""
        return bootstrap_values([float(right) for given in self.is_right.values() for right in given], seed=seed)

    def _references(self, phrase: str) -> TimbreReferences | None:
        if self.real is None:
            return self.centroids
        if phrase not in self._of_phrases:
            paths = {name: [r.audio for r in given] for name, given in self.real.by_instrument.items()}
            self._of_phrases[phrase] = references_for_phrase(paths, phrase)
        return self._of_phrases[phrase] or self.centroids


def build_judge(
    described: DescribedRecordings, real: RealRecordings, *, centroids: TimbreReferences | None = None
) -> TimbreJudge:
    """Learn to tell instruments from real recordings.

    Args:
        described: recordings that the instrument under test does not play; instruments with fewer than
            `MIN_RECORDINGS` get no class.
        real: all recordings.
        centroids: used instead of the average of the recordings; that needs a recording of every instrument.
    """
    enough = {name: given for name, given in described.statistics.items() if len(given) >= MIN_RECORDINGS}
    has_space = len(enough) > 1
    if centroids is None and len(described.statistics) == len(real.by_instrument) > 1:
        centroids = build_references(described.statistics)
    return TimbreJudge(
        centroids=centroids,
        space=TimbreSpace.build(enough) if has_space else None,
        is_right=cross_validate(enough) if has_space else {},
        described=described,
        real=real,
    )
