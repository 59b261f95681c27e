"""The denoising networks."""

from dataclasses import dataclass, field

from after.settings.checks import require, require_at_least, require_choice


@dataclass(frozen=True, kw_only=True, slots=True)
class UNetSettings:
    """The U-Net: residual convolution blocks at several frame rates, each half of the one above it.

    Attributes:
        widths: features per level, the latents' own frame rate first.
        blocks: residual blocks per level; all but the lowest level have as many again on the way up.
        kernel_size: taps of their convolutions over time.
        expansion: inner features of their matrix products as a multiple of the width.
        attention_window: frames of the lowest level that attention blocks beside its convolutions see; 0 for none.
        num_heads: of those, a divisor of the last width.
    """

    widths: tuple[int, ...] = (224, 320, 384)
    blocks: tuple[int, ...] = (1, 2, 2)
    kernel_size: int = 7
    expansion: int = 2
    attention_window: int = 0
    num_heads: int = 4

    def __post_init__(self) -> None:
        table = "model.denoiser.unet"
        require(len(self.widths) >= 1, f"{table}.widths is empty; give one number per level")
        require(
            len(self.blocks) == len(self.widths),
            f"{table}.blocks has {len(self.blocks)} levels and widths {len(self.widths)}; give one number per level",
        )
        require_at_least(1, table, self, "widths", "blocks", "kernel_size", "expansion", "num_heads")
        require_at_least(0, table, self, "attention_window")
        require(
            self.attention_window == 0 or self.widths[-1] % self.num_heads == 0,
            f"{table}.widths ends with {self.widths[-1]}; it must be a multiple of num_heads ({self.num_heads})",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class DenoiserSettings:
    """The denoising network; of a `unet`, all but `network` stands in its own table.

    Attributes:
        network: `transformer` or `unet`.
        width: features.
        num_layers: blocks.
        num_heads: attention heads, a divisor of the width.
        window: frames that a block sees, the present one included.
        expansion: inner features of the feed-forward parts as a multiple of the width.
        unet: sizes of the U-Net.
    """

    network: str = "transformer"
    width: int = 256
    num_layers: int = 6
    num_heads: int = 4
    window: int = 64
    expansion: int = 3
    unet: UNetSettings = field(default_factory=UNetSettings)

    def __post_init__(self) -> None:
        require_choice("model.denoiser", self, "network", "transformer", "unet")
        require_at_least(1, "model.denoiser", self, "width", "num_layers", "num_heads", "window", "expansion")
        require(
            self.width % self.num_heads == 0,
            f"model.denoiser.width is {self.width}; it must be a multiple of num_heads ({self.num_heads})",
        )

    @property
    def structure_width(self) -> int:
        """Features of the structure that the network is given."""
        return self.unet.widths[0] if self.network == "unet" else self.width
