"""The settings of all models and trainings: frozen, typed, checked; presets in `after/presets/*.toml` fill them."""

from dataclasses import dataclass, field

from after.errors import ConfigError


ANALYSES = ("spectrum", "bands", "pqmf")
SYNTHESES = ("istft", "mdct", "sines", "pqmf")


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True, kw_only=True, slots=True)
class CodecSettings:
    """The codec: how audio is analysed, how it is sounded again, and how large both are.

    Attributes:
        analysis: `spectrum` (learned, from complex spectra), `bands` (fixed: levels of frequency bands) or `pqmf`
            (learned, strided convolutions).
        synthesis: `istft` (magnitudes and phases), `mdct` (coefficients), `sines` (steady sines and noise) or `pqmf`
            (convolutions, goes with the analysis of that name).
        sample_rate: Hz.
        frame_hop: samples between frames of the decoder's sound.
        latent_stride: such frames per latent frame; `hop_length` = frame_hop * latent_stride.
        num_latents: latent channels, D; of a learned analysis, the first is the level.
        latent_noise: standard deviation of the noise added to the (unit variance) latents in training: it bounds what
            a latent can tell, and makes the decoder forgive small errors of a generated one.
        encoder_window: samples of the analysis window, at least `hop_length`.
        encoder_fall: samples of its falling half; short keeps the newest audio visible.
        encoder_width: features of a learned analysis; of `pqmf`, those of its first stage.
        encoder_blocks: blocks at the frame rate, then at the latent rate (`spectrum`).
        decoder_window: samples of the synthesis window, a multiple of `frame_hop`; less one hop it is the latency.
        decoder_width: features of the synthesis; of `pqmf`, those of its last stage.
        decoder_blocks: blocks at the latent rate, then at the frame rate.
        kernel_size: taps of the depthwise convolutions.
        expansion: features inside a block's two matrix products, as a multiple of the width.
        band_range_hz: centres of the lowest and the highest band (`bands`).
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
    encoder_fall: int = 256
    encoder_width: int = 256
    encoder_blocks: tuple[int, int] = (2, 2)
    decoder_window: int = 1024
    decoder_width: int = 288
    decoder_blocks: tuple[int, int] = (4, 4)
    kernel_size: int = 5
    expansion: int = 3
    band_range_hz: tuple[float, float] = (30.0, 16000.0)
    sine_range_hz: tuple[float, float] = (27.5, 16000.0)
    sine_spacing_cents: float = 6.0
    sine_spacing_hz: float = 0.75
    num_bands: int = 16

    def __post_init__(self) -> None:
        self._check_kinds()
        self._check_windows()
        for name in ("band_range_hz", "sine_range_hz"):
            low, high = getattr(self, name)
            fits = 0 < low < high <= self.sample_rate / 2
            _require(fits, f"codec.{name} is {low} to {high}; it must rise within 0 and half the sample rate")
        _require(self.sine_spacing_cents > 0, "codec.sine_spacing_cents must be above 0")
        _require(self.num_latents >= 2, f"codec.num_latents is {self.num_latents}; it must be at least 2")
        _require(self.latent_noise >= 0, f"codec.latent_noise is {self.latent_noise}; it must not be below 0")

    def _check_kinds(self) -> None:
        for name, kinds in (("analysis", ANALYSES), ("synthesis", SYNTHESES)):
            kind = getattr(self, name)
            _require(kind in kinds, f"codec.{name} is {kind!r}; choose {', '.join(kinds)}")
        _require(
            (self.analysis == "pqmf") == (self.synthesis == "pqmf"),
            f"codec.analysis is {self.analysis!r} and codec.synthesis {self.synthesis!r}; pqmf goes with pqmf only",
        )
        if self.analysis == "pqmf":
            stages = self.num_pqmf_stages
            _require(
                self.num_bands * 4**stages == self.hop_length,
                f"the hop length is {self.hop_length} and codec.num_bands {self.num_bands}; their ratio must be a "
                "power of 4",
            )

    def _check_windows(self) -> None:
        _require(
            self.decoder_window % self.frame_hop == 0 and self.decoder_window > self.frame_hop,
            f"codec.decoder_window is {self.decoder_window}; it must be a multiple of frame_hop ({self.frame_hop}) "
            "and longer than it",
        )
        _require(
            self.synthesis != "mdct" or self.decoder_window == 2 * self.frame_hop,
            f"codec.decoder_window is {self.decoder_window}; with synthesis mdct it must be twice frame_hop "
            f"({self.frame_hop})",
        )
        _require(
            self.encoder_window >= self.hop_length,
            f"codec.encoder_window is {self.encoder_window}; it must be at least frame_hop * latent_stride "
            f"({self.hop_length}), or audio would be skipped",
        )
        _require(
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


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimizerSettings:
    """AdamW with warm-up, cosine decay, clipping and an exponential moving average.

    Attributes:
        learning_rate: peak.
        final_ratio: of the peak, where the cosine ends.
        warmup_iterations: linear rise from 0.
        betas: of AdamW.
        weight_decay: on matrices only.
        max_grad_norm: gradients are scaled down to this norm.
        ema_decay: of the averaged weights that are used and exported.
    """

    learning_rate: float = 1e-3
    final_ratio: float = 0.02
    warmup_iterations: int = 200
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    ema_decay: float = 0.999


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingSettings:
    """One training run.

    Attributes:
        iterations: optimiser updates in all; the schedule is laid out over them.
        batch_size: items per update; several processes share them.
        seed: of weights, data order, noise.
        save_every: iterations between checkpoints.
        keep: how many of the newest checkpoints stay, beside the best one.
        validate_every: iterations between validations.
        log_every: iterations between logged scalars.
        precision: `auto` (bf16 where the hardware multiplies it quickly), `bf16` or `fp32`.
        compile: whether to fuse the networks with torch.compile.
        optimizer: of everything trained.
    """

    iterations: int = 100_000
    batch_size: int = 16
    seed: int = 0
    save_every: int = 1000
    keep: int = 2
    validate_every: int = 1000
    log_every: int = 20
    precision: str = "auto"
    compile: bool = False
    optimizer: OptimizerSettings = field(default_factory=OptimizerSettings)

    def __post_init__(self) -> None:
        _require(
            self.precision in ("auto", "bf16", "fp32"),
            f"training.precision is {self.precision!r}; choose auto, bf16 or fp32",
        )
        _require(self.keep >= 1, f"training.keep is {self.keep}; it must be at least 1")


@dataclass(frozen=True, kw_only=True, slots=True)
class SpectralLossSettings:
    """The multi-scale spectral loss.

    Attributes:
        scales: window sizes in samples; the hop is a quarter of each.
        scales_per_iteration: how many of them, drawn at random, an update uses; 0 for all.
        floor: magnitude (full scale = 1) below which the logarithm goes flat.
        linear_weight: of the relative linear distance.
        log_weight: of the log-magnitude distance.
        mel_weight: of the log-mel distance.
        mel_scales: window size in samples and number of bands, of each of its resolutions.
        mel_floor: magnitude below which its logarithm goes flat.
        amplitude_weight: of the same distances between the target and what the decoder's amplitudes are expected to
            sound like.
        amplitude_scale: window size of those, in samples.
    """

    scales: tuple[int, ...] = (4096, 2048, 1024, 512, 256, 128)
    scales_per_iteration: int = 3
    floor: float = 1e-4
    linear_weight: float = 1.0
    log_weight: float = 1.0
    mel_weight: float = 1.0
    mel_scales: tuple[tuple[int, int], ...] = ((4096, 128), (2048, 80), (512, 40))
    mel_floor: float = 1e-6
    amplitude_weight: float = 1.0
    amplitude_scale: int = 4096


@dataclass(frozen=True, kw_only=True, slots=True)
class AugmentSettings:
    """How crops of audio are changed before a codec is trained on them; every item draws anew.

    Attributes:
        gain_range_db: uniform in dB.
        quiet_probability: share of items that are quieter still.
        quiet_range_db: by how much, on top of the gain.
        polarity_probability: share of items turned upside down.
        phase_probability: share of voices whose phases are turned by all-pass filters.
        pitch_probability: share of voices that are played faster or slower.
        pitch_semitones: by how much at most, up or down.
        mix_probability: share of items with a second voice.
        mix_range_db: level of the second voice's recording beside that of the first.
        silence_probability: share of items that are all zeros.
    """

    gain_range_db: tuple[float, float] = (-24.0, 3.0)
    quiet_probability: float = 0.1
    quiet_range_db: tuple[float, float] = (-40.0, -20.0)
    polarity_probability: float = 0.5
    phase_probability: float = 0.5
    pitch_probability: float = 0.3
    pitch_semitones: float = 2.0
    mix_probability: float = 0.1
    mix_range_db: tuple[float, float] = (-12.0, 0.0)
    silence_probability: float = 0.02

    def __post_init__(self) -> None:
        for name in ("quiet", "polarity", "phase", "pitch", "mix", "silence"):
            share = getattr(self, f"{name}_probability")
            _require(0 <= share <= 1, f"augment.{name}_probability is {share}; it must lie within 0 and 1")
        for name in ("gain", "quiet", "mix"):
            low, high = getattr(self, f"{name}_range_db")
            _require(
                -120 <= low <= high <= 24,
                f"augment.{name}_range_db is {low} to {high}; it must rise within -120 and 24",
            )
        _require(
            0 <= self.pitch_semitones <= 12,
            f"augment.pitch_semitones is {self.pitch_semitones}; it must lie within 0 and 12",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class CodecTrainingSettings:
    """What `after train_autoencoder` reads from a preset.

    Attributes:
        codec: the model.
        training: the run.
        loss: the spectral loss.
        augment: how the audio is varied.
        crop_samples: audio per item, a multiple of `codec.hop_length`.
    """

    codec: CodecSettings = field(default_factory=CodecSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    loss: SpectralLossSettings = field(default_factory=SpectralLossSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    crop_samples: int = 32768

    def __post_init__(self) -> None:
        _require(
            self.crop_samples % self.codec.hop_length == 0,
            f"crop_samples is {self.crop_samples}; it must be a multiple of the codec's hop length "
            f"{self.codec.hop_length}",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class StructureSettings:
    """The structure encoder.

    Attributes:
        kind: what structure is made of; `midi` is a piano roll with velocities and onsets.
        num_blocks: residual blocks.
        kernel_size: taps of their convolutions over time.
    """

    kind: str = "midi"
    num_blocks: int = 2
    kernel_size: int = 9

    def __post_init__(self) -> None:
        _require(self.kind == "midi", f"model.structure.kind is {self.kind!r}; this version knows 'midi'")


@dataclass(frozen=True, kw_only=True, slots=True)
class TimbreSettings:
    """The timbre encoder.

    Attributes:
        size: numbers in a timbre, E.
        width: features.
        num_blocks: residual blocks.
        kernel_size: taps of their convolutions over time.
        noise: standard deviation of the noise added to the timbre (within +-1) in training, so that near vectors
            sound alike.
    """

    size: int = 16
    width: int = 160
    num_blocks: int = 3
    kernel_size: int = 5
    noise: float = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class DenoiserSettings:
    """The denoising network.

    Attributes:
        network: which one; `transformer` is the only one in this version.
        width: features.
        num_layers: blocks.
        num_heads: attention heads, a divisor of the width.
        window: frames that a block sees, the present one included.
        expansion: inner features of the feed-forward parts as a multiple of the width.
    """

    network: str = "transformer"
    width: int = 256
    num_layers: int = 6
    num_heads: int = 4
    window: int = 64
    expansion: int = 3

    def __post_init__(self) -> None:
        _require(
            self.network == "transformer",
            f"model.denoiser.network is {self.network!r}; this version knows 'transformer'",
        )
        _require(
            self.width % self.num_heads == 0,
            f"model.denoiser.width is {self.width}; it must be a multiple of num_heads ({self.num_heads})",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSettings:
    """The generative model: structure encoder, timbre encoder, denoiser."""

    structure: StructureSettings = field(default_factory=StructureSettings)
    timbre: TimbreSettings = field(default_factory=TimbreSettings)
    denoiser: DenoiserSettings = field(default_factory=DenoiserSettings)


@dataclass(frozen=True, kw_only=True, slots=True)
class DropoutSettings:
    """How often training replaces conditions by their learned nulls; drawn independently of each other.

    Attributes:
        structure: share of items without structure.
        timbre: share of items without timbre.
        both: share of items without either, on top.
    """

    structure: float = 0.05
    timbre: float = 0.1
    both: float = 0.05


@dataclass(frozen=True, kw_only=True, slots=True)
class DiffusionTrainingSettings:
    """What `after train` reads from a preset.

    Attributes:
        model: the generative model.
        training: the run.
        dropout: of the conditions.
        crop_frames: latent frames per item.
        timbre_frames: latent frames of the other excerpt that gives the timbre.
        validation_steps: sampler steps when validation generates audio.
    """

    model: ModelSettings = field(default_factory=ModelSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    dropout: DropoutSettings = field(default_factory=DropoutSettings)
    crop_frames: int = 160
    timbre_frames: int = 128
    validation_steps: int = 4
