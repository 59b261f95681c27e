"""Features by name, so that a command can offer them; what computes one is loaded when it is asked for."""

from collections.abc import Mapping

from after.config import from_dict
from after.data.extract.contract import FeatureSettings
from after.errors import ConfigError

_NAMES = ("latents", "loudness", "pitch", "transcription")


def feature_names() -> tuple[str, ...]:
    """Give the names that `build_settings` takes."""
    return _NAMES


def build_settings(name: str, options: Mapping[str, object]) -> FeatureSettings:
    """Give a feature's settings.

    Args:
        name: one of `feature_names`.
        options: values that differ from the defaults, by their names in the feature's dataclass.

    Raises:
        ConfigError: if the feature or an option is unknown, or a value does not fit.
    """
    if name not in _NAMES:
        raise ConfigError(f"feature {name!r} is unknown; choose from {', '.join(_NAMES)}")
    return from_dict(_settings_class(name), options, source=f"feature {name}")


def _settings_class(name: str) -> type[FeatureSettings]:
    if name == "latents":
        from after.data.extract.latents import LatentsSettings

        return LatentsSettings
    if name == "loudness":
        from after.data.extract.loudness import LoudnessSettings

        return LoudnessSettings
    if name == "pitch":
        from after.data.extract.pitch import PitchSettings

        return PitchSettings
    from after.data.extract.transcription import TranscriptionSettings

    return TranscriptionSettings
