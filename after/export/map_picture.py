"""A picture of an instrument's map of timbres: what is alike has like colours, named timbres are marked."""

import io
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from after.conditioning.timbre_map import TimbreMap
from after.files import written_atomically

_PIXELS = 200
_MARGIN = 1.04
_OUTLINE = (withStroke(linewidth=2.4, foreground="black"),)


def draw_map(
    path: str | Path, timbre_map: TimbreMap, positions: Mapping[str, tuple[float, float]], *, title: str
) -> None:
    """Write a PNG of 1000 x 1000 pixels.

    Args:
        path: file to write, atomically.
        timbre_map: places to timbres.
        positions: of the named timbres.
        title: above it.

    Raises:
        OSError: if the file cannot be written.
    """
    figure = Figure(figsize=(10.0, 10.0), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.imshow(map_colours(timbre_map, _PIXELS), origin="lower", extent=(-1.0, 1.0, -1.0, 1.0))
    for name, (x, y) in positions.items():
        axes.plot(x, y, "o", color="white", markeredgecolor="black", markersize=7.0, clip_on=False)
        side = -1 if x > 0.6 else 1
        axes.annotate(
            name.replace("$", r"\$"),
            (x, y),
            xytext=(8 * side, 0),
            textcoords="offset points",
            ha="right" if side < 0 else "left",
            va="center",
            color="white",
            fontsize=11,
            path_effects=_OUTLINE,
        )
    axes.set(xlim=(-_MARGIN, _MARGIN), ylim=(-_MARGIN, _MARGIN), xlabel="x", ylabel="y")
    axes.set_title(title.replace("$", r"\$"), fontsize=11)
    picture = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # names in scripts that the font lacks
        figure.savefig(picture, format="png")
    with written_atomically(path) as temporary:
        temporary.write_bytes(picture.getvalue())


@torch.inference_mode()
def map_colours(timbre_map: TimbreMap, num_pixels: int) -> NDArray[np.float64]:
    """Give an image [num_pixels, num_pixels, 3] of 0..1, rows along y: the timbres' three main components as colours.

    Each component is stretched between its 2nd and 98th percentile; one that hardly varies is grey.
    """
    side = torch.linspace(-1.0, 1.0, num_pixels)
    y, x = torch.meshgrid(side, side, indexing="ij")
    timbres = timbre_map(torch.stack([x.flatten(), y.flatten()], dim=1)).double().numpy()
    centred = np.pad(timbres - timbres.mean(axis=0), ((0, 0), (0, 3)))
    _, vectors = np.linalg.eigh(centred.T @ centred)
    components = centred @ vectors[:, :-4:-1]
    low, high = np.percentile(components, (2.0, 98.0), axis=0)
    spread = high - low
    stretched = (components - low) / np.maximum(spread, 1e-12)
    colours = np.where(spread > 1e-6, stretched, 0.5).clip(0.0, 1.0)
    image: NDArray[np.float64] = colours.reshape(num_pixels, num_pixels, 3)
    return image
