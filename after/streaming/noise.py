"""Noise as a function of (seed, frame): a stream draws the same values at any block size and from any start."""

import math

import torch
from torch import Tensor


def _mix(x: Tensor) -> Tensor:
    """Scramble 32-bit integers held in int64; each output bit depends on every input bit.

    Source: C. Wellons, "Prospecting for hash functions" (2018), the function called lowbias32 (public domain).
    """
    x = x & 0xFFFFFFFF
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & 0xFFFFFFFF
    x = ((x ^ (x >> 15)) * 0x846CA68B) & 0xFFFFFFFF
    return x ^ (x >> 16)


def frame_noise(seed: Tensor, start_frame: Tensor, num_frames: int, num_latents: int) -> Tensor:
    """Give standard normal noise for a run of frames.

    Args:
        seed: [B] int64, one per stream.
        start_frame: int64 scalar, or [B, 1]: the index of the first frame since the stream's start.
        num_frames: L.
        num_latents: D.

    Returns:
        [B, L, D] float32; equal for equal (seed, frame, latent), independent otherwise.

    Source: Box and Muller 1958 for normal from uniform numbers.
    """
    device = seed.device
    frame = start_frame + torch.arange(num_frames, device=device)
    latent = torch.arange(num_latents, device=device)
    key = _mix(_mix(seed + 0x9E3779B9)[:, None] + frame)
    cell = key[:, :, None] + 2 * latent[None, None, :]
    # 24 bits each, as many as a float32 holds exactly; the half keeps the logarithm finite
    u = ((_mix(cell) >> 8).to(torch.float32) + 0.5) * (1.0 / 16777216.0)
    v = (_mix(cell + 1) >> 8).to(torch.float32) * (2.0 * math.pi / 16777216.0)
    return torch.sqrt(-2.0 * torch.log(u)) * torch.cos(v)
