"""The timbre encoder: what an excerpt sounds like, whatever is played in it, as one vector."""

import torch
from torch import Tensor, nn

from after.streaming.combine import Serial
from after.streaming.contract import Framewise
from after.streaming.conv import CausalConv1d
from after.streaming.convnext import ConvNextBlock


class TimbreEncoder(nn.Module):
    """Pool frame features by attentive statistics to a timbre vector.

    Weighted mean and standard deviation over time, with one weight per frame and feature. As the weights are plain
    exponentials, the pool of a stream is a running sum: `accumulate` and `conclude` give the same vector as `forward`.
    Source: Okabe et al. 2018, arXiv 1803.10963, equations 3-6; in ECAPA-TDNN, arXiv 2005.07143, section 3.1.

    Args:
        num_latents: D of the codec.
        width: features.
        num_blocks: residual blocks.
        kernel_size: taps of their convolutions over time.
        timbre_size: E.
    """

    def __init__(self, num_latents: int, *, width: int, num_blocks: int, kernel_size: int, timbre_size: int) -> None:
        super().__init__()
        self.width = width
        self.timbre_size = timbre_size
        # attention logits stay within +-max_score, so that sums of their exponentials can run over hours of audio
        self.max_score = 5.0
        self.features = Serial(
            [
                CausalConv1d(num_latents, width, kernel_size=kernel_size),
                *[ConvNextBlock(width, kernel_size=kernel_size, expansion=2, scale=0.5) for _ in range(num_blocks)],
                Framewise(nn.LayerNorm(width)),
            ]
        )
        self.score = nn.Sequential(nn.Linear(width, 64), nn.Tanh(), nn.Linear(64, width))
        self.project = nn.Sequential(nn.Linear(2 * width, width), nn.GELU(), nn.Linear(width, timbre_size))

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the state before any audio: that of the features, then empty sums [B, 3, width]."""
        state = self.features.init_state(batch_size)
        state.append(torch.zeros(batch_size, 3, self.width, dtype=state[0].dtype, device=state[0].device))
        return state

    def accumulate(self, latents: Tensor, state: list[Tensor], memory: float) -> list[Tensor]:
        """Take one block of a stream into the running sums.

        Args:
            latents: [B, L, D].
            state: from `init_state` or the previous call; not modified.
            memory: what a frame's weight is multiplied with per frame that passes; 1 never forgets.

        Returns:
            the next state.
        """
        h, next_state = self.features.step(latents, state[:-1])
        h = h.float()
        weight = torch.exp(self.max_score * torch.tanh(self.score(h).float()))
        num_frames = h.size(1)
        age = torch.arange(num_frames - 1, -1, -1, device=h.device, dtype=h.dtype)
        fade = torch.pow(torch.full_like(age, memory), age)[None, :, None]
        weight = weight * fade
        sums = torch.stack([weight.sum(1), (weight * h).sum(1), (weight * h * h).sum(1)], dim=1)
        next_state.append(state[-1] * memory**num_frames + sums)
        return next_state

    def conclude(self, state: list[Tensor]) -> Tensor:
        """Turn the running sums into timbre [B, E], within +-1."""
        sums = state[-1]
        total = sums[:, 0].clamp_min(1e-8)
        mean = sums[:, 1] / total
        variance = (sums[:, 2] / total - mean * mean).clamp_min(1e-5)
        return torch.tanh(self.project(torch.cat([mean, variance.sqrt()], dim=1)))

    def forward(self, latents: Tensor) -> Tensor:
        """Give the timbre [B, E] of whole excerpts [B, L, D]."""
        return self.conclude(self.accumulate(latents, self.init_state(latents.size(0)), 1.0))
