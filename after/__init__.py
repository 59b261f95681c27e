"""AFTER: streaming neural instruments, played from MIDI or audio. Importing this package loads no heavy library."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from after.instrument import Instrument

    load = Instrument.load

__version__ = "0.1.0"

__all__ = ["Instrument", "__version__", "load"]


def __getattr__(name: str) -> Any:
    """Import the public names when they are first asked for."""
    if name not in ("Instrument", "load"):
        raise AttributeError(f"module 'after' has no attribute {name!r}")
    instrument = import_module("after.instrument").Instrument
    return instrument if name == "Instrument" else instrument.load


def __dir__() -> list[str]:
    return sorted([*globals(), "Instrument", "load"])
