"""Live audio to structure frames: what is played as pitch and loudness, found while it is played."""

import math

import torch
from torch import Tensor

from after.conditioning.live_pitch import LivePitch
from after.conditioning.pitch_loudness import (
    PITCH_LOUDNESS_CHANNELS,
    pitch_loudness_frames,
    transpose_pitch_loudness,
)
from after.conditioning.source import StructureSource
from after.features.loudness import FLOOR_DB, a_weighting
from after.streaming.contract import Streaming
from after.streaming.spectral import Frames


class LiveLoudness(Streaming):
    """Measure the A-weighted level of a window that ends with each frame, as `after.features.loudness` does.

    Args:
        sample_rate: Hz.
        hop: samples per frame.
        window_length: samples of the Hann window, at least `hop`.

    Raises:
        ValueError: if the windows leave out samples.
    """

    weights: Tensor

    def __init__(self, sample_rate: int, *, hop: int, window_length: int = 2048) -> None:
        if window_length < hop:
            raise ValueError(f"windows of {window_length} samples leave out some at a hop of {hop}; make them longer")
        super().__init__(block_size=hop, down=hop, num_states=1)
        window = torch.hann_window(window_length, dtype=torch.float64)
        frequency_hz = torch.fft.rfftfreq(window_length, 1.0 / sample_rate, dtype=torch.float64)
        weights = torch.from_numpy(a_weighting(frequency_hz.numpy())).square()
        weights[1 : (window_length + 1) // 2] *= 2.0  # the same power again at negative frequencies
        self.frames = Frames(window.float(), hop=hop)
        self.floor = 10.0 ** (FLOOR_DB / 10.0)
        self.register_buffer("weights", (weights / (window_length * window.square().sum())).float(), persistent=False)

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the samples before the start: zeros."""
        return self.frames.init_state(batch_size)

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Turn one block of audio [B, T, 1] into loudness in dB [B, T / hop, 1], at least -100."""
        frames, state = self.frames.step(x, state)
        spectrum = torch.fft.rfft(frames)
        power = (spectrum.real.square() + spectrum.imag.square()) @ self.weights
        return 10.0 * torch.log10(power.clamp_min(self.floor))[:, :, None], state


class Listener(StructureSource):
    """Follow pitch and loudness of audio and lay them out as `after.conditioning.pitch_loudness` does.

    A frame tells of the sound up to its end, so there is no lag; it is judged from the last 18 to 63 ms, the loudness
    from the last `loudness_window` samples.

    Args:
        sample_rate: Hz.
        hop: samples per frame.
        loudness_window: samples; made as long as the hop if it is shorter.
    """

    def __init__(self, sample_rate: int, *, hop: int, loudness_window: int = 2048) -> None:
        super().__init__(hop=hop, num_signals=1, structure_size=PITCH_LOUDNESS_CHANNELS, num_states=3)
        self.pitch = LivePitch(sample_rate, hop=hop)
        self.loudness = LiveLoudness(sample_rate, hop=hop, window_length=max(hop, loudness_window))
        self.samples_at_once = hop * math.ceil(262144 / hop)

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the samples before the start, for the pitch and for the loudness: zeros."""
        return self.pitch.init_state(batch_size) + self.loudness.init_state(batch_size)

    def listen(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Turn one block of audio [B, T, 1] into the features f0_hz, periodicity, loudness_db [B, T / hop, 3]."""
        pitch, pitch_state = self.pitch.step(x, state[:2])
        loudness, loudness_state = self.loudness.step(x, state[2:])
        return torch.cat([pitch, loudness], dim=2), pitch_state + loudness_state

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Turn one block of audio [B, T, 1] into structure [B, T / hop, 130]."""
        features, state = self.listen(x, state)
        return pitch_loudness_frames(features[:, :, 0], features[:, :, 1], features[:, :, 2]), state

    def forward(self, x: Tensor) -> Tensor:
        """Run a whole recording, some seconds at a time, as every frame takes a hundred kilobytes meanwhile."""
        state = self.init_state(x.size(0))
        outputs: list[Tensor] = []
        for start in range(0, x.size(1), self.samples_at_once):
            y, state = self.step(x[:, start : start + self.samples_at_once], state)
            outputs.append(y)
        return torch.cat(outputs, dim=1)

    def transposed(self, structure: Tensor, semitones: int) -> Tensor:
        """Shift the pitch of structure [B, L, 130]; see `transpose_pitch_loudness`."""
        return transpose_pitch_loudness(structure, semitones)
