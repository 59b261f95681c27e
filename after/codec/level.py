"""The loudness path: a frame's level travels beside what it sounds like, so that quiet sound is coded as well as loud.

Analysis divides a frame by its level and passes the level on as latent 0; synthesis sounds at full level and
multiplies. Whatever a network does, silence then stays silent: the gain of a silent frame is zero.
"""

import torch
from torch import Tensor, nn

from after.codec.bottleneck import LatentNorm
from after.streaming.contract import Streaming, keep_last

_FLOOR_POWER = 1e-10
"""Mean square (full scale = 1) at which the level goes flat: -100 dBFS."""


class FrameLevel(nn.Module):
    """Give the level of windowed frames.

    Args:
        window: [N] that the frames were cut with; a steady sound then has the same level under any window.
    """

    def __init__(self, window: Tensor) -> None:
        super().__init__()
        self.scale = 1.0 / float(window.square().sum())
        self.floor_power = _FLOOR_POWER

    def forward(self, frames: Tensor) -> Tensor:
        """Turn frames [B, T, N] into 0.5 ln(mean square + floor), [B, T, 1]."""
        return 0.5 * torch.log(frames.square().sum(dim=2, keepdim=True) * self.scale + self.floor_power)


def pool_level(level: Tensor, stride: int) -> Tensor:
    """Average the powers of `stride` neighbours: levels [B, L * stride, 1] to [B, L, 1]."""
    power = torch.exp(2.0 * level).reshape(level.size(0), level.size(1) // stride, stride)
    return 0.5 * torch.log(power.mean(dim=2, keepdim=True))


class KeepLevel(Streaming):
    """Run a body on latents, and pass the gain that latent 0 stands for on as a last channel.

    The gain moves in a straight line from one latent frame to the next.

    Args:
        body: latents [B, L, D] to features [B, L * up, C], without latency.
        norm: what normalised the latents.
    """

    def __init__(self, body: Streaming, norm: LatentNorm) -> None:
        super().__init__(up=body.up, num_states=body.num_states + 1)
        self.body = body
        self.norm = norm
        self.floor_power = _FLOOR_POWER

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the gain before the start, [B, 1, 1] of zeros, then the body's state."""
        mean = self.norm.mean
        state = [torch.zeros(batch_size, 1, 1, dtype=mean.dtype, device=mean.device)]
        state.extend(self.body.init_state(batch_size))
        return state

    def gains(self, latents: Tensor) -> Tensor:
        """Give the gain of each latent frame, [B, L, D] to [B, L, 1]; at most 20 dB over full scale."""
        level = latents[:, :, :1] * self.norm.std[0] + self.norm.mean[0]
        power = torch.exp((2.0 * level).clamp(max=4.6)) - self.floor_power
        # the offset keeps the gradient of the root finite; it is -160 dBFS
        return torch.sqrt(power.clamp_min(0.0) + 1e-16) - 1e-8

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Turn latents [B, L, D] into features with the gain behind them, [B, L * up, C + 1]."""
        y, next_state = self.body.step(x, state[1:])
        gains = torch.cat([state[0], self.gains(x)], dim=1)
        ramp = torch.arange(1, self.up + 1, dtype=gains.dtype, device=gains.device) / self.up
        fine = gains[:, :-1] + (gains[:, 1:] - gains[:, :-1]) * ramp
        out = torch.cat([y.to(fine.dtype), fine.reshape(x.size(0), -1, 1)], dim=2)
        following = [keep_last(gains, 1)]
        following.extend(next_state)
        return out, following


class Gained(Streaming):
    """Run a source on all channels but the last, and multiply what it gives by the last.

    Args:
        source: frame by frame, [B, T, C] to [B, T, N].
    """

    def __init__(self, source: Streaming) -> None:
        super().__init__(num_states=source.num_states)
        self.source = source

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the source's state."""
        return self.source.init_state(batch_size)

    @torch.jit.ignore
    def levels(self, x: Tensor) -> Tensor:
        """Turn [B, T, C + 1] into the amplitudes of a source that has such, gain included."""
        levels: Tensor = self.source.levels(x[:, :, :-1])  # type: ignore[operator]
        return levels * x[:, :, -1:]

    @torch.jit.ignore
    def start_at(self, batch_size: int, seeds: Tensor | None) -> list[Tensor]:
        """Give the source's state for training."""
        state: list[Tensor] = self.source.start_at(batch_size, seeds)  # type: ignore[operator]
        return state

    @torch.jit.ignore
    def sound(self, levels: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Sound amplitudes as the source does."""
        frames: Tensor
        frames, state = self.source.sound(levels, state)  # type: ignore[operator]
        return frames, state

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Turn [B, T, C + 1] into frames [B, T, N]."""
        width = x.size(2) - 1
        y, state = self.source.step(x[:, :, :width], state)
        return y * x[:, :, width:], state
