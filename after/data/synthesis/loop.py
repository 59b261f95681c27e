"""Sustained recordings made as long as a note needs, by repeating their steady part."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from after.audio import FloatAudio

_CROSSFADE_S = 0.15
_STEADY = (0.25, 0.92)
"""The part of a recording, by its sounding length, in which the loop lies: after the attack, before the end."""
_MIN_LOOP_S = 0.25
_ENDED_DB = -14.0
"""A recording has ended where it stays this far below its middle level."""
_MAX_STEP_DB = 1.5
_GAIN_LIMITS = (0.7, 1.4)
_SEARCH_S = 0.012


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """Where a recording may be repeated, in samples.

    Attributes:
        end: the recording sounds by itself until here.
        start: first sample of the repeated part.
        stop: one past the last sample of the repeated part.
        fade_samples: length of the cross-fade at the seam.
        step_gain: level before the seam over level after it.
        correlation: of the two sides of the seam, -1..1.
    """

    end: int
    start: int
    stop: int
    fade_samples: int
    step_gain: float
    correlation: float

    def scaled(self, ratio: float) -> "Loop":
        """Give the same loop of the recording made `ratio` times as long."""
        return replace(
            self,
            end=int(self.end * ratio),
            start=round(self.start * ratio),
            stop=round(self.start * ratio) + round((self.stop - self.start) * ratio),
            fade_samples=int(self.fade_samples * ratio),
        )


def find_loop(audio: FloatAudio, sample_rate: int) -> Loop:
    """Find the steady part of a [T] recording whose two ends fit best: in shape (correlation) and in level."""
    end = _sounding_end(audio, sample_rate)
    fade_samples = max(32, min(int(_CROSSFADE_S * sample_rate), int(end * 0.15)))
    start, stop, step_gain, correlation = _choose(audio[:end], fade_samples, sample_rate)
    return Loop(
        end=end, start=start, stop=stop, fade_samples=fade_samples, step_gain=step_gain, correlation=correlation
    )


def sustain(audio: FloatAudio, loop: Loop, num_samples: int) -> FloatAudio:
    """Give [T] audio that sounds for at least `num_samples`, repeating `loop`; more samples only add to the end."""
    fade_samples, stop = loop.fade_samples, min(loop.stop, len(audio))
    fade_in, fade_out = _crossfade(fade_samples, loop.correlation)
    cycle = audio[loop.start : stop]
    pieces = [audio[: stop - fade_samples]]
    total, gain = stop - fade_samples, 1.0
    while total < num_samples:
        next_gain = min(_GAIN_LIMITS[1], max(_GAIN_LIMITS[0], gain * loop.step_gain))
        seam = cycle[-fade_samples:] * gain * fade_out + cycle[:fade_samples] * next_gain * fade_in
        pieces += [seam, cycle[fade_samples:-fade_samples] * next_gain]
        total += len(cycle) - fade_samples
        gain = next_gain
    pieces.append(cycle[-fade_samples:] * gain)
    return np.asarray(np.concatenate(pieces), dtype=np.float32)


def _sounding_end(audio: FloatAudio, sample_rate: int) -> int:
    """Find where the recording's own end (its release or fade) begins."""
    window = max(1, int(0.03 * sample_rate))
    frames = len(audio) // window
    if frames < 8:
        return len(audio)
    level = np.sqrt(np.mean(audio[: frames * window].reshape(frames, window) ** 2, axis=1))
    middle = float(np.median(level[frames // 5 : max(frames // 5 + 1, frames * 7 // 10)]))
    above = np.flatnonzero(level > middle * 10 ** (_ENDED_DB / 20))
    last = int(above[-1]) if len(above) else frames - 1
    return max(window * 6, (last - 2) * window)


def _choose(audio: FloatAudio, fade_samples: int, sample_rate: int) -> tuple[int, int, float, float]:
    """Choose a loop: start, stop, the level step at its seam, and the correlation of the two sides there."""
    length = len(audio)
    first = max(int(length * _STEADY[0]), 0)
    last_stop = max(int(length * _STEADY[1]), first + 3 * fade_samples)
    last_stop = min(last_stop, length)
    least = max(int(_MIN_LOOP_S * sample_rate), 2 * fade_samples + 1)
    least = min(least, max(2 * fade_samples + 1, last_stop - first))
    best = (-np.inf, first, last_stop, 1.0, 0.0)
    for stop in np.linspace(max(first + least, last_stop - (last_stop - first) // 3), last_stop, 3).astype(int):
        template = audio[stop - fade_samples : stop]
        for centre in np.linspace(first, max(first, stop - least), 4).astype(int):
            start, correlation, step = _align(audio, template, int(centre), first, stop - least, sample_rate)
            score = correlation - 0.1 * abs(20 * np.log10(step)) + 0.15 * (stop - start) / length
            if score > best[0]:
                best = (score, start, int(stop), step, correlation)
    _, start, stop, step, correlation = best
    limit = 10 ** (_MAX_STEP_DB / 20)
    return max(0, min(start, stop - 2 * fade_samples - 1)), stop, float(np.clip(step, 1 / limit, limit)), correlation


def _align(
    audio: FloatAudio, template: FloatAudio, centre: int, lowest: int, highest: int, sample_rate: int
) -> tuple[int, float, float]:
    """Find the start near `centre` whose following samples look most like `template` (normalised correlation)."""
    search = int(_SEARCH_S * sample_rate) + len(template) // 8
    low = max(0, min(lowest, centre), centre - search)
    high = max(low, min(highest, centre + search))
    stretch = audio[low : high + len(template)]
    if len(stretch) < len(template) or high == low:
        return low, 0.0, 1.0
    products = _correlate(stretch, template)
    energy = np.concatenate([[0.0], np.cumsum(stretch.astype(np.float64) ** 2)])
    energies = energy[len(template) :] - energy[: -len(template)]
    own = float(np.sum(template.astype(np.float64) ** 2)) + 1e-12
    normalised = products / np.sqrt(np.maximum(energies, 1e-12) * own)
    offset = int(np.argmax(normalised))
    step = float(np.sqrt(own / max(energies[offset], 1e-12)))
    return low + offset, float(normalised[offset]), max(step, 1e-3)


def _correlate(stretch: FloatAudio, template: FloatAudio) -> NDArray[np.float64]:
    """Correlate by FFT; one value for each place of `template` inside `stretch`."""
    size = 1 << (len(stretch) + len(template)).bit_length()
    spectrum = np.fft.rfft(stretch, size) * np.conj(np.fft.rfft(template, size))
    return np.fft.irfft(spectrum, size)[: len(stretch) - len(template) + 1]


def _crossfade(fade_samples: int, correlation: float) -> tuple[FloatAudio, FloatAudio]:
    """Give fade-in and fade-out gains that keep the power whatever the correlation of the two signals is.

    With p, q the linear gains and c the correlation, the mixture's power is p^2 + q^2 + 2 c p q; dividing by its root
    gives equal gain at c = 1 and equal power at c = 0.
    """
    fade_in = (np.arange(fade_samples) + 0.5) / fade_samples
    fade_out = 1.0 - fade_in
    power = fade_in**2 + fade_out**2 + 2 * max(0.0, correlation) * fade_in * fade_out
    return (fade_in / np.sqrt(power)).astype(np.float32), (fade_out / np.sqrt(power)).astype(np.float32)
