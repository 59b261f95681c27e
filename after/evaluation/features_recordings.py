"""The recordings that features are measured on: audio as a data store would hold it, with what its MIDI file plays."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from after.audio import FloatAudio, read_audio, resample
from after.data.extract.stored_audio import ShippedAudio, StoredAudio
from after.data.parsers.discovery import FileFilter, find_files
from after.data.prepare.settings import PrepareSettings
from after.errors import AfterError, AudioError, DataError
from after.midi import Note, apply_pedal, read_midi

_FULL_SCALE = 32_768


@dataclass(frozen=True, slots=True)
class PlayedFile:
    """An audio file, the MIDI file of what it plays, and the group that it is averaged with."""

    path: Path
    midi_path: Path
    group: str


@dataclass(frozen=True, slots=True)
class Played:
    """A recording read from its file.

    Attributes:
        name: of its file, without the suffix.
        group: it is averaged with.
        audio: what features are computed from.
        notes: as they sound (sustain pedal applied), those that begin within the audio.
    """

    name: str
    group: str
    audio: StoredAudio
    notes: tuple[Note, ...]


def find_played(folder: Path, *, per_group: int = 0) -> list[PlayedFile]:
    """Find the audio files that have a MIDI file of the same stem beside them.

    Args:
        folder: searched deeply; each folder of recordings is a group.
        per_group: take so many of each group, the first by name; 0 for all.

    Raises:
        DataError: if the folder does not exist, or there are none.
    """
    groups: dict[str, list[PlayedFile]] = {}
    # Not as a data set of its own kind: those leave out the recordings that they keep for tests.
    files = find_files([folder], FileFilter(), parser="audio_midi").files
    for file in files:
        if file.midi_path is not None:
            groups.setdefault(file.group, []).append(PlayedFile(file.path, file.midi_path, file.group))
    chosen = [played for group in groups.values() for played in group[: per_group or None]]
    if chosen:
        return chosen
    if files:
        raise DataError(
            f"none of the {len(files)} recordings under {folder} has a MIDI file of the same name beside it: put "
            "NAME.mid beside NAME.wav, or take phrases that `after synthesize_dataset` makes"
        )
    raise DataError(f"no audio under {folder}: name a folder of recordings with MIDI files beside them")


def read_played(
    files: Sequence[PlayedFile], *, on_left_out: Callable[[AfterError], None], on_done: Callable[[], None]
) -> Iterator[Played]:
    """Read recordings as they are asked for.

    Args:
        files: from `find_played`.
        on_left_out: is told why a recording is left out: its audio or its MIDI file cannot be read.
        on_done: called when the next recording is asked for, or when one was left out.
    """
    for file in files:
        try:
            played = _read(file)
        except AfterError as error:
            on_left_out(error)
        else:
            yield played
        on_done()


def _read(file: PlayedFile) -> Played:
    notes = apply_pedal(read_midi(file.midi_path))
    audio, rate = read_audio(file.path, mono=True)
    if not np.isfinite(audio).all():
        raise AudioError(f"{file.path} holds samples that are not finite: remove it or record it again")
    settings = PrepareSettings()
    stored = as_stored(resample(audio, rate, settings.sample_rate)[0], settings.sample_rate, settings.chunk_samples)
    duration_s = stored.num_samples / stored.sample_rate
    return Played(file.path.stem, file.group, stored, tuple(note for note in notes if note.onset_s < duration_s))


def as_stored(audio: FloatAudio, sample_rate: int, chunk_samples: int) -> StoredAudio:
    """Give audio [T] in +-1 as a store holds it: 16 bits, in chunks, the last one filled with zeros."""
    num_chunks = -(-audio.size // chunk_samples)
    samples = np.zeros(num_chunks * chunk_samples, dtype=np.int16)
    samples[: audio.size] = np.clip(np.rint(audio * _FULL_SCALE), -_FULL_SCALE, _FULL_SCALE - 1)
    with ShippedAudio(samples, audio.size, sample_rate, chunk_samples).open() as stored:
        return stored
