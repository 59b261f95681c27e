"""Distances between audio and its reconstruction, for training and for measuring."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


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
