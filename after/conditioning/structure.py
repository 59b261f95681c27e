"""The structure encoder: from structure frames to features, once per frame however many sampler steps follow."""

from after.streaming.combine import Serial
from after.streaming.conv import CausalConv1d
from after.streaming.convnext import ConvNextBlock


def build_structure_encoder(structure_channels: int, width: int, *, num_blocks: int, kernel_size: int) -> Serial:
    """Build the causal encoder [B, L, S] to [B, L, width].

    Args:
        structure_channels: S.
        width: features, the denoiser's width.
        num_blocks: residual blocks.
        kernel_size: taps of their convolutions over time.
    """
    return Serial(
        [
            CausalConv1d(structure_channels, width, kernel_size=3),
            *[
                ConvNextBlock(width, kernel_size=kernel_size, expansion=2, scale=1.0 / num_blocks)
                for _ in range(num_blocks)
            ],
        ]
    )
