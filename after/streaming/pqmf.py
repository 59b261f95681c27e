"""Cosine-modulated pseudo-QMF bank: audio into equal bands at a fraction of the rate, and back.

One real prototype h of N taps is moved to every band (Nguyen 1994, equations 2 and 3); in the frame's own direction the
analysis and synthesis filters are the same M vectors, so both ways are one matrix product per frame:

    f_k[i] = 2 sqrt(M) h[i] cos((2k + 1) pi / 2M (i - (N - 1) / 2) - (-1)^k pi / 4)
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from after.streaming.contract import Streaming, keep_last

_Array = NDArray[np.float64]
_ATTENUATION_DB = 90.0
_ITERATIONS = 50


def _prototype_rows(h: _Array, num_bands: int) -> tuple[_Array, _Array]:
    """Give the autocorrelation at lags 0, 2M, 4M, ... minus its target, and the derivative of each by h.

    The bank has no amplitude distortion when |h|^2 is a 2M-th band filter: 1 / 2M at lag 0 and zero at the others.
    """
    lags = range(0, h.size, 2 * num_bands)
    errors = np.array([h[lag:] @ h[: h.size - lag] for lag in lags])
    errors[0] -= 1 / (2 * num_bands)
    rows = np.zeros((len(lags), h.size))
    for row, lag in zip(rows, lags, strict=True):
        row[lag:] += h[: h.size - lag]
        row[: h.size - lag] += h[lag:]
    return errors, rows


def _kaiser_prototype(num_bands: int, num_taps: int) -> _Array:
    """Search the cutoff that makes a Kaiser-windowed ideal low-pass most nearly a 2M-th band spectral factor.

    Source: Lin and Vaidyanathan 1998, "A Kaiser window approach for the design of prototype filters of cosine modulated
    filterbanks", section II; golden-section search.
    """
    time = np.arange(num_taps) - (num_taps - 1) / 2
    window = np.kaiser(num_taps, 0.1102 * (_ATTENUATION_DB - 8.7))

    def design(cutoff: float) -> _Array:
        h = window * np.sinc(cutoff * time)
        return np.asarray(h / math.sqrt(2 * num_bands * (h @ h)))

    def cost(cutoff: float) -> float:
        return float(np.abs(_prototype_rows(design(cutoff), num_bands)[0][1:]).max(initial=0.0))

    golden = (math.sqrt(5) - 1) / 2
    low, high = 0.35 / num_bands, 0.8 / num_bands  # around half a band; 1 is the Nyquist frequency
    while high - low > 1e-9:
        inner_low, inner_high = high - golden * (high - low), low + golden * (high - low)
        if cost(inner_low) < cost(inner_high):
            high = inner_high
        else:
            low = inner_low
    return design((low + high) / 2)


def design_prototype(num_bands: int, taps_per_band: int = 16) -> _Array:
    """Design the low-pass prototype of an M-band bank.

    The Kaiser design is the start; then the energy above pi / M is minimised under the quadratic constraint of no
    amplitude distortion, linearised at every iteration. What is left of the reconstruction error is aliasing.

    Args:
        num_bands: M, at least 2.
        taps_per_band: N / M; more taps give more selective bands and more latency.

    Returns:
        [taps_per_band * num_bands], symmetric.

    Source: Nguyen 1994, "Near-perfect-reconstruction pseudo-QMF banks", IEEE Trans. Signal Processing 42(1), sec. III.
    """
    num_taps = taps_per_band * num_bands
    half = num_taps // 2
    mirror = np.concatenate([np.eye(half)[::-1], np.eye(half)])  # h = mirror @ its second half
    lag = np.subtract.outer(np.arange(num_taps), np.arange(num_taps))
    stopband = np.eye(num_taps) - np.sinc(lag / num_bands) / num_bands
    stopband = mirror.T @ stopband @ mirror
    curvature = stopband + 1e-7 * np.eye(half)  # some directions have no stopband energy: keep them from running away
    tail = _kaiser_prototype(num_bands, num_taps)[half:]
    for _ in range(_ITERATIONS):
        errors, rows = _prototype_rows(mirror @ tail, num_bands)
        rows = rows @ mirror
        system = np.block([[curvature, rows.T], [rows, np.zeros((len(rows), len(rows)))]])
        update = np.linalg.solve(system, np.concatenate([-stopband @ tail, -errors]))[:half]
        tail = tail + update
        if np.abs(update).max() < 1e-12 * np.abs(tail).max():
            break
    return np.asarray(mirror @ tail)


def _band_filters(num_bands: int, taps_per_band: int) -> Tensor:
    """Lay out f_k[i] as [N, M] float32, scaled so that the bands carry the energy of the audio.

    Raises:
        ValueError: if there are fewer than 2 bands, or too few or an odd number of taps in all.
    """
    num_taps = num_bands * taps_per_band
    if num_bands < 2 or taps_per_band < 4 or num_taps % 2:
        raise ValueError(
            f"a bank of {num_bands} bands with {taps_per_band} taps per band is not possible: "
            "use at least 2 bands and 4 taps per band, and an even number of taps in all"
        )
    time = np.arange(num_taps)[:, None] - (num_taps - 1) / 2
    band = np.arange(num_bands)[None, :]
    phase = (2 * band + 1) * np.pi / (2 * num_bands) * time - (1 - 2 * (band % 2)) * np.pi / 4
    filters = 2 * math.sqrt(num_bands) * design_prototype(num_bands, taps_per_band)[:, None] * np.cos(phase)
    return torch.from_numpy(filters).float()


class PqmfAnalysis(Streaming):
    """Split audio into `num_bands` bands, each at the rate / `num_bands`, lowest first.

    Frame j is made of the N = `taps_per_band` * `num_bands` samples that end with (j + 1) * num_bands - 1: no latency.

    Args:
        num_bands: M, at least 2.
        taps_per_band: N / M; with 16, 83 dB of signal to reconstruction error.

    Raises:
        ValueError: if there are fewer than 2 bands, or too few or an odd number of taps in all.
    """

    filters: Tensor

    def __init__(self, num_bands: int, *, taps_per_band: int = 16) -> None:
        super().__init__(block_size=num_bands, down=num_bands, num_states=1)
        self.size = num_bands * taps_per_band
        self.hop = num_bands
        self.register_buffer("filters", _band_filters(num_bands, taps_per_band), persistent=False)

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the samples before the start: [B, N - M, 1] of zeros."""
        like = self.filters
        return [torch.zeros(batch_size, self.size - self.hop, 1, dtype=like.dtype, device=like.device)]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Split one block [B, T, 1] into bands [B, T / M, M]."""
        x = torch.cat([state[0].to(x.dtype), x], dim=1)
        bands = torch.matmul(x.squeeze(2).unfold(1, self.size, self.hop), self.filters)
        return bands, [keep_last(x, self.size - self.hop)]


class PqmfSynthesis(Streaming):
    """Put bands together again, the inverse of `PqmfAnalysis` up to a small error.

    A sample is complete when the last frame that spans it has come, so the latency is N - M samples.

    Args:
        num_bands: M, at least 2.
        taps_per_band: N / M, as in the analysis.

    Raises:
        ValueError: if there are fewer than 2 bands, or too few or an odd number of taps in all.
    """

    weight: Tensor

    def __init__(self, num_bands: int, *, taps_per_band: int = 16) -> None:
        super().__init__(up=num_bands, latency=num_bands * (taps_per_band - 1), num_states=1)
        self.num_bands = num_bands
        self.memory = taps_per_band - 1
        # overlap-add as a causal convolution over frames: the oldest frame gives the last taps of its filters
        pieces = _band_filters(num_bands, taps_per_band).reshape(taps_per_band, num_bands, num_bands)
        weight = pieces.flip(0).permute(2, 0, 1)  # [band, frame oldest first, sample]
        self.register_buffer("weight", weight.reshape(num_bands * taps_per_band, num_bands).clone(), persistent=False)

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the frames before the start: [B, N / M - 1, M] of zeros."""
        like = self.weight
        return [torch.zeros(batch_size, self.memory, self.num_bands, dtype=like.dtype, device=like.device)]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Turn one block of bands [B, T, M] into audio [B, T * M, 1]."""
        batch_size, num_frames, _ = x.shape
        x = torch.cat([state[0].to(x.dtype), x], dim=1)
        frames = x.unfold(1, self.memory + 1, 1).reshape(batch_size, num_frames, -1)  # [B, T, band * frame]
        audio = torch.matmul(frames, self.weight)
        return audio.reshape(batch_size, num_frames * self.num_bands, 1), [keep_last(x, self.memory)]

    def forward(self, x: Tensor) -> Tensor:
        """Turn a whole sequence of bands into audio, ending with its last frame: [B, T, M] to [B, T * M, 1]."""
        silence = torch.zeros(x.size(0), self.memory, self.num_bands, dtype=x.dtype, device=x.device)
        y, _ = self.step(torch.cat([x, silence], dim=1), self.init_state(x.size(0)))
        return y[:, self.latency :]
