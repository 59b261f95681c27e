"""One picture of a store: its histograms, its groups, and examples with notes and pitch over their spectrograms."""

import io
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from after.data.inspection.captions import caption
from after.data.inspection.charts import SMALL, draw_durations, draw_groups, draw_loudness, draw_pitches
from after.data.inspection.examples import Example, choose_examples, read_example
from after.data.inspection.histograms import from_json
from after.data.inspection.mel_picture import RANGE_DB, MelScale, mel_image, note_boxes, pitch_line
from after.data.store import Store
from after.files import written_atomically

_ROWS, _COLUMNS = 2, 3
_NOTE, _PITCH = "#5ad1ff", "#7dff6b"
_SHOWN_HZ = (250, 500, 1000, 2000, 4000)
_DEFAULT_VOICING = 0.5
_OUTLINE = (withStroke(linewidth=2.4, foreground="black"),)
"""Marks stay visible on bright partials."""


def draw_sheet(path: str | Path, store: Store, summary: Mapping[str, Any]) -> None:
    """Write a PNG of 1600 x 1200 pixels about a store.

    Args:
        path: file to write, atomically.
        store: open; its manifest gives sample rate and chunk length.
        summary: from `summarize`.

    Raises:
        DataError: if the store is damaged.
        OSError: if the file cannot be written.
    """
    figure = Figure(figsize=(16.0, 12.0), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2 + _ROWS, _COLUMNS, height_ratios=[1.0, 0.9, *[1.25] * _ROWS])
    recordings = summary["kinds"]["recording"]
    title = f"{caption(store.path.resolve().name, 60)}: {recordings['hours']:.2f} h in {recordings['files']} recordings"
    figure.suptitle(f"{title}, {len(summary['groups'])} groups", fontsize=13)
    draw_durations(figure.add_subplot(grid[0, 0]), summary["duration_histogram"])
    draw_pitches(figure.add_subplot(grid[0, 1]), summary)
    draw_loudness(figure.add_subplot(grid[0, 2]), from_json(summary["histograms"].get("loudness_db", {})))
    draw_groups(figure.add_subplot(grid[1, :]), summary["groups"])
    _draw_examples(figure, grid, store)
    picture = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # names in scripts that the font lacks
        figure.savefig(picture, format="png")
    with written_atomically(path) as temporary:
        temporary.write_bytes(picture.getvalue())


def _draw_examples(figure: Figure, grid: GridSpec, store: Store) -> None:
    """Draw a few chunks, and below them what the marks mean."""
    scale = MelScale(int(store.manifest["sample_rate"]))
    chosen = choose_examples(store.sources(), _ROWS * _COLUMNS)
    for place, (record, index) in enumerate(chosen):
        row, column = divmod(place, _COLUMNS)
        draw_example(figure.add_subplot(grid[2 + row, column]), read_example(store, record, index), scale)
    marks = [
        Rectangle((0, 0), 1, 1, facecolor="none", edgecolor=_NOTE, label="notes (MIDI, or else transcribed)"),
        Line2D([], [], color=_PITCH, label="pitch (f0) of the voiced frames"),
    ]
    legend = figure.legend(handles=marks, loc="outside lower center", ncols=2, fontsize=SMALL)
    legend.get_frame().set_facecolor("#2a2035")
    for text in legend.get_texts():
        text.set_color("white")


def draw_example(axes: Axes, example: Example, scale: MelScale) -> None:
    """Draw a chunk's mel spectrogram with its notes as boxes and its pitch as a line."""
    image = mel_image(example.mono, scale)
    audio_s = example.mono.size / scale.sample_rate
    axes.set_facecolor("black")
    axes.imshow(
        image.levels_db,
        origin="lower",
        aspect="auto",
        extent=(0.0, image.duration_s, -0.5, scale.num_mels - 0.5),
        cmap="magma",
        vmin=-RANGE_DB,
        vmax=0.0,
    )
    boxes = [Rectangle((x, y), width, height) for x, y, width, height in note_boxes(example.notes, audio_s, scale)]
    axes.add_collection(PatchCollection(boxes, facecolor="none", edgecolor=_NOTE, linewidth=1.2, path_effects=_OUTLINE))
    if example.pitch is not None:
        pitch, feature = example.pitch
        times_s, rows = pitch_line(
            pitch,
            scale,
            hop_length=int(feature.settings["hop_length"]),
            voicing=float(feature.settings.get("voicing", _DEFAULT_VOICING)),
            duration_s=audio_s,
        )
        axes.plot(times_s, rows, color=_PITCH, linewidth=1.0, path_effects=_OUTLINE)
    shown = [hz for hz in _SHOWN_HZ if hz <= scale.highest_hz]
    axes.set_yticks(np.asarray(scale.rows_of(shown)), [str(hz) for hz in shown])
    axes.set(xlim=(0.0, example.duration_s), ylim=(-0.5, scale.num_mels - 0.5))
    axes.tick_params(labelsize=SMALL)
    axes.set_xlabel("time in the chunk (s)", fontsize=SMALL)
    axes.set_ylabel("frequency (Hz)", fontsize=SMALL)
    record = example.record
    place = f"{caption(record.source, 50)}, from {example.start_s:.1f} s"
    axes.set_title(f"{caption(record.group, 50)}\n{place}", fontsize=SMALL, loc="left")
