"""The pitch of live audio: YIN in the time of one frame, without looking ahead.

Sources: de Cheveigne and Kawahara 2002, "YIN, a fundamental frequency estimator for speech and music", JASA 111(4);
McLeod and Wyvill 2005, "A smarter way to find pitch", ICMC.
"""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from after.streaming.contract import Streaming, keep_last

LOWEST_HZ, HIGHEST_HZ = 32.0, 2000.0
"""Range of pitches that are found."""

_CUTOFF_HZ = 4000.0  # of the filter in front: differences then change little from lag to lag, and hiss counts less
_SHORT_S, _LONG_S = 0.0175, 0.032  # what is compared with its past, for lags up to _SPLIT_S and for longer ones
_SPLIT_S = 0.0113


class LivePitch(Streaming):
    """Find the pitch of the last few periods of every frame.

    The newest samples are compared with what came one lag earlier. So a high note is judged from the last 18 to 29 ms
    and a low one, below 88 Hz, from up to 63 ms: notes are found as soon as their own period allows.

    Args:
        sample_rate: Hz; the highest pitch is a ninth of it at most, as shorter periods are taken for two.
        hop: samples per frame.
    """

    lowpass: Tensor
    masks: Tensor
    lags: Tensor

    def __init__(self, sample_rate: int, *, hop: int) -> None:
        super().__init__(block_size=hop, down=hop, num_states=2)
        self.sample_rate = float(sample_rate)
        self.hop = hop
        self.shortest_lag = int(sample_rate / (1.02 * HIGHEST_HZ))
        self.longest_lag = math.ceil(sample_rate / LOWEST_HZ) + 2
        self.split = round(_SPLIT_S * sample_rate)
        self.short = round(_SHORT_S * sample_rate)
        self.long = round(_LONG_S * sample_rate)
        self.size = self.long + self.longest_lag
        self.skipped = max(0, hop - self.size)
        self.silence = 1e-7  # mean square
        self.no_dip = 1e3  # above any normalised difference
        self.transform_size = 512 * math.ceil(self.size / 512)
        age = torch.arange(self.size - 1, -1, -1)
        self.register_buffer("lowpass", _lowpass(sample_rate), persistent=False)
        self.register_buffer("masks", torch.stack([age < self.short, age < self.long]).float(), persistent=False)
        self.register_buffer("lags", torch.arange(self.longest_lag + 1).float(), persistent=False)

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the last samples before the filter and behind it: zeros."""
        like = self.lowpass
        return [
            torch.zeros(batch_size, like.numel() - 1, 1, dtype=like.dtype, device=like.device),
            torch.zeros(batch_size, max(0, self.size - self.hop), 1, dtype=like.dtype, device=like.device),
        ]

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Turn one block of audio [B, T, 1] into f0_hz and periodicity [B, T / hop, 2].

        The periodicity is 1 minus twice the depth d' of the dip that was chosen, and 0 where the samples that are
        compared are silent (below -70 dB): 0.5 and more is pitched. Where nothing is pitched, f0_hz is some positive
        number.
        """
        x = torch.cat([state[0], x], dim=1)
        low = F.conv1d(x.transpose(1, 2), self.lowpass[None, None]).transpose(1, 2)
        low = torch.cat([state[1], low], dim=1)
        windows = low[:, self.skipped :, 0].unfold(1, self.size, self.hop)
        next_state = [keep_last(x, self.lowpass.numel() - 1), keep_last(low, max(0, self.size - self.hop))]
        return self._judge(windows), next_state

    def _judge(self, windows: Tensor) -> Tensor:
        """Give f0_hz and periodicity [B, L, 2] of windows [B, L, size]."""
        y = windows - windows.mean(dim=2, keepdim=True)
        difference, similarity = self._compare(y)
        dips = self._find_dips(difference)
        # the shortest lag that is about as good as the best one: multiples of the period are as good as the period
        is_good = (dips <= dips.amin(dim=2, keepdim=True) + 0.05) & (dips < self.no_dip)
        lag = torch.where(is_good, self.lags, self.longest_lag - 1.0).amin(dim=2, keepdim=True).long()
        before, peak, after = similarity.gather(2, torch.cat([lag - 1, lag, lag + 1], dim=2)).unbind(2)
        # the top of the parabola through three points: de Cheveigne and Kawahara 2002, section II.E (their step 5)
        bend = (2.0 * peak - before - after).clamp_min(1e-9)
        offset = (0.5 * (after - before) / bend).clamp(-1.0, 1.0)
        f0_hz = self.sample_rate / (lag.squeeze(2).to(offset.dtype) + offset)
        # a dip of 0.25 separates pitched sound (nearly all below 0.1) from noise (brown 0.3, pink 0.55, white 0.65)
        periodicity = (1.0 - 2.0 * dips.gather(2, lag).squeeze(2)).clamp(0.0, 1.0)
        return torch.stack([f0_hz, periodicity], dim=2)

    def _compare(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Compare the newest samples of y [B, L, N] with those each lag before: difference, similarity.

        d(tau) = sum over the window of (y_j - y_(j - tau))^2 = e(0) + e(tau) - 2 r(tau), de Cheveigne and Kawahara
        2002, equations 6 and 7, with the lag into the past; r by FFT. The difference is normalised by its mean over
        shorter lags, equation 8; the similarity 2 r / (e(0) + e(tau)) is McLeod's and Wyvill's (2005) normalised square
        difference function. Silence that comes after sound is no sound of its own: its differences are rounding errors.

        Returns:
            [B, L, longest_lag + 1] twice.
        """
        spectrum = torch.fft.rfft(y, self.transform_size)
        newest = torch.fft.rfft(y[:, :, None] * self.masks, self.transform_size)
        r = torch.fft.irfft(newest * spectrum[:, :, None].conj(), self.transform_size)
        # sums over windows are differences of one running sum, which must not lose what is quiet after what was loud
        energy = F.pad(torch.cumsum(y.double().square(), dim=2), [1, 0])
        is_first = 0
        parts: list[Tensor] = []
        for index, length, stop in ((0, self.short, self.split + 1), (1, self.long, self.longest_lag + 1)):
            upper = energy[:, :, self.size + 1 - stop :]
            lower = energy[:, :, self.size + 1 - length - stop : self.size + 1 - length]
            e = (upper - lower).flip(2).to(y.dtype)
            total = (e[:, :, :1] + e).clamp_min(1e-12)
            d = (total - 2.0 * r[:, :, index, :stop]).clamp_min(0.0)
            mean = torch.cumsum(d, dim=2) / self.lags[:stop].clamp_min(1.0)
            is_heard = y[:, :, self.size - length :].var(dim=2, unbiased=False, keepdim=True) > self.silence
            normalised = torch.where(is_heard, d / mean.clamp_min(1e-12), self.no_dip)
            parts.append(torch.stack([normalised, 1.0 - d / total])[:, :, :, is_first:])
            is_first = stop
        both = torch.cat(parts, dim=3)
        return both[0], both[1]

    def _find_dips(self, difference: Tensor) -> Tensor:
        """Keep a difference [B, L, lags] where it has a local minimum at a lag in range; else put a large number."""
        here = difference[:, :, 1:-1]
        is_dip = (here <= difference[:, :, :-2]) & (here < difference[:, :, 2:])
        is_dip = is_dip & (self.lags[1:-1] >= self.shortest_lag)
        return F.pad(torch.where(is_dip, here, self.no_dip), [1, 1], value=self.no_dip)


def _lowpass(sample_rate: int) -> Tensor:
    """Give a filter of 0.75 ms, a Hamming-windowed sinc, with unit gain at 0 Hz."""
    half = round(0.000375 * sample_rate)
    n = torch.arange(-half, half + 1, dtype=torch.float64)
    taps = torch.sinc(2.0 * min(_CUTOFF_HZ, 0.4 * sample_rate) / sample_rate * n)
    taps = taps * (0.54 + 0.46 * torch.cos(math.pi * n / max(half, 1)))
    return (taps / taps.sum()).float()
