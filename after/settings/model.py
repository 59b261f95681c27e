"""The generative model and its training."""

from dataclasses import dataclass, field

from after.settings.checks import require, require_at_least, require_choice, require_shares
from after.settings.denoiser import DenoiserSettings
from after.settings.diffusion import ObjectiveSettings, SamplerSettings
from after.settings.disentangling import DisentanglingSettings, TimbreFirstSettings
from after.settings.optimization import TrainingSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class StructureSettings:
    """The structure encoder.

    Attributes:
        kind: what structure is made of: `midi` (a piano roll with velocities and onsets), `pitch_loudness` (of a
            monophonic recording or live audio), or `learned` (a narrow code of any audio's latents).
        num_blocks: residual blocks.
        kernel_size: taps of their convolutions over time.
        code_size: numbers per frame of a learned structure.
        code_width: features of the encoder that learns it.
        code_blocks: its residual blocks.
        code_noise: standard deviation of the noise that training adds to the code, which lies within +-1.
    """

    kind: str = "midi"
    num_blocks: int = 2
    kernel_size: int = 9
    code_size: int = 8
    code_width: int = 128
    code_blocks: int = 3
    code_noise: float = 0.25

    def __post_init__(self) -> None:
        table = "model.structure"
        require_at_least(1, table, self, "num_blocks", "kernel_size", "code_size", "code_width", "code_blocks")
        require_at_least(0, table, self, "code_noise")
        require_choice(table, self, "kind", "midi", "pitch_loudness", "learned")


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
        structure: share of items without structure, but with timbre; guidance needs no such branch.
        timbre: share of items without timbre.
        both: share of items without either, on top.
    """

    structure: float = 0.0
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
        disentangling: of structure and timbre.
        timbre_first: a first stage for the timbre encoder alone.
        crop_frames: latent frames per item.
        timbre_frames: latent frames of the other excerpt that gives the timbre.
        timbre_from: where that comes from: another recording of the same `group`, or elsewhere in the same `file`.
        level_weight: weight of the first latent's error, 1 for all others; above 1 for codecs whose first latent is the
            level.
        validation_steps: sampler steps when validation generates audio.
    """

    model: ModelSettings = field(default_factory=ModelSettings)
    training: TrainingSettings = field(default_factory=TrainingSettings)
    dropout: DropoutSettings = field(default_factory=DropoutSettings)
    disentangling: DisentanglingSettings = field(default_factory=DisentanglingSettings)
    timbre_first: TimbreFirstSettings = field(default_factory=TimbreFirstSettings)
    crop_frames: int = 160
    timbre_frames: int = 128
    timbre_from: str = "group"
    level_weight: float = 1.0
    validation_steps: int = 4

    def __post_init__(self) -> None:
        for name in ("crop_frames", "timbre_frames", "validation_steps"):
            value = getattr(self, name)
            require(value >= 1, f"{name} is {value}; it must be at least 1")
        require(
            self.timbre_from in ("group", "file"), f"timbre_from is {self.timbre_from!r}; choose from 'group', 'file'"
        )
        require(self.level_weight > 0, f"level_weight is {self.level_weight:g}; it must be above 0")
        first, whole = self.timbre_first.iterations, self.training.iterations
        require(
            first == 0 or first < whole,
            f"timbre_first.iterations is {first}, but the whole training has {whole}: nothing would learn to generate",
        )
        kind, parting = self.model.structure.kind, self.disentangling
        require(
            kind == "learned" or parting.correlation == parting.timbre_critic == 0,
            f"disentangling.correlation and disentangling.timbre_critic act on learned structure; this one is {kind!r}",
        )
