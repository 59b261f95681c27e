"""Audio files in and out, and sample-rate conversion; numpy only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from after.errors import AudioError
from after.files import written_atomically

WRITE_FRAMES = 65536
"""Frames handed to the encoder at a time."""

FloatAudio = NDArray[np.float32]


def read_audio(path: str | Path, *, sample_rate: int | None = None, mono: bool = False) -> tuple[FloatAudio, int]:
    """Read one audio file.

    Args:
        path: any format libsndfile knows (wav, flac, ogg, mp3, aiff, ...).
        sample_rate: resample to this rate in Hz; None keeps the file's own.
        mono: mix the channels to one by their mean.

    Returns:
        audio [C, T] float32, full scale +-1, and its sample rate in Hz.

    Raises:
        AudioError: if the file is missing, unreadable or empty.
    """
    path = Path(path)
    if not path.is_file():
        raise AudioError(f"{path} is not a file; give the path of an audio file (wav, flac, ogg, mp3, aiff)")
    try:
        frames, file_rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        raise AudioError(f"{path} cannot be read as audio ({error}); convert it to wav or flac") from error
    if frames.shape[0] == 0:
        raise AudioError(f"{path} holds no samples; remove it or record it again")
    audio: FloatAudio = np.ascontiguousarray(frames.T)
    if mono and audio.shape[0] > 1:
        audio = audio.mean(axis=0, keepdims=True, dtype=np.float32)
    if sample_rate is None:
        return audio, int(file_rate)
    return resample(audio, int(file_rate), sample_rate), sample_rate


def write_audio(
    path: str | Path,
    audio: NDArray[np.floating[Any]],
    sample_rate: int,
    *,
    subtype: str = "PCM_16",
    tags: Mapping[str, str] | None = None,
) -> None:
    """Write one audio file atomically: a reader sees the old file or the whole new one.

    Args:
        path: the suffix gives the format (.wav, .flac, .ogg, .mp3, .aiff); parent folders are made.
        audio: [C, T] (or [T] for mono), full scale +-1; integer formats clip beyond it.
        sample_rate: in Hz.
        subtype: libsndfile's sample format, for instance PCM_16, PCM_24, FLOAT; Ogg Vorbis and mp3 have their own.
        tags: texts to keep in the file: `title`, `software`, `comment`, ... as libsndfile names them.

    Raises:
        AudioError: if the shape, the format or the place does not allow writing.
    """
    path = Path(path)
    channels_first = np.atleast_2d(np.asarray(audio))
    if channels_first.ndim != 2:
        raise AudioError(f"audio has shape {np.shape(audio)}; write_audio takes [channels, samples]")
    file_format = _format_of(path)
    subtype = {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(file_format, subtype)
    if not soundfile.check_format(file_format, subtype):
        raise AudioError(f"{path.suffix} files cannot hold {subtype}; choose another subtype or suffix")
    try:
        with written_atomically(path) as temporary, temporary.open("wb") as stream:
            _write_frames(stream, channels_first.T, sample_rate, subtype, file_format, tags or {})
    except (soundfile.SoundFileError, OSError) as error:
        raise AudioError(f"{path} cannot be written ({error}); choose a folder you may write to") from error


def _write_frames(
    stream: BinaryIO,
    frames: NDArray[np.floating[Any]],
    sample_rate: int,
    subtype: str,
    file_format: str,
    tags: Mapping[str, str],
) -> None:
    """Write [T, C] frames in pieces: libsndfile's Vorbis encoder overruns its stack on a minute handed over at once."""
    num_channels = frames.shape[1]
    with soundfile.SoundFile(
        stream, "w", samplerate=sample_rate, channels=num_channels, subtype=subtype, format=file_format
    ) as file:
        for name, text in tags.items():
            setattr(file, name, text)
        for start in range(0, len(frames), WRITE_FRAMES):
            file.write(frames[start : start + WRITE_FRAMES])


def resample(audio: NDArray[np.floating[Any]], from_rate: float, to_rate: float) -> FloatAudio:
    """Convert [C, T] (or [T]) audio between sample rates, band-limited, without delay.

    Raises:
        AudioError: if a rate is not positive.

    Source: libsoxr, quality HQ (linear phase).
    """
    if from_rate <= 0 or to_rate <= 0:
        raise AudioError(f"sample rates {from_rate} and {to_rate} must both be above 0 Hz")
    samples = np.asarray(audio, dtype=np.float32)
    if from_rate == to_rate:
        return samples
    time_first = np.ascontiguousarray(samples.T)
    return np.ascontiguousarray(soxr.resample(time_first, from_rate, to_rate, quality="HQ").T, dtype=np.float32)


def _format_of(path: Path) -> str:
    """Give libsndfile's name of the format that a suffix stands for."""
    suffix = path.suffix.lower().lstrip(".").upper()
    known = soundfile.available_formats()
    file_format = {"AIF": "AIFF", "OGA": "OGG", "WAVE": "WAV"}.get(suffix, suffix)
    if file_format not in known:
        raise AudioError(f"{path} has no audio suffix that can be written; use .wav, .flac or .ogg")
    return file_format
