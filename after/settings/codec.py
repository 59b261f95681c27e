"""The codec itself."""

from dataclasses import dataclass

from after.settings.checks import require, require_above_zero, require_at_least

ANALYSES = ("bands", "relative_bands", "spectrum", "pqmf")
SYNTHESES = ("istft", "mdct", "sines", "pqmf")


@dataclass(frozen=True, kw_only=True, slots=True)
class CodecSettings:
    """The codec: how audio is analysed, how it is sounded again, and how large both are.

    Attributes:
        analysis: `bands` (fixed: levels of frequency bands), `relative_bands` (fixed: the level, and those of bands
            beside it), `spectrum` (learned, from complex spectra) or `pqmf` (learned, strided convolutions).
        synthesis: `istft` (magnitudes and phases), `mdct` (coefficients), `sines` (steady sines and noise) or `pqmf`
            (convolutions, goes with the analysis of that name).
        sample_rate: Hz.
        frame_hop: samples between frames of the decoder's sound.
        latent_stride: such frames per latent frame; `hop_length` = frame_hop * latent_stride.
        num_latents: latent channels, D; but for `bands`, the first is the level.
        latent_noise: standard deviation of the noise added to the (unit variance) latents in training: it bounds what
            a latent can tell, and makes the decoder forgive small errors of a generated one.
        encoder_window: samples of the analysis window, at least `hop_length`.
        encoder_short_window: samples of a second one, of what is high (`relative_bands`).
        split_hz: from where on it serves.
        encoder_fall: samples of their falling half; short keeps the newest audio visible.
        encoder_width: features of a learned analysis; of `pqmf`, those of its first stage.
        encoder_blocks: blocks at the frame rate, then at the latent rate (`spectrum`).
        decoder_window: samples of the synthesis window, a multiple of `frame_hop`; less one hop it is the latency.
        decoder_width: features of the synthesis; of `pqmf`, those of its last stage.
        decoder_blocks: blocks at the latent rate, then at the frame rate.
        kernel_size: taps of the depthwise convolutions.
        expansion: features inside a block's two matrix products, as a multiple of the width.
        band_range_hz: centres of the lowest and the highest band (`bands`, `relative_bands`).
        band_floor: magnitude (a full-scale sine has 1/2) at which their levels go flat.
        sine_range_hz: lowest and highest of the sines (`sines`).
        sine_spacing_cents: distance of neighbouring sines.
        sine_spacing_hz: at least this far apart, which counts at low frequencies.
        num_bands: of the PQMF bank; `hop_length` is this times a power of 4 (`pqmf`).
    """

    analysis: str = "bands"
    synthesis: str = "sines"
    sample_rate: int = 44100
    frame_hop: int = 512
    latent_stride: int = 2
    num_latents: int = 96
    latent_noise: float = 0.1
    encoder_window: int = 4096
    encoder_short_window: int = 1536
    split_hz: float = 1500.0
    encoder_fall: int = 256
    encoder_width: int = 256
    encoder_blocks: tuple[int, int] = (2, 2)
    decoder_window: int = 1024
    decoder_width: int = 288
    decoder_blocks: tuple[int, int] = (4, 4)
    kernel_size: int = 5
    expansion: int = 3
    band_range_hz: tuple[float, float] = (30.0, 16000.0)
    band_floor: float = 1e-4
    sine_range_hz: tuple[float, float] = (27.5, 16000.0)
    sine_spacing_cents: float = 6.0
    sine_spacing_hz: float = 0.75
    num_bands: int = 16

    def __post_init__(self) -> None:
        require_at_least(
            *(1, "codec", self, "sample_rate", "frame_hop", "latent_stride", "encoder_width", "decoder_width"),
            *("kernel_size", "expansion"),
        )
        require_at_least(2, "codec", self, "num_latents", "num_bands")
        require_at_least(0, "codec", self, "encoder_blocks", "decoder_blocks", "latent_noise", "sine_spacing_hz")
        require_above_zero("codec", self, "band_floor", "sine_spacing_cents", "split_hz")
        self._check_kinds()
        self._check_windows()
        for name in ("band_range_hz", "sine_range_hz"):
            low, high = getattr(self, name)
            fits = 0 < low < high <= self.sample_rate / 2
            require(fits, f"codec.{name} is {low} to {high}; it must rise within 0 and half the sample rate")

    def _check_kinds(self) -> None:
        for name, kinds in (("analysis", ANALYSES), ("synthesis", SYNTHESES)):
            kind = getattr(self, name)
            require(kind in kinds, f"codec.{name} is {kind!r}; choose {', '.join(kinds)}")
        require(
            (self.analysis == "pqmf") == (self.synthesis == "pqmf"),
            f"codec.analysis is {self.analysis!r} and codec.synthesis {self.synthesis!r}; pqmf goes with pqmf only",
        )
        if self.analysis == "pqmf":
            stages = self.num_pqmf_stages
            require(
                self.num_bands * 4**stages == self.hop_length,
                f"the hop length is {self.hop_length} and codec.num_bands {self.num_bands}; their ratio must be a "
                "power of 4",
            )

    def _check_windows(self) -> None:
        require(
            self.decoder_window % self.frame_hop == 0 and self.decoder_window > self.frame_hop,
            f"codec.decoder_window is {self.decoder_window}; it must be a multiple of frame_hop ({self.frame_hop}) "
            "and longer than it",
        )
        require(
            self.synthesis != "mdct" or self.decoder_window == 2 * self.frame_hop,
            f"codec.decoder_window is {self.decoder_window}; with synthesis mdct it must be twice frame_hop "
            f"({self.frame_hop})",
        )
        require(
            self.encoder_window >= self.hop_length,
            f"codec.encoder_window is {self.encoder_window}; it must be at least frame_hop * latent_stride "
            f"({self.hop_length}), or audio would be skipped",
        )
        shortest = max(self.hop_length, 2 * self.encoder_fall)
        require(
            self.analysis != "relative_bands" or shortest <= self.encoder_short_window <= self.encoder_window,
            f"codec.encoder_short_window is {self.encoder_short_window}; it must lie between {shortest} (hop length, "
            f"twice encoder_fall) and encoder_window ({self.encoder_window})",
        )
        require(
            0 < self.encoder_fall <= self.encoder_window // 2,
            f"codec.encoder_fall is {self.encoder_fall}; it must lie between 1 and half the encoder window "
            f"({self.encoder_window // 2})",
        )

    @property
    def hop_length(self) -> int:
        """Samples per latent frame."""
        return self.frame_hop * self.latent_stride

    @property
    def frame_rate(self) -> float:
        """Latent frames per second."""
        return self.sample_rate / self.hop_length

    @property
    def num_pqmf_stages(self) -> int:
        """Stages that divide the rate by 4, between the bands and the latents of `pqmf`."""
        return max(0, (self.hop_length // self.num_bands).bit_length() // 2)
