"""Notes from audio: Basic Pitch's network, run by ONNX Runtime alone, and the search for notes in what it says.

The basic_pitch package is never imported (it would load TensorFlow): only the network file that it carries is read.
"""

import importlib.util
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from after.audio import resample
from after.errors import CheckpointError
from after.features.frames import as_mono
from after.features.note_search import FoundNote, NoteSearch, find_notes
from after.midi import Note

if TYPE_CHECKING:
    import onnxruntime

SAMPLE_RATE = 22050
"""Hz, the only rate the network understands."""

HOP_LENGTH = 256
"""Samples per frame at `SAMPLE_RATE`."""

LOWEST_PITCH = 21
"""MIDI pitch of the first of the 88 rows."""

_WINDOW_SAMPLES = 43844  # what the network takes in one piece; it answers with 172 frames
_EDGE_FRAMES = 15  # at the start of a window that lack context; 16 are dropped at the end
_KEPT_FRAMES = 141  # so windows are 141 whole frames apart and times need no correction


@dataclass(frozen=True, slots=True, eq=False)
class NoteActivations:
    """What the network says about each frame and each of the 88 piano keys.

    Attributes:
        onsets: [L, 88] float32 in 0..1, likelihood that the note starts here.
        frames: [L, 88] float32 in 0..1, likelihood that the note sounds.
    """

    onsets: NDArray[np.float32]
    frames: NDArray[np.float32]


def _find_network() -> Path:
    spec = importlib.util.find_spec("basic_pitch")  # finds the folder without running the package
    for place in list(spec.submodule_search_locations or []) if spec else []:
        path = Path(place) / "saved_models" / "icassp_2022" / "nmp.onnx"
        if path.is_file():
            return path
    raise CheckpointError(
        "Basic Pitch's network (nmp.onnx) was not found; it comes with a package: pip install --no-deps basic-pitch"
    )


def check_network() -> None:
    """Make sure that the network can be run.

    Raises:
        CheckpointError: if the network or ONNX Runtime is not installed.
    """
    _find_network()
    if importlib.util.find_spec("onnxruntime") is None:
        raise CheckpointError("ONNX Runtime, which runs Basic Pitch's network, is missing: pip install onnxruntime")


@lru_cache(maxsize=1)
def _load_session(num_threads: int) -> "onnxruntime.InferenceSession":
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(_find_network()), options, providers=["CPUExecutionProvider"])


def activate_notes(
    audio: ArrayLike, sample_rate: int, *, batch_windows: int = 4, num_threads: int = 1
) -> NoteActivations:
    """Run the network over a recording.

    Args:
        audio: [C, T] or [T], full scale +-1; channels are averaged.
        sample_rate: Hz.
        batch_windows: windows of two seconds in one pass; each needs about 60 MB.
        num_threads: threads of ONNX Runtime.

    Returns:
        Activations at `SAMPLE_RATE / HOP_LENGTH` = 86.1 frames/s; frame k is centred on k HOP_LENGTH / SAMPLE_RATE s.

    Raises:
        AudioError: if `audio` is empty or not finite.
        CheckpointError: if the basic-pitch package, which carries the network, is not installed.

    Source: Bittner et al. 2022, "A lightweight instrument-agnostic model for polyphonic note transcription and
    multipitch estimation", ICASSP, section 2.
    """
    low_rate = resample(as_mono(audio), sample_rate, SAMPLE_RATE)
    parts = list(activate_stream([low_rate], batch_windows=batch_windows, num_threads=num_threads))
    return NoteActivations(
        np.concatenate([part.onsets for part in parts]), np.concatenate([part.frames for part in parts])
    )


def activate_stream(
    pieces: Iterable[NDArray[np.float32]], *, batch_windows: int = 4, num_threads: int = 1
) -> Iterator[NoteActivations]:
    """Run the network over a recording that comes in pieces, with the result of `activate_notes`.

    Args:
        pieces: [T] of any length, following each other, at `SAMPLE_RATE`.
        batch_windows: as for `activate_notes`.
        num_threads: as for `activate_notes`.

    Yields:
        the activations of so many windows, which follow each other.

    Raises:
        CheckpointError: if the basic-pitch package, which carries the network, is not installed.
    """
    session = _load_session(num_threads)
    names = ["StatefulPartitionedCall:2", "StatefulPartitionedCall:1"]  # onsets, frames
    kept = slice(_EDGE_FRAMES, _EDGE_FRAMES + _KEPT_FRAMES)
    for windows, num_frames in _cut_windows(pieces, batch_windows):
        onsets, frames = session.run(names, {"serving_default_input_2:0": windows[..., None]})
        yield NoteActivations(
            onsets[:, kept].reshape(-1, 88)[:num_frames], frames[:, kept].reshape(-1, 88)[:num_frames]
        )


def _cut_windows(
    pieces: Iterable[NDArray[np.float32]], batch_windows: int
) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Cut windows [B, _WINDOW_SAMPLES] out of a recording, with the number of frames that they bring."""
    spacing = _KEPT_FRAMES * HOP_LENGTH
    batch_samples = (batch_windows - 1) * spacing + _WINDOW_SAMPLES
    waiting = np.zeros(_EDGE_FRAMES * HOP_LENGTH, dtype=np.float32)
    num_samples = num_frames = 0
    for piece in pieces:
        num_samples += piece.size
        waiting = np.concatenate([waiting, piece])
        while waiting.size >= batch_samples:
            yield _windows(waiting, batch_windows), batch_windows * _KEPT_FRAMES
            waiting = waiting[batch_windows * spacing :]
            num_frames += batch_windows * _KEPT_FRAMES
    left_frames = num_samples // HOP_LENGTH + 1 - num_frames
    while left_frames > 0:
        num_windows = min(batch_windows, -(-left_frames // _KEPT_FRAMES))
        yield _windows(waiting, num_windows), min(left_frames, num_windows * _KEPT_FRAMES)
        waiting = waiting[num_windows * spacing :]
        left_frames -= num_windows * _KEPT_FRAMES


def _windows(audio: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    """Give the first windows; silence follows the audio."""
    spacing = _KEPT_FRAMES * HOP_LENGTH
    length = (number - 1) * spacing + _WINDOW_SAMPLES
    padded = np.pad(audio[:length], (0, max(0, length - audio.size)))
    return np.ascontiguousarray(np.lib.stride_tricks.sliding_window_view(padded, _WINDOW_SAMPLES)[::spacing])


def as_notes(found: Iterable[FoundNote]) -> tuple[Note, ...]:
    """Give found notes in seconds, sorted by onset.

    The velocity is 127 times the mean activation, so it orders notes by certainty rather than by loudness.
    """
    frame_s = HOP_LENGTH / SAMPLE_RATE
    notes = (
        Note(
            onset_s=event.first_frame * frame_s,
            pitch=LOWEST_PITCH + event.row,
            velocity=min(127, max(1, round(127 * event.activation))),
            duration_s=(event.end_frame - event.first_frame) * frame_s,
        )
        for event in found
    )
    return tuple(sorted(notes))


def transcribe(
    audio: ArrayLike, sample_rate: int, *, search: NoteSearch | None = None, num_threads: int = 1
) -> tuple[Note, ...]:
    """Write down the notes of a recording of any pitched instrument, polyphony included.

    Args:
        audio: [C, T] or [T], full scale +-1; channels are averaged.
        sample_rate: Hz.
        search: thresholds of the search for notes; the published ones if None.
        num_threads: threads of ONNX Runtime.

    Returns:
        Notes as `as_notes` gives them.

    Raises:
        AudioError: if `audio` is empty or not finite.
        CheckpointError: if the basic-pitch package, which carries the network, is not installed.
    """
    activations = activate_notes(audio, sample_rate, num_threads=num_threads)
    return as_notes(find_notes(activations.onsets, activations.frames, search or NoteSearch()))
