"""The generative model and its training."""

from dataclasses import dataclass, field

from after.settings.checks import require, require_at_least, require_shares
from after.settings.denoiser import DenoiserSettings
from after.settings.diffusion import ObjectiveSettings, SamplerSettings
from after.settings.optimization import TrainingSettings


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
        require_at_least(1, "model.structure", self, "num_blocks", "kernel_size")
        require(self.kind == "midi", f"model.structure.kind is {self.kind!r}; this version knows 'midi'")


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

    def __post_init__(self) -> None:
        require_at_least(1, "model.timbre", self, "size", "width", "num_blocks", "kernel_size")
        require_at_least(0, "model.timbre", self, "noise")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSettings:
    """The generative model: structure encoder, timbre encoder, denoiser, what that predicts and how it is sampled."""

    structure: StructureSettings = field(default_factory=StructureSettings)
    timbre: TimbreSettings = field(default_factory=TimbreSettings)
    denoiser: DenoiserSettings = field(default_factory=DenoiserSettings)
    objective: ObjectiveSettings = field(default_factory=ObjectiveSettings)
    sampler: SamplerSettings = field(default_factory=SamplerSettings)


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

    def __post_init__(self) -> None:
        require_shares("dropout", self, "structure", "timbre", "both")


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

    def __post_init__(self) -> None:
        for name in ("crop_frames", "timbre_frames", "validation_steps"):
            value = getattr(self, name)
            require(value >= 1, f"{name} is {value}; it must be at least 1")
