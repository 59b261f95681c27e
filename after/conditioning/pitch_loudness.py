"""What is played as pitch and loudness over time: the structure by which a recording or live audio plays an instrument.

[130, L]: channels 0-127 hold the pitch, channel 128 the voicing, channel 129 the loudness.
  Pitch: a frame at pitch p (MIDI, fractional) has voicing * (1 - |p - k|) in the two channels k nearest to it and 0
  elsewhere, so one row of weights per semitone reads it, and cents are exact. This is where the piano roll has its
  velocities, which do the same for whole semitones.
  Voicing: 0..1, the sum of the pitch channels; 0 where the sound has no pitch in 0-127.
  Loudness: 0 at -80 dB and below, 1 at 0 dB and above, linear in dB between.
Every frame stands by itself, and silence is zero in all channels.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

NUM_PITCHES = 128
PITCH_LOUDNESS_CHANNELS = NUM_PITCHES + 2
VOICING_CHANNEL, LOUDNESS_CHANNEL = NUM_PITCHES, NUM_PITCHES + 1


def pitch_loudness_frames(f0_hz: Tensor, periodicity: Tensor, loudness_db: Tensor) -> Tensor:
    """Lay features out as structure; TorchScript compiles it.

    Args:
        f0_hz: [B, L]; without a pitch any value, also NaN, zero or below.
        periodicity: [B, L], 0..1; the voicing rises smoothly from 0 at 0.35 to 1 at 0.65.
        loudness_db: [B, L], A-weighted.

    Returns:
        structure [B, L, 130].
    """
    semitone = torch.arange(128, device=f0_hz.device, dtype=f0_hz.dtype)
    pitch = 69.0 + 12.0 * torch.log2(torch.nan_to_num(f0_hz).clamp_min(1.0) / 440.0)
    pitch = torch.where((pitch >= 0.0) & (pitch <= 127.0), pitch, -9.0)  # beyond the reach of any channel
    rise = ((torch.nan_to_num(periodicity) - 0.35) / 0.3).clamp(0.0, 1.0)
    voicing = rise * rise * (3.0 - 2.0 * rise)
    pitches = (1.0 - (pitch[:, :, None] - semitone).abs()).clamp_min(0.0) * voicing[:, :, None]
    loudness = (torch.nan_to_num(loudness_db, nan=-80.0) / 80.0 + 1.0).clamp(0.0, 1.0)
    return torch.cat([pitches, pitches.sum(dim=2, keepdim=True), loudness[:, :, None]], dim=2)


def pitch_loudness(
    f0_hz: NDArray[np.float32], periodicity: NDArray[np.float32], loudness_db: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Turn the stored features of a recording into structure frames.

    Args:
        f0_hz: [L].
        periodicity: [L].
        loudness_db: [L].

    Returns:
        structure [130, L].
    """
    rows = [torch.from_numpy(np.asarray(row, dtype=np.float32))[None] for row in (f0_hz, periodicity, loudness_db)]
    return np.ascontiguousarray(pitch_loudness_frames(rows[0], rows[1], rows[2])[0].T.numpy())


def read_pitch(structure: Tensor) -> tuple[Tensor, Tensor]:
    """Give the fractional MIDI pitch, NaN where there is none, and the voicing, [B, L] each, of frames [B, L, 130]."""
    pitches = structure[:, :, :128]
    voicing = pitches.sum(dim=2)
    semitone = torch.arange(128, device=structure.device, dtype=structure.dtype)
    return (pitches * semitone).sum(dim=2) / voicing, voicing


def transpose_pitch_loudness(structure: Tensor, semitones: int) -> Tensor:
    """Shift the pitch of structure [B, L, 130]; what leaves the range has no pitch any more, but its loudness."""
    semitones = max(-128, min(128, semitones))
    shifted = nn.functional.pad(structure[:, :, :128], [semitones, -semitones])
    return torch.cat([shifted, shifted.sum(dim=2, keepdim=True), structure[:, :, 129:]], dim=2)
