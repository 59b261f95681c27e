"""The settings of all models and trainings: frozen, typed, checked; presets in `after/presets/*.toml` fill them."""

from after.settings.codec import CodecSettings
from after.settings.codec_training import (
    AdversarialSettings,
    AugmentSettings,
    CodecTrainingSettings,
    SpectralLossSettings,
)
from after.settings.denoiser import DenoiserSettings, UNetSettings
from after.settings.diffusion import ObjectiveSettings, SamplerSettings
from after.settings.disentangling import DisentanglingSettings, TimbreFirstSettings
from after.settings.model import (
    DiffusionTrainingSettings,
    DropoutSettings,
    ModelSettings,
    StructureSettings,
    TimbreSettings,
)
from after.settings.optimization import AveragedOptimizerSettings, OptimizerSettings, TrainingSettings

__all__ = [
    "AdversarialSettings",
    "AugmentSettings",
    "AveragedOptimizerSettings",
    "CodecSettings",
    "CodecTrainingSettings",
    "DenoiserSettings",
    "DiffusionTrainingSettings",
    "DisentanglingSettings",
    "DropoutSettings",
    "ModelSettings",
    "ObjectiveSettings",
    "OptimizerSettings",
    "SamplerSettings",
    "SpectralLossSettings",
    "StructureSettings",
    "TimbreFirstSettings",
    "TimbreSettings",
    "TrainingSettings",
    "UNetSettings",
]
