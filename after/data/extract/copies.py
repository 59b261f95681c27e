"""Copies of a recording in another key and tempo, made by Rubber Band (through pedalboard) piece by piece."""

import hashlib
import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from after.audio import FloatAudio
from after.data.extract.stored_audio import AudioInOpenStore, AudioInStore, ShippedAudio, StoredAudio
from after.data.pool.local import check_stop
from after.data.prepare.decode import decibels
from after.data.prepare.notes import NoteArray
from after.data.prepare.spool_disk import writing_to_spool
from after.errors import ConfigError

_SEGMENT_S = 30.0
_SEAM_SEARCH_S = 2.0
_CONTEXT_S = 1.0
_FADE_S = 0.04
_LEVEL_HOP_S = 0.02

_WINDOW_48K = 2048
"""Samples of Rubber Band's window at 48 kHz; at other rates a power of two near the same time."""

_LAG_SHARE = 0.46
"""Of the window: what events are late by per unit of stretch, measured on clicks and note onsets."""

_FULL_SCALE = 32_768
_BLOCK_SAMPLES = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class CopySettings:
    """How many copies of each recording, at most how many semitones away, at most how many times faster or slower."""

    count: int = 0
    max_semitones: int = 6
    max_tempo: float = 1.25

    def __post_init__(self) -> None:
        """Check the ranges."""
        if self.count < 0:
            raise ConfigError(f"{self.count} copies cannot be made; give 0 or more")
        if not 0 <= self.max_semitones <= 12:
            raise ConfigError(f"copies up to {self.max_semitones} semitones away are out of range; give 0 to 12")
        if not 1.0 <= self.max_tempo <= 2.0:
            raise ConfigError(f"copies up to {self.max_tempo} times as fast are out of range; give 1 to 2")


@dataclass(frozen=True, slots=True)
class Copy:
    """What makes a copy: `semitones` higher (whole, so that notes stay whole) and `tempo` times as fast."""

    semitones: float
    tempo: float


@dataclass(frozen=True, slots=True)
class CopyTask:
    """A copy to make of a recording, for a worker process; `source` names the copy."""

    source: str
    audio: AudioInStore | AudioInOpenStore | ShippedAudio
    copy: Copy
    spool_path: Path


@dataclass(frozen=True, slots=True)
class RenderedCopy:
    """What lies in the spool file; copies beyond full scale are turned down, so no sample is clipped."""

    num_samples: int
    peak_db: float
    clipped_samples: int


def check_stretcher() -> None:
    """Find out before any work whether copies can be made.

    Raises:
        ConfigError: if the package that stretches is missing.
    """
    try:
        import pedalboard  # noqa: F401
    except ImportError as error:
        raise ConfigError(
            f"copies are made by pedalboard, which is missing ({error}): pip install pedalboard"
        ) from error


def draw_copy(settings: CopySettings, seed: int, source: str, number: int) -> Copy:
    """Draw a copy of a recording; the same for the same seed, recording and number, whatever else there is."""
    text = f"{seed} {number} {source}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(text, digest_size=12).digest()
    first, second = (int.from_bytes(part, "little") / 2**48 for part in (digest[:6], digest[6:]))
    semitones = math.floor(first * (2 * settings.max_semitones + 1)) - settings.max_semitones
    return Copy(float(semitones), round(settings.max_tempo ** (2.0 * second - 1.0), 4))


def copy_notes(notes: NoteArray, copy: Copy) -> NoteArray:
    """Transpose and rescale notes [N, 4] with times from the recording's start; those outside MIDI's range go."""
    moved = notes + np.array([0.0, 0.0, copy.semitones, 0.0])
    moved = moved[(moved[:, 2] >= 0) & (moved[:, 2] <= 127)]
    return np.asarray(moved / np.array([copy.tempo, copy.tempo, 1.0, 1.0]))


def make_copy(task: CopyTask) -> RenderedCopy:
    """Make one copy in a worker process; see `render_copy`."""
    with task.audio.open() as audio:
        return render_copy(audio, task.copy, task.spool_path)


def render_copy(audio: StoredAudio, copy: Copy, spool_path: Path) -> RenderedCopy:
    """Write a copy as little-endian int16; output sample p is what sounds at sample p `tempo` of the recording.

    Raises:
        DataError: if the disk refuses.
    """
    num_samples, peak = 0, 0.0
    with writing_to_spool(spool_path), tempfile.TemporaryFile(dir=spool_path.parent) as draft:
        for piece in _join(audio, copy):
            check_stop()
            draft.write(piece.tobytes())
            num_samples += piece.size
            peak = max(peak, float(np.abs(piece).max(initial=0.0)))
        highest = 1.0 - 1.0 / _FULL_SCALE
        gain = min(1.0, highest / peak) if peak > 0.0 else 1.0
        draft.seek(0)
        with spool_path.open("wb") as spool:
            _write_samples(draft, gain, spool)
    return RenderedCopy(num_samples, decibels(gain * peak), 0)


def _write_samples(draft: BinaryIO, gain: float, spool: BinaryIO) -> None:
    while block := draft.read(4 * _BLOCK_SAMPLES):
        samples = np.rint(np.frombuffer(block, np.float32) * (gain * _FULL_SCALE))
        spool.write(np.clip(samples, -_FULL_SCALE, _FULL_SCALE - 1).astype("<i2").tobytes())


def _join(audio: StoredAudio, copy: Copy) -> Iterator[FloatAudio]:
    """Give the copy piece by piece, segments faded over into each other."""
    length = round(audio.num_samples / copy.tempo)
    half = round(0.5 * _FADE_S * audio.sample_rate)
    starts = [round(seam / copy.tempo) for seam in (0, *_seams(audio))]
    tail = np.zeros(0, dtype=np.float32)
    for start, stop in zip(starts, [*starts[1:], length], strict=True):
        first, end = max(0, start - half), min(length, stop + half)
        segment = _stretch(audio, copy, first, end)
        if tail.size:
            segment[: tail.size] = _fade(tail, segment[: tail.size])
        kept = segment.size if stop == length else segment.size - 2 * half
        tail = segment[kept:]
        yield segment[:kept]


def _seams(audio: StoredAudio) -> Iterator[int]:
    """Give samples of the recording where segments meet, each at the quietest place nearby."""
    rate = audio.sample_rate
    hop, reach, segment = round(_LEVEL_HOP_S * rate), round(_SEAM_SEARCH_S * rate), round(_SEGMENT_S * rate)
    position = 0
    while audio.num_samples - position > 1.5 * segment:
        nearby = audio.read(position + segment - reach, position + segment + reach)
        levels = np.square(nearby[: nearby.size // hop * hop]).reshape(-1, hop).sum(axis=1)
        position += segment - reach + int(levels.argmin()) * hop + hop // 2
        yield position


def _stretch(audio: StoredAudio, copy: Copy, start: int, stop: int) -> FloatAudio:
    """Give samples [start, stop) of the copy."""
    import pedalboard  # not needed to prepare files

    rate = audio.sample_rate
    context = round(_CONTEXT_S * rate)
    first = math.floor(start * copy.tempo) - context
    original = audio.read(first, math.ceil(stop * copy.tempo) + context)
    # Rubber Band's finer engine rounds the tempo by up to 0.4 %, which would be 100 ms in a segment; this one does not.
    stretched = pedalboard.time_stretch(
        original, rate, stretch_factor=copy.tempo, pitch_shift_in_semitones=copy.semitones, high_quality=False
    )
    begin = round(start - first / copy.tempo + _lag_samples(copy, rate))
    return np.array(np.reshape(stretched, -1)[begin : begin + stop - start], dtype=np.float32)


def _lag_samples(copy: Copy, sample_rate: int) -> float:
    """Give how late an event sounds in what Rubber Band gives; it stretches, and resamples what comes of it."""
    window = 2.0 ** math.ceil(math.log2(_WINDOW_48K * sample_rate / 48_000))
    pitch: float = 2.0 ** (copy.semitones / 12.0)
    return -_LAG_SHARE * window * (pitch / copy.tempo - 1.0) / pitch


def _fade(old: NDArray[np.float32], new: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fade over at constant power, whatever the phases of the two are to each other."""
    rise = (np.arange(old.size, dtype=np.float32) + 0.5) / old.size
    energy = float(np.linalg.norm(old) * np.linalg.norm(new))
    likeness = max(0.0, float(old @ new) / energy) if energy > 0.0 else 1.0
    power = np.square(rise) + np.square(1.0 - rise) + 2.0 * likeness * rise * (1.0 - rise)
    return np.asarray((old * (1.0 - rise) + new * rise) / np.sqrt(power), dtype=np.float32)
