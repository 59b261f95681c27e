"""What teaches a codec: data, losses, discriminators."""

from dataclasses import dataclass, field

from after.settings.checks import require, require_above_zero, require_at_least, require_shares
from after.settings.codec import CodecSettings
from after.settings.optimization import OptimizerSettings, TrainingSettings

_LEAST_WINDOW = 4  # samples: the hop of a spectrum is a quarter of its window


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
        kinds = ("quiet", "polarity", "phase", "pitch", "mix", "silence")
        require_shares("augment", self, *(f"{kind}_probability" for kind in kinds))
        for name in ("gain", "quiet", "mix"):
            low, high = getattr(self, f"{name}_range_db")
            require(
                -120 <= low <= high <= 24,
                f"augment.{name}_range_db is {low} to {high}; it must rise within -120 and 24",
            )
        require(
            0 <= self.pitch_semitones <= 12,
            f"augment.pitch_semitones is {self.pitch_semitones}; it must lie within 0 and 12",
        )


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
        level_weight: of the distance of levels over time.
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
    level_weight: float = 1.0
    amplitude_weight: float = 1.0
    amplitude_scale: int = 4096

    def __post_init__(self) -> None:
        require(bool(self.scales), "loss.scales is empty; name one window size at least")
        require(
            bool(self.mel_scales) or self.mel_weight == 0,
            f"loss.mel_scales is empty and loss.mel_weight {self.mel_weight}; name a window size and a number of "
            "bands, or set the weight to 0",
        )
        for name, windows in (("scales", self.scales), ("mel_scales", tuple(size for size, _ in self.mel_scales))):
            twice = sorted({size for size in windows if windows.count(size) > 1})
            require(not twice, f"loss.{name} names window {', '.join(map(str, twice))} twice; once will do")
            least = min(windows, default=_LEAST_WINDOW)
            require(least >= _LEAST_WINDOW, f"loss.{name} has window {least}; it must be at least {_LEAST_WINDOW}")
        require_at_least(1, "loss", self, "mel_scales")
        require_at_least(_LEAST_WINDOW, "loss", self, "amplitude_scale")
        require_at_least(0, "loss", self, "scales_per_iteration", "linear_weight", "log_weight", "mel_weight")
        require_at_least(0, "loss", self, "level_weight", "amplitude_weight")
        require_above_zero("loss", self, "floor", "mel_floor")
        require(
            self.linear_weight + self.log_weight + self.mel_weight + self.level_weight > 0,
            "loss.linear_weight, log_weight, mel_weight and level_weight are all 0; one of them must be above 0",
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class AdversarialSettings:
    """The second part of codec training, in which discriminators judge what the decoder sounds.

    Attributes:
        start_iteration: when it begins; before it, the spectral losses train alone. 0 for never.
        freeze_encoder: whether latents are final from then on, so that only the decoder learns.
        stft_scales: window sizes of the spectral discriminators, in samples.
        periods: of the periodic discriminators, in samples.
        width: features of the discriminators.
        spectral_weight: share of the spectral losses in the gradient that reaches the decoder.
        adversarial_weight: share of the hinge loss.
        feature_weight: share of the feature matching.
        optimizer: of the discriminators.
    """

    start_iteration: int = 0
    freeze_encoder: bool = True
    stft_scales: tuple[int, ...] = (2048, 1024, 512)
    periods: tuple[int, ...] = ()
    width: int = 16
    spectral_weight: float = 1.0
    adversarial_weight: float = 1.0
    feature_weight: float = 1.0
    optimizer: OptimizerSettings = field(
        default_factory=lambda: OptimizerSettings(learning_rate=5e-4, betas=(0.5, 0.9), weight_decay=0.0)
    )

    def __post_init__(self) -> None:
        require(
            self.start_iteration >= 0,
            f"adversarial.start_iteration is {self.start_iteration}; it must be 0 (never) or more",
        )
        require_at_least(_LEAST_WINDOW, "adversarial", self, "stft_scales")
        require_at_least(1, "adversarial", self, "periods", "width")
        require(
            bool(self.stft_scales or self.periods),
            "adversarial.stft_scales and adversarial.periods are both empty; name one discriminator at least",
        )
        require_above_zero("adversarial", self, "spectral_weight", "adversarial_weight", "feature_weight")


@dataclass(frozen=True, kw_only=True, slots=True)
class CodecTrainingSettings:
    """What `after train_autoencoder` reads from a preset.

    Attributes:
        codec: the model.
        training: the run.
        loss: the spectral losses.
        adversarial: the discriminators, and when they come.
        augment: how the audio is varied.
        crop_samples: audio per item, a multiple of `codec.hop_length`.
    """

    codec: CodecSettings = field(default_factory=CodecSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    loss: SpectralLossSettings = field(default_factory=SpectralLossSettings)
    adversarial: AdversarialSettings = field(default_factory=AdversarialSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    crop_samples: int = 32768

    def __post_init__(self) -> None:
        require(
            self.crop_samples > 0 and self.crop_samples % self.codec.hop_length == 0,
            f"crop_samples is {self.crop_samples}; it must be a multiple of the codec's hop length "
            f"{self.codec.hop_length}",
        )
        require(
            self.codec.synthesis != "sines" or self.loss.amplitude_scale > self.codec.frame_hop,
            f"loss.amplitude_scale is {self.loss.amplitude_scale}; it must be above codec.frame_hop "
            f"({self.codec.frame_hop})",
        )
