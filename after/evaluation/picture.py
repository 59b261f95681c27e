"""A picture of a render: its spectrogram with the notes it was asked to play."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from after.features.frames import as_mono
from after.features.mel import magnitude_spectrogram
from after.files import written_atomically
from after.midi import Note

_LOWEST_PITCH, _HIGHEST_PITCH = 21, 132  # A0 to 16.7 kHz
_BINS_PER_SEMITONE = 3
_RANGE_DB = 80.0


def log_spectrogram_db(mono: NDArray[np.float32], sample_rate: int, *, hop_length: int) -> NDArray[np.float32]:
    """Compute a spectrogram whose rows are a third of a semitone apart.

    Args:
        mono: [T].
        sample_rate: Hz.
        hop_length: samples per frame; the window has 8192.

    Returns:
        [rows, L] dB below the loudest point, at least -80; row r is MIDI pitch 21 + r / 3.
    """
    magnitude = magnitude_spectrogram(mono, hop_length=hop_length, window_length=8192)
    rows = np.arange(_BINS_PER_SEMITONE * (_HIGHEST_PITCH - _LOWEST_PITCH))
    hz = 440.0 * 2.0 ** ((_LOWEST_PITCH + rows / _BINS_PER_SEMITONE - 69.0) / 12.0)
    bins = hz * 8192 / sample_rate
    lower = np.minimum(bins.astype(int), len(magnitude) - 2)
    share = np.clip(bins - lower, 0.0, 1.0)[:, None]
    sampled = magnitude[lower] * (1.0 - share) + magnitude[lower + 1] * share
    sampled[hz > sample_rate / 2] = 0.0
    highest = max(float(sampled.max()), 1e-9)
    return np.asarray(20.0 * np.log10(np.maximum(sampled / highest, 10.0 ** (-_RANGE_DB / 20.0))), dtype=np.float32)


def draw_spectrogram(axis: Axes, mono: NDArray[np.float32], sample_rate: int) -> AxesImage:
    """Draw the spectrogram of [T] on a scale of semitones, dB below its loudest point."""
    hop_length = max(256, mono.size // 2000)
    image = axis.imshow(
        log_spectrogram_db(mono, sample_rate, hop_length=hop_length),
        origin="lower",
        aspect="auto",
        extent=(0.0, mono.size / sample_rate, _LOWEST_PITCH, _HIGHEST_PITCH),
        cmap="magma",
        vmin=-_RANGE_DB,
        vmax=0.0,
    )
    octaves = range(24, _HIGHEST_PITCH, 12)
    axis.set_yticks(list(octaves), [f"{440.0 * 2.0 ** ((pitch - 69) / 12):.0f}" for pitch in octaves])
    return image


def draw_render(
    path: str | Path, audio: NDArray[np.float32], sample_rate: int, notes: Sequence[Note], title: str = ""
) -> None:
    """Write a PNG: the spectrogram on a scale of semitones, and below it the piano roll on the same time axis.

    Args:
        path: file to write, atomically.
        audio: [C, T] or [T]; channels are averaged.
        sample_rate: Hz.
        notes: what was played; may be empty.
        title: text above, for instance the timbre and the name of the piece.

    Raises:
        AudioError: if `audio` is empty or not finite.
    """
    mono = as_mono(audio)
    duration_s = mono.size / sample_rate
    figure = Figure(figsize=(12.0, 7.0), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    sound, roll = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
    image = draw_spectrogram(sound, mono, sample_rate)
    sound.set(title=title, ylabel="frequency (Hz)")
    figure.colorbar(image, ax=sound, label="dB", pad=0.01)
    boxes = [Rectangle((note.onset_s, note.pitch - 0.5), note.duration_s, 1.0) for note in notes]
    collection = PatchCollection(boxes, cmap="viridis", edgecolor="black", linewidth=0.3)
    collection.set_array(np.array([note.velocity for note in notes], dtype=np.float32))
    collection.set_clim(0, 127)
    roll.add_collection(collection)
    pitches = [note.pitch for note in notes] or [60]
    roll.set(xlabel="time (s)", ylabel="note", xlim=(0.0, duration_s), ylim=(min(pitches) - 2, max(pitches) + 2))
    shown = [pitch for pitch in range(0, 128, 12) if min(pitches) - 2 <= pitch <= max(pitches) + 2] or [pitches[0]]
    roll.set_yticks(shown, [f"C{pitch // 12 - 1}" if pitch % 12 == 0 else str(pitch) for pitch in shown])
    roll.grid(alpha=0.3)
    figure.colorbar(collection, ax=roll, label="velocity", pad=0.01)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    with written_atomically(path) as temporary:
        temporary.write_bytes(picture.getvalue())
