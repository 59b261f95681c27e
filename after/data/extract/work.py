"""What happens to one recording in a worker process: compute features, leave the arrays in a spool file."""

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from after.data.extract.contract import Counts, Extractor, FeatureSettings
from after.data.extract.spool import write_array
from after.data.extract.stored_audio import AudioInOpenStore, AudioInStore, ShippedAudio
from after.data.pool.local import check_stop
from after.data.prepare.spool_disk import writing_to_spool


@dataclass(frozen=True, slots=True)
class ExtractTask:
    """Features to compute of one recording."""

    source: str
    audio: AudioInStore | AudioInOpenStore | ShippedAudio
    features: tuple[FeatureSettings, ...]
    spool_path: Path


@dataclass(frozen=True, slots=True)
class Extracted:
    """What lies in the spool file, feature after feature: the number of arrays and the histograms of each."""

    num_arrays: tuple[int, ...]
    counts: tuple[Counts, ...]


def extract_features(task: ExtractTask) -> Extracted:
    """Compute the features of one recording.

    Raises:
        DataError: if the spool file cannot be written.
    """
    numbers, counts = [], []
    # Around everything, because closing the spool file writes what was left in its buffer.
    with task.audio.open() as audio, writing_to_spool(task.spool_path), task.spool_path.open("wb") as spool:
        for settings in task.features:
            number, tally = 0, Tally()
            extractor = _extractor(settings)
            for index, arrays in enumerate(extractor.extract(audio)):
                check_stop()
                for name, array in arrays.items():
                    write_array(spool, index, name, array)
                number += len(arrays)
                tally.add(extractor.count(arrays, audio.valid_samples(index)))
            numbers.append(number)
            counts.append(tally.counts)
    return Extracted(tuple(numbers), tuple(counts))


class Tally:
    """Histograms added up."""

    def __init__(self) -> None:
        """Start with none."""
        self._counters: dict[str, Counter[int]] = {}

    def add(self, counts: Counts) -> None:
        """Add the histograms of one chunk."""
        for name, numbers in counts.items():
            self._counters.setdefault(name, Counter()).update(numbers)

    @property
    def counts(self) -> Counts:
        """The sums, bins in order."""
        return {name: dict(sorted(counter.items())) for name, counter in sorted(self._counters.items())}


@lru_cache(maxsize=8)
def _extractor(settings: FeatureSettings) -> Extractor:
    """Make each extractor once per process: networks take long to load."""
    return settings.build()
