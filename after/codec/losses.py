"""Distances between audio and its reconstruction, for training and for measuring."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from after.features.mel import mel_filters


class SpectralLoss(nn.Module):
    """Compare magnitude spectra at several resolutions, linearly and in logarithm.

    Per scale: ||S - S'|| / ||S|| (spectral convergence) + mean |ln(S + floor) - ln(S' + floor)|.
    Source: Yamamoto et al. 2020 (Parallel WaveGAN), arXiv 1910.11480, equations 6 and 7; Defossez et al. 2018.

    Args:
        scales: window sizes in samples; hop = a quarter.
        floor: magnitude (full scale = 1) below which the logarithm goes flat.
        linear_weight: of the relative linear distance.
        log_weight: of the log distance.
    """

    def __init__(
        self, scales: tuple[int, ...], *, floor: float = 1e-4, linear_weight: float = 1.0, log_weight: float = 1.0
    ) -> None:
        super().__init__()
        self.scales = scales
        self.floor = floor
        self.linear_weight = linear_weight
        self.log_weight = log_weight
        for size in scales:
            self.register_buffer(f"window_{size}", torch.hann_window(size), persistent=False)

    def magnitude(self, audio: Tensor, size: int) -> Tensor:
        """Give magnitude spectra [B, F, size / 2 + 1] of audio [B, T]; a full-scale sine has 1/2."""
        window: Tensor = self.get_buffer(f"window_{size}")
        frames = F.pad(audio, (size // 2, size // 2)).unfold(1, size, size // 4) * (window / window.sum())
        spectrum = torch.view_as_real(torch.fft.rfft(frames))
        return (spectrum.square().sum(-1) + 1e-14).sqrt()

    def forward(self, audio: Tensor, target: Tensor, scales: tuple[int, ...] = ()) -> Tensor:
        """Give the mean distance over the scales (all of them, or those named) of [B, 1, T] pairs."""
        audio, target = audio.squeeze(1).float(), target.squeeze(1).float()
        total = audio.new_zeros(())
        used = scales or self.scales
        for size in used:
            with torch.no_grad():
                wanted = self.magnitude(target, size)
                norm = torch.linalg.vector_norm(wanted, dim=(1, 2)).clamp_min(self.floor * wanted[0].numel() ** 0.5)
            got = self.magnitude(audio, size)
            linear = (torch.linalg.vector_norm(got - wanted, dim=(1, 2)) / norm).mean()
            log = (torch.log(got + self.floor) - torch.log(wanted + self.floor)).abs().mean()
            total = total + self.linear_weight * linear + self.log_weight * log
        return total / len(used)


class MelLoss(nn.Module):
    """Compare logarithms of mel bands at several resolutions, down to levels that a listener turns up to hear.

    Single bins of quiet noise differ at random whatever a network does; a band averages many of them, so its floor can
    lie where recordings end. Source: Kumar et al. 2023 (DAC), arXiv 2306.06546, section 3.4.

    Args:
        scales: window size in samples and number of bands, of each resolution; the hop is a quarter of the window.
        sample_rate: Hz.
        floor: magnitude (a full-scale sine has 1/2) at which the logarithm goes flat.
    """

    def __init__(self, scales: tuple[tuple[int, int], ...], *, sample_rate: int, floor: float = 1e-6) -> None:
        super().__init__()
        self.floor = floor
        self.counts = dict(scales)
        self.spectra = SpectralLoss(tuple(self.counts))
        for size, count in scales:
            filters = torch.from_numpy(mel_filters(sample_rate, size, count)).T
            self.register_buffer(f"filters_{size}", filters.clone(), persistent=False)

    def forward(self, audio: Tensor, target: Tensor) -> Tensor:
        """Give the mean absolute difference, averaged over the resolutions, of [B, 1, T] pairs."""
        audio, target = audio.squeeze(1).float(), target.squeeze(1).float()
        total = audio.new_zeros(())
        for size in self.counts:
            filters: Tensor = self.get_buffer(f"filters_{size}")
            with torch.no_grad():
                wanted = torch.log(self.spectra.magnitude(target, size) @ filters + self.floor)
            got = torch.log(self.spectra.magnitude(audio, size) @ filters + self.floor)
            total = total + (got - wanted).abs().mean()
        return total / len(self.counts)


class LevelLoss(nn.Module):
    """Compare levels over time.

    Losses on spectra are content with sound that is too soft where a network is unsure: what is loud is spread over its
    neighbours. The level of a frame as a whole says how loud it must be.

    Args:
        size: of the Hann windows in samples; the hop is a quarter.
        floor: RMS (full scale = 1) at which the logarithm goes flat.
    """

    window: Tensor

    def __init__(self, *, size: int = 2048, floor: float = 1e-5) -> None:
        super().__init__()
        self.size = size
        self.floor_power = floor**2
        self.register_buffer("window", torch.hann_window(size) * 2.0 / size, persistent=False)

    def levels(self, audio: Tensor) -> Tensor:
        """Give 0.5 ln(mean square + floor^2) of frames, [B, 1, T] to [B, F]."""
        power = F.pad(audio.squeeze(1).float().square(), (self.size // 2, self.size // 2))
        return 0.5 * torch.log(power.unfold(1, self.size, self.size // 4) @ self.window + self.floor_power)

    def forward(self, audio: Tensor, target: Tensor) -> Tensor:
        """Give the mean absolute difference of [B, 1, T] pairs, in natural logarithms."""
        return (self.levels(audio) - self.levels(target)).abs().mean()


class AmplitudeLoss(nn.Module):
    """Compare the spectrum that amplitudes of sines and noise are expected to have with that of the target.

    Which phases the sines happen to have does not enter, so the gradient says for every sine whether it should be
    louder; through the sound alone it hardly does while many sines interfere. The sound's own loss then chooses among
    neighbours that are expected to be alike.

    Args:
        frequencies: [K] of the sines in cycles per sample.
        frame_size: samples of a frame of noise, N.
        hop: samples from one frame to the next.
        size: of the Hann window of the compared spectra.
        floor: magnitude (full scale = 1) below which the logarithm goes flat.
    """

    window: Tensor
    response: Tensor
    spread: Tensor

    def __init__(
        self, frequencies: Tensor, *, frame_size: int, hop: int, size: int = 4096, floor: float = 1e-4
    ) -> None:
        super().__init__()
        self.num_sines = frequencies.numel()
        self.frame_size, self.hop, self.size, self.floor = frame_size, hop, size, floor
        off_bins = frequencies[:, None].double() * size - torch.arange(size // 2 + 1)
        # a Hann window's transform, 1 at its peak; a sine of amplitude 1 has magnitude 1/2
        lobe = torch.sinc(off_bins) + 0.5 * (torch.sinc(off_bins - 1) + torch.sinc(off_bins + 1))
        self.register_buffer("response", (0.5 * lobe).square().float(), persistent=False)
        self.register_buffer("window", torch.hann_window(size), persistent=False)
        self.register_buffer("spread", torch.hann_window(size)[::hop].clone(), persistent=False)

    def expect(self, levels: Tensor) -> Tensor:
        """Give the expected magnitude spectra [B, T, size / 2 + 1] of amplitudes [B, T, K + N / 2 + 1]."""
        count = levels.size(1)
        middle = self.spread.numel() // 2
        lag = torch.arange(count, device=levels.device)
        lag = lag[:, None] - lag[None, :] + middle
        weight = self.spread[lag.clamp(0, self.spread.numel() - 1)] * ((lag >= 0) & (lag < self.spread.numel()))
        sines, noise = levels[..., : self.num_sines], levels[..., self.num_sines :]
        amplitude = torch.matmul(weight / self.spread.sum(), sines)
        variance = torch.matmul(weight.square() / self.spread.square().sum(), noise.square()) * 2.0 / self.frame_size
        density = F.interpolate(variance, size=self.size // 2 + 1, mode="linear", align_corners=True)
        return (torch.matmul(amplitude.square(), self.response) + density * (1.5 / self.size) + 1e-14).sqrt()

    def forward(self, levels: Tensor, target: Tensor) -> Tensor:
        """Give the distance of amplitudes [B, T, K + N / 2 + 1] to the target audio [B, 1, T * hop]."""
        got = self.expect(levels)
        with torch.no_grad():
            padded = F.pad(target.squeeze(1).float(), (self.size // 2, self.size // 2))
            frames = padded.unfold(1, self.size, self.hop)[:, : levels.size(1)] * (self.window / self.window.sum())
            wanted = torch.fft.rfft(frames).abs()
            norm = torch.linalg.vector_norm(wanted, dim=(1, 2)).clamp_min(self.floor * wanted[0].numel() ** 0.5)
        linear = (torch.linalg.vector_norm(got - wanted, dim=(1, 2)) / norm).mean()
        log = (torch.log(got + self.floor) - torch.log(wanted + self.floor)).abs().mean()
        total: Tensor = linear + log
        return total
