"""The file that is rendered: a MIDI file, or a recording."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from after.audio import FloatAudio, read_audio
from after.errors import AudioError
from after.midi import Score, read_midi
from render.errors import RenderError

_MIDI_SUFFIXES = (".mid", ".midi", ".kar", ".rmi", ".smf")
_MIDI_MAGIC = b"MThd"


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """audio [1, T] at its own sample rate (Hz)."""

    audio: FloatAudio
    sample_rate: int


def read_source(path: Path) -> Score | Recording:
    """Read a MIDI file, known by its content or its suffix, or else a recording, mixed to one channel.

    Raises:
        MidiError: if it is a MIDI file that cannot be read.
        AudioError: if there is no such file.
        RenderError: if it is neither, or holds samples that are no numbers.
    """
    if is_midi(path):
        return read_midi(path)
    try:
        audio, sample_rate = read_audio(path, mono=True)
    except AudioError as error:
        if not path.is_file():
            raise
        raise RenderError(
            f"{path} is neither MIDI nor audio that can be read: give a .mid file, or a wav, flac, ogg or mp3 file"
        ) from error
    if not np.isfinite(audio).all():
        raise RenderError(f"{path} holds samples that are NaN or infinite; export it again")
    return Recording(audio, sample_rate)


def write_down(recording: Recording, path: Path) -> Score:
    """Find the notes of a recording, polyphony included (Basic Pitch).

    Raises:
        RenderError: if there are none.
        CheckpointError: if Basic Pitch's network or ONNX Runtime is not installed.
    """
    from after.features.transcription import transcribe

    notes = transcribe(recording.audio, recording.sample_rate)
    if not notes:
        raise RenderError(f"no notes were found in {path}: give a recording of pitched sound, or a MIDI file")
    return Score(notes, duration_s=recording.audio.shape[1] / recording.sample_rate)


def is_midi(path: Path) -> bool:
    """Tell by its suffix, or else its content, whether a file is MIDI; one that does not exist is not."""
    if path.suffix.lower() in _MIDI_SUFFIXES:
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(_MIDI_MAGIC)) == _MIDI_MAGIC
