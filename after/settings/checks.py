"""How settings refuse what they cannot be."""

from after.errors import ConfigError


def require(condition: bool, message: str) -> None:
    """Raise a ConfigError with the message unless the condition holds."""
    if not condition:
        raise ConfigError(message)
