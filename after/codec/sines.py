"""The sound source of the decoder: a bank of steady sines and filtered noise.

A decoder that draws magnitudes and phases of short frames must be told every partial's phase by the latents; where they
only say what a frame sounds like, neighbouring frames cancel and pitches fall onto multiples of the frame rate. Here
the phases run by themselves: each sine has one frequency for ever, close enough to the next one that any pitch has a
sine of its own, and the network sets how loud they are. Frames of a steady tone then join without a seam.
Source: the split into sines and noise is Serra and Smith 1990 (spectral modelling synthesis), in a network Engel et al.
2020 (DDSP), arXiv 2001.04643, section 3; the fixed dense bank in place of a tracked fundamental is ours.
"""

import math

import torch
from torch import Tensor, nn

from after.streaming.contract import Streaming
from after.streaming.noise import frame_noise

# phases are counted in 2^-20 of a cycle, so they are exact however long a stream lasts
_CYCLE = 1 << 20
# training starts at random times, or it would learn how the sines happen to meet at one
_LATEST_START = 1 << 20


def spread_frequencies(lowest_hz: float, highest_hz: float, *, cents: float, hz: float) -> Tensor:
    """Give frequencies [K] in Hz from `lowest_hz` to `highest_hz`, each `cents` but at least `hz` above the last."""
    ratio = 2.0 ** (cents / 1200.0)
    found = [lowest_hz]
    while found[-1] < highest_hz:
        found.append(max(found[-1] * ratio, found[-1] + hz))
    return torch.tensor(found, dtype=torch.float64)


class SinesAndNoise(Streaming):
    """Turn features into windowed frames of sound, to be windowed once more and overlap-added.

    The same features at the same time give the same sound: the noise is a function of the frame's number.

    Args:
        width: features.
        frequencies: [K] in cycles per sample.
        window: [N] of a frame, symmetric about its sample N / 2; its square is what a sine is faded with.
        hop: samples from one frame to the next.

    Raises:
        ValueError: if the window is not symmetric.
    """

    frequencies: Tensor
    rate: Tensor
    start: Tensor
    even: Tensor
    odd: Tensor

    def __init__(self, width: int, frequencies: Tensor, *, window: Tensor, hop: int) -> None:
        super().__init__(num_states=1)
        self.size = window.numel()
        self.hop = hop
        self.num_sines = frequencies.numel()
        self.num_bins = self.size // 2 + 1
        self.cycle = _CYCLE
        self.latest_start = _LATEST_START
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, self.num_sines + self.num_bins)
        with torch.no_grad():  # at first: faint sines, fainter noise
            self.project.bias[: self.num_sines].fill_(-6.0)
            self.project.bias[self.num_sines :].fill_(-2.0)
        advance = torch.round(frequencies * hop * _CYCLE)
        generator = torch.Generator().manual_seed(0)
        start = torch.randint(0, _CYCLE, (self.num_sines,), generator=generator)
        # phases are those of a frame's middle: both halves of the frame are then sums and differences of the same terms
        start += torch.round(advance * (self.size / 2 / hop)).long()
        self.middle = self.size // 2
        if not torch.allclose(window[1 : self.middle], window[self.middle + 1 :].flip(0), atol=1e-6):
            raise ValueError("the window of sines must be symmetric about its middle; use a Hann window or its root")
        angle = 2.0 * math.pi * (advance / (hop * _CYCLE))[:, None] * torch.arange(self.middle + 1, dtype=torch.float64)
        shape = window[: self.middle + 1].flip(0).double() * (2.0 * hop / self.size)
        self.register_buffer("even", (torch.cos(angle) * shape).float(), persistent=False)
        self.register_buffer("odd", (torch.sin(angle) * shape).float(), persistent=False)
        self.register_buffer("frequencies", frequencies.float(), persistent=False)
        self.register_buffer("rate", advance.long() % _CYCLE, persistent=False)
        self.register_buffer("start", start % _CYCLE, persistent=False)

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the number of the first frame: [B] int64, 0."""
        return [torch.zeros([batch_size], dtype=torch.int64, device=self.rate.device)]

    @torch.jit.ignore
    def start_at(self, batch_size: int, seeds: Tensor | None) -> list[Tensor]:
        """Give a state for training: a first frame that follows from each item's seed [B] int64; 0 without seeds."""
        if seeds is None:
            return self.init_state(batch_size)
        return [(seeds * 0x9E3779B1 >> 8) % self.latest_start]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Sound one block of features [B, T, width]: frames [B, T, N]."""
        return self.sound(self.levels(x), state)

    def levels(self, x: Tensor) -> Tensor:
        """Turn features [B, T, width] into amplitudes [B, T, K + N / 2 + 1]: of the sines, then of the noise's bins."""
        levels = self.project(self.norm(x))
        if levels.dtype == torch.bfloat16:
            levels = levels.float()
        # exp(3) is 26 dB over full scale: enough, and it cannot overflow
        return torch.exp(torch.clamp(levels, max=3.0))

    def sound(self, levels: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Sound one block of amplitudes: frames [B, T, N]."""
        num_frames = levels.size(1)
        index = state[0][:, None] + torch.arange(num_frames, device=levels.device)[None, :]
        cycles = (index[:, :, None] * self.rate + self.start) & (self.cycle - 1)
        phase = cycles.to(levels.dtype) * (2.0 * math.pi / self.cycle)
        sines = levels[:, :, : self.num_sines]
        even, odd = torch.matmul(sines * torch.cos(phase), self.even), torch.matmul(sines * torch.sin(phase), self.odd)
        sound = torch.cat([(even + odd)[:, :, 1:].flip(2), (even - odd)[:, :, : self.middle]], dim=2)
        spectrum = self._noise(state[0], num_frames).to(levels.dtype) * levels[:, :, self.num_sines :, None]
        hiss = torch.fft.irfft(torch.view_as_complex(spectrum), n=self.size)
        return sound + hiss, [state[0] + num_frames]

    def _noise(self, first: Tensor, num_frames: int) -> Tensor:
        """Give the spectrum of white noise, [B, T, N / 2 + 1, 2]."""
        noise = frame_noise(torch.zeros_like(first), first[:, None], num_frames, 2 * self.num_bins)
        return noise.reshape(first.size(0), num_frames, self.num_bins, 2)
