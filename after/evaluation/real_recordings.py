"""A folder of real recordings: what each instrument plays, and how that sounds."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from after.audio import read_audio
from after.errors import ConfigError, DataError
from after.evaluation.centroids import SAMPLE_RATE, list_instruments
from after.evaluation.frechet import Moments, embed_frames, moments_of
from after.features.mfcc import mfcc_statistics
from after.midi import read_midi

_MIDI_SUFFIXES = (".mid", ".midi")


@dataclass(frozen=True, slots=True, order=True)
class RealRecording:
    """An audio file, and the MIDI file beside it that it plays (None without one)."""

    audio: Path
    midi: Path | None


@dataclass(frozen=True, slots=True)
class RealRecordings:
    """The recordings of each instrument, sorted by name.

    Attributes:
        folder: they lie in.
        by_instrument: at least one instrument, each with at least one recording.
    """

    folder: Path
    by_instrument: Mapping[str, tuple[RealRecording, ...]]

    @classmethod
    def find(cls, folder: str | Path, *, names: Mapping[str, str] | None = None) -> Self:
        """List `folder`/<instrument>/<name>.wav, .flac, .ogg, .aiff or .mp3, with <name>.mid beside them.

        Args:
            folder: to look in.
            names: what to call the instruments of some sub-folders.

        Raises:
            DataError: if `folder` is missing or holds no recordings in sub-folders.
            ConfigError: if `names` holds a sub-folder that is not there.
        """
        found, names = list_instruments(folder), names or {}
        unknown = [name for name in names if name not in found]
        if unknown:
            raise ConfigError(f"{folder} has no sub-folder {', '.join(unknown)}; there are: {', '.join(found)}")
        by_instrument = {
            names.get(name, name): tuple(RealRecording(path, _midi_beside(path)) for path in paths)
            for name, paths in found.items()
        }
        return cls(Path(folder), dict(sorted(by_instrument.items())))

    def get(self, instrument: str, stem: str) -> RealRecording | None:
        """Give one instrument's recording of the file name `stem`, None if it has none."""
        return next((r for r in self.by_instrument.get(instrument, ()) if r.audio.stem == stem), None)

    def choose(self, instrument: str, count: int) -> list[RealRecording]:
        """Choose up to `count` recordings with MIDI, evenly spaced in the order of their names.

        Raises:
            DataError: if the instrument has no recording with a MIDI file.
        """
        with_midi = [recording for recording in self.by_instrument.get(instrument, ()) if recording.midi is not None]
        if not with_midi:
            raise DataError(
                f"{self.folder} has no MIDI beside the recordings of {instrument}: "
                "put <name>.mid beside <name>.flac to say what is played"
            )
        return [with_midi[index] for index in _evenly(len(with_midi), count)]

    def pitch_range(self, instrument: str) -> tuple[int, int]:
        """Give the lowest and highest pitch that an instrument's MIDI files hold; all pitches if it has none."""
        midi = [recording.midi for recording in self.by_instrument.get(instrument, ()) if recording.midi is not None]
        pitches = [note.pitch for path in midi for note in read_midi(path).notes]
        return (min(pitches), max(pitches)) if pitches else (0, 127)


def _midi_beside(path: Path) -> Path | None:
    return next((p for suffix in _MIDI_SUFFIXES if (p := path.with_suffix(suffix)).is_file()), None)


def _evenly(total: int, count: int) -> list[int]:
    """Give up to `count` different indices below `total`, evenly spaced."""
    return [total * index // count for index in range(count)] if count < total else list(range(total))


@dataclass(frozen=True, slots=True, eq=False)
class DescribedRecordings:
    """How real recordings sound, by instrument, in the same order in both; silent ones are left out.

    Attributes:
        statistics: `mfcc_statistics` [F] of each.
        moments: of the frames of each.
    """

    statistics: Mapping[str, list[NDArray[np.float32]]]
    moments: Mapping[str, list[Moments]]

    @property
    def count(self) -> int:
        """Give the number of recordings."""
        return sum(len(given) for given in self.statistics.values())


def describe_recordings(
    real: RealRecordings,
    *,
    leave_out: Collection[Path],
    per_instrument: int,
    max_s: float,
    on_progress: Callable[[], None] = lambda: None,
) -> DescribedRecordings:
    """Describe the start of some recordings of each instrument.

    Args:
        real: where they are.
        leave_out: audio files that are played by the instrument under test.
        per_instrument: at most so many, evenly spaced.
        max_s: of each, seconds.
        on_progress: called after each.

    Raises:
        AudioError: if a recording cannot be read.
    """
    statistics: dict[str, list[NDArray[np.float32]]] = {}
    moments: dict[str, list[Moments]] = {}
    for name, recordings in real.by_instrument.items():
        others = [recording.audio for recording in recordings if recording.audio not in leave_out]
        for index in _evenly(len(others), per_instrument):
            audio, _ = read_audio(others[index], sample_rate=SAMPLE_RATE, mono=True)
            excerpt = audio[:, : round(max_s * SAMPLE_RATE)]
            frames = embed_frames(excerpt, SAMPLE_RATE) if excerpt.size else np.zeros((0, 1), dtype=np.float32)
            if len(frames):
                statistics.setdefault(name, []).append(mfcc_statistics(excerpt, SAMPLE_RATE))
                moments.setdefault(name, []).append(moments_of(frames))
            on_progress()
    return DescribedRecordings(statistics, moments)


def count_described(real: RealRecordings, *, leave_out: Collection[Path], per_instrument: int) -> int:
    """Tell how many recordings `describe_recordings` reads."""
    return sum(
        min(per_instrument, sum(recording.audio not in leave_out for recording in recordings))
        for recordings in real.by_instrument.values()
    )
