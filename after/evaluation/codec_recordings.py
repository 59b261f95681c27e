"""The recordings that codecs are measured on: found, cut, and analysed one after the other."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from after.audio import read_audio, resample
from after.data.parsers.discovery import FileFilter, find_files
from after.errors import AudioError
from after.evaluation.codec_reconstruction import Original, analyse
from after.features.crepe import CrepeSize

LEAST_SECONDS = 0.5
"""Of a recording that is measured: figures of less, kbit/s above all, are those of its edges."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A file, and the group that it is averaged with."""

    path: Path
    group: str


def find_recordings(paths: Sequence[Path], *, per_group: int = 0) -> list[Recording]:
    """Find audio files in folders, searched deeply, and among files named themselves.

    Args:
        paths: folders and files; each folder of recordings is a group.
        per_group: take so many of each group, the first by name; 0 for all.

    Raises:
        AudioError: if there are none.
    """
    groups: dict[str, list[Recording]] = {}
    # As plain audio: a data set's own reading would leave out the recordings that it keeps for tests.
    for file in find_files(paths, FileFilter(), parser="audio").files:
        groups.setdefault(file.group, []).append(Recording(file.path, file.group))
    chosen = [recording for group in groups.values() for recording in group[: per_group or None]]
    if not chosen:
        raise AudioError(f"no audio under {', '.join(map(str, paths))}: name a folder of recordings")
    return chosen


def read_recordings(
    recordings: Sequence[Recording],
    sample_rate: int,
    *,
    seconds: float,
    pitch_model: CrepeSize,
    on_left_out: Callable[[AudioError], None],
) -> Iterator[Original]:
    """Read recordings as they are asked for, and analyse them.

    Args:
        recordings: from `find_recordings`.
        sample_rate: Hz, at which they are compared.
        seconds: to take of each, from its beginning.
        pitch_model: the CREPE network.
        on_left_out: is told why a recording is left out: it cannot be read, or is shorter than `LEAST_SECONDS`.
    """
    for recording in recordings:
        try:
            audio, rate = read_audio(recording.path, mono=True)
            length_s = audio.shape[1] / rate
            if length_s < LEAST_SECONDS:
                raise AudioError(f"{recording.path}: lasts {length_s:.2f} s, less than {LEAST_SECONDS:g} s")
            audio = resample(audio[:, : round(seconds * rate)], rate, sample_rate)
            yield analyse(recording.path.stem, recording.group, audio, sample_rate, pitch_model=pitch_model)
        except AudioError as error:
            on_left_out(error)
