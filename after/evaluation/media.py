"""Sound and pictures small enough to lie inside an HTML page."""

import base64
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import soundfile
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from after.evaluation.picture import draw_spectrogram
from after.features.frames import as_mono

EXAMPLE_S = 8.0
"""Sound kept of an example."""

_BLOCK = 4096  # libsndfile's Vorbis encoder takes its memory from the stack


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """A recording for the page.

    Attributes:
        title: its timbre and phrase.
        audio: Ogg Vorbis.
        reference: the same played for real; None without.
        picture: PNG of the spectrogram, or of both side by side.
    """

    title: str
    audio: bytes
    reference: bytes | None
    picture: bytes


def make_example(
    title: str, audio: NDArray[np.float32], reference: NDArray[np.float32] | None, sample_rate: int
) -> Example:
    """Encode the first `EXAMPLE_S` seconds of audio [C, T] and of the same played for real.

    Raises:
        AudioError: if one of them is empty or not finite.
    """
    length = round(EXAMPLE_S * sample_rate)
    sounds = [as_mono(given)[:length] for given in (audio, reference) if given is not None]
    figure = Figure(figsize=(5.5 * len(sounds), 3.2), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(sounds), sharey=True, squeeze=False)[0]
    for axis, mono, label in zip(axes, sounds, ("render" if len(sounds) > 1 else "", "real"), strict=False):
        draw_spectrogram(axis, mono, sample_rate)
        axis.set(title=label, xlabel="time (s)")
    axes[0].set_ylabel("frequency (Hz)")
    encoded = [encode_vorbis(mono, sample_rate) for mono in sounds]
    return Example(title, encoded[0], encoded[1] if len(encoded) > 1 else None, _png(figure))


def encode_vorbis(mono: NDArray[np.float32], sample_rate: int) -> bytes:
    """Encode [T] as Ogg Vorbis, about 8 kB a second; what is beyond +-1 is cut."""
    stream = io.BytesIO()
    with soundfile.SoundFile(stream, "w", sample_rate, 1, format="OGG", subtype="VORBIS") as file:
        for start in range(0, mono.size, _BLOCK):
            file.write(np.clip(mono[start : start + _BLOCK], -1.0, 1.0))
    return stream.getvalue()


def draw_matrix(
    values: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str], *, row_label: str, column_label: str
) -> bytes:
    """Draw shares as a PNG of coloured squares with their percentages.

    Args:
        values: [M, N] in 0..1; NaN stays white.
        rows: M names.
        columns: N names.
        row_label: what the rows are.
        column_label: what the columns are.
    """
    size = (1.8 + 0.36 * len(columns), 1.5 + 0.32 * len(rows))
    figure = Figure(figsize=size, dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    axis.imshow(values, vmin=0.0, vmax=1.0, cmap="Blues", aspect="auto")
    axis.set(xlabel=column_label, ylabel=row_label)
    axis.set_xticks(range(len(columns)), list(columns), rotation=90)
    axis.set_yticks(range(len(rows)), list(rows))
    for (row, column), value in np.ndenumerate(values):
        if math.isfinite(value) and value > 0.0:
            colour = "white" if value > 0.6 else "black"
            axis.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=7, color=colour)
    return _png(figure)


def embed(content: bytes, kind: str) -> str:
    """Give a data address: what `src` can hold instead of a file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _png(figure: Figure) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()
