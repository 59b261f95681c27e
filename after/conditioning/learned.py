"""Structure that is learned: what of a sound's latents tells how it is played, squeezed through a narrow channel."""

import torch
from torch import Tensor, nn

from after.conditioning.source import StructureSource
from after.streaming.combine import Serial
from after.streaming.contract import Framewise, Streaming
from after.streaming.conv import CausalConv1d
from after.streaming.convnext import ConvNextBlock


class LearnedStructure(Streaming):
    """Encode codec latents [B, L, D] as a bounded code [B, L, S], the structure; causal, without lag.

    The code is within +-1 and training adds noise to it, so it can carry no more than S / 2 * log2(1 + 1 / noise^2)
    bits per frame (Shannon 1949, "Communication in the presence of noise", theorem 2, with power 1): 16 bits at S = 8
    and a noise of 0.25, 700 bits per second at 43 frames per second. What the timbre tells as well is then cheaper left
    out. There is no normalisation over time, which would tell each frame about the whole excerpt and could not stream.

    Args:
        encoder: latents to S features.
        noise_level: standard deviation of the noise in training.
    """

    def __init__(self, encoder: Serial, *, noise_level: float) -> None:
        super().__init__(
            block_size=encoder.block_size,
            up=encoder.up,
            down=encoder.down,
            latency=encoder.latency,
            num_states=encoder.num_states,
        )
        self.encoder = encoder
        self.noise_level = noise_level

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the encoder's state before the start."""
        return self.encoder.init_state(batch_size)

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Encode one block of latents [B, L, D] as it is played: without noise."""
        y, state = self.encoder.step(x, state)
        return torch.tanh(y), state

    def with_noise(self, code: Tensor, noise: Tensor) -> Tensor:
        """Give the code [B, L, S] as training passes it on; `noise` is standard normal, of the same shape."""
        return code + self.noise_level * noise


class LatentListener(StructureSource):
    """Hear the learned structure of live audio: encode it with the codec, and the latents with what has learned.

    Args:
        encoder: audio [B, T, 1] to latents [B, L, D].
        code: latents to structure [B, L, S].
        structure_size: S.

    Raises:
        ValueError: if one of them lags.
    """

    def __init__(self, encoder: Streaming, code: LearnedStructure, *, structure_size: int) -> None:
        chain = Serial([encoder, code])
        if chain.latency:
            raise ValueError(f"the structure lags by {chain.latency} frames; it must look back only")
        super().__init__(
            hop=encoder.down // encoder.up, num_signals=1, structure_size=structure_size, num_states=chain.num_states
        )
        self.chain = chain

    def init_state(self, batch_size: int) -> list[Tensor]:
        """Give the state of codec and encoder before the start."""
        return self.chain.init_state(batch_size)

    def step(self, x: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Turn one block of audio [B, T, 1] into structure [B, T / hop, S]."""
        return self.chain.step(x, state)


def build_learned_structure(
    num_latents: int, code_size: int, *, width: int, num_blocks: int, kernel_size: int, noise_level: float = 0.25
) -> LearnedStructure:
    """Build the causal encoder [B, L, num_latents] to [B, L, code_size].

    Args:
        num_latents: D of the codec.
        code_size: S, 8 to 16.
        width: features inside.
        num_blocks: residual blocks.
        kernel_size: taps of their convolutions over time.
        noise_level: standard deviation of the noise in training, in units of the code's range of +-1.
    """
    encoder = Serial(
        [
            CausalConv1d(num_latents, width, kernel_size=3),
            *[
                ConvNextBlock(width, kernel_size=kernel_size, expansion=2, scale=1.0 / num_blocks)
                for _ in range(num_blocks)
            ],
            Framewise(nn.LayerNorm(width)),
            Framewise(nn.Linear(width, code_size)),
        ]
    )
    return LearnedStructure(encoder, noise_level=noise_level)
