"""How settings refuse what they cannot be."""

import math
from collections.abc import Iterator

from after.errors import ConfigError


def require(condition: bool, message: str) -> None:
    """Raise a ConfigError with the message unless the condition holds."""
    if not condition:
        raise ConfigError(message)


def require_at_least(least: float, table: str, settings: object, *names: str) -> None:
    """Refuse named settings, or numbers in them, that are less, or not finite.

    Args:
        least: that will do.
        table: how the settings are called, for the message.
        settings: that have the names; values may be tuples of numbers.
        names: of the values to check.
    """
    for name in names:
        value = getattr(settings, name)
        fits = all(least <= number < math.inf for number in _numbers(value))
        require(fits, f"{table}.{name} is {_shown(value)}; it must be at least {least:g}")


def require_above_zero(table: str, settings: object, *names: str) -> None:
    """Refuse named settings, or numbers in them, that are 0, negative or not finite; as `require_at_least`."""
    for name in names:
        value = getattr(settings, name)
        fits = all(0 < number < math.inf for number in _numbers(value))
        require(fits, f"{table}.{name} is {_shown(value)}; it must be above 0")


def require_shares(table: str, settings: object, *names: str) -> None:
    """Refuse named settings that do not lie within 0 and 1."""
    for name in names:
        value = getattr(settings, name)
        require(0 <= value <= 1, f"{table}.{name} is {value}; it must lie within 0 and 1")


def require_choice(table: str, settings: object, name: str, *choices: str) -> None:
    """Refuse a named setting that is none of the choices."""
    value = getattr(settings, name)
    require(value in choices, f"{table}.{name} is {value!r}; choose {', '.join(choices[:-1])} or {choices[-1]}")


def _numbers(value: object) -> Iterator[float]:
    """Give the numbers in a value, however deep in tuples."""
    if isinstance(value, tuple):
        for item in value:
            yield from _numbers(item)
    else:
        assert isinstance(value, int | float)
        yield value


def _shown(value: object) -> object:
    """Write tuples as presets do."""
    return [_shown(item) for item in value] if isinstance(value, tuple) else value
