"""A picture of two sounds: their waveforms and spectrograms, and those of what differs."""

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from after.evaluation.picture import log_spectrogram_db
from render.golden.compare import Sound, can_be_subtracted, finite_audio
from render.golden.measures import FloatArray, overlap

_MOST_COLUMNS = 900
_WINDOW_SAMPLES = 8192  # of the spectrogram
_RANGE_DB = 80.0
_DIFFERENCE_DB = 12.0
_OCTAVES = range(24, 132, 12)


def draw_comparison(reference: Sound, render: Sound, lag_samples: int) -> bytes:
    """Draw reference, render and, where there is one, their difference side by side, as a PNG.

    Args:
        reference: neither may be empty.
        render: likewise.
        lag_samples: by how much the render comes late; it is moved back first.
    """
    sounds = [finite_audio(sound).mean(axis=0) for sound in (reference, render)]
    names = ["reference", "render"]
    rates = [reference.sample_rate, render.sample_rate]
    is_alike = can_be_subtracted(reference, render)
    if is_alike:
        wanted, found = overlap(finite_audio(reference), finite_audio(render), lag_samples)
        sounds = [*(x.mean(axis=0) for x in (wanted, found)), (found - wanted).mean(axis=0)]
        names.append("difference")
        rates.append(render.sample_rate)
    figure = Figure(figsize=(4.6 * len(sounds), 5.2), dpi=80, layout="constrained")
    FigureCanvasAgg(figure)
    waves, spectra = figure.subplots(2, len(sounds), sharex="col", squeeze=False, height_ratios=[2, 3])
    highest = max(float(np.abs(mono).max()) for mono in sounds[:2]) or 1.0
    for axis, mono, rate, name in zip(waves, sounds, rates, names, strict=True):
        _draw_wave(axis, mono, rate)
        axis.set(title=name, ylim=(-highest, highest))
    pictures = spectrograms_db(sounds[0], rates[0], sounds[1], rates[1])
    for axis, picture, mono, rate in zip(spectra, pictures, sounds, rates, strict=False):
        _draw_rows(axis, picture, mono.size / rate, "magma", (-_RANGE_DB, 0.0))
    if is_alike:
        louder = pictures[1] - pictures[0]
        limits = (-_DIFFERENCE_DB, _DIFFERENCE_DB)
        image = _draw_rows(spectra[2], louder, sounds[2].size / rates[2], "RdBu_r", limits)
        figure.colorbar(image, ax=spectra[2], label="render louder by (dB)")
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    return stream.getvalue()


def spectrograms_db(
    reference: NDArray[np.float64], reference_rate: int, render: NDArray[np.float64], render_rate: int
) -> list[NDArray[np.float32]]:
    """Compute both spectrograms [rows, L] in dB below the loudest point of both, at least -80.

    Args:
        reference: [T].
        reference_rate: Hz.
        render: [T']; has a scale of its own if its rate is another.
        render_rate: Hz.
    """
    hop = max(256, max(reference.size, render.size) // _MOST_COLUMNS)
    if reference_rate != render_rate:
        pairs = ((reference, reference_rate), (render, render_rate))
        return [log_spectrogram_db(mono.astype(np.float32), rate, hop_length=hop) for mono, rate in pairs]
    gap = np.zeros(-(-_WINDOW_SAMPLES // hop) * hop + (-reference.size) % hop)  # one after the other: one loudest point
    both = log_spectrogram_db(
        np.concatenate([reference, gap, render]).astype(np.float32), reference_rate, hop_length=hop
    )
    first = (reference.size + gap.size) // hop
    return [both[:, : -(-reference.size // hop)], both[:, first:]]


def _draw_wave(axis: Axes, mono: FloatArray, sample_rate: int) -> None:
    """Draw the highest and lowest sample of each of some hundred pieces."""
    length = -(-mono.size // _MOST_COLUMNS)
    pieces = np.pad(mono, (0, -mono.size % length), mode="edge").reshape(-1, length)
    times_s = np.arange(len(pieces)) * length / sample_rate
    axis.fill_between(times_s, pieces.min(axis=1), pieces.max(axis=1), linewidth=0.5)


def _draw_rows(
    axis: Axes, rows: NDArray[np.float32], duration_s: float, colours: str, limits: tuple[float, float]
) -> AxesImage:
    """Draw a spectrogram whose rows begin at MIDI pitch 21, three a semitone."""
    extent = (0.0, duration_s, 21.0, 21.0 + len(rows) / 3.0)
    image = axis.imshow(
        rows, origin="lower", aspect="auto", extent=extent, cmap=colours, vmin=limits[0], vmax=limits[1]
    )
    axis.set_yticks(list(_OCTAVES), [f"{440.0 * 2.0 ** ((pitch - 69) / 12):.0f} Hz" for pitch in _OCTAVES])
    axis.set_xlabel("time (s)")
    return image
