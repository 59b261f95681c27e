"""The runtime: load an instrument, choose a timbre, play notes offline or block by block."""

from after.instrument.attributes import Attributes
from after.instrument.automation import Automation
from after.instrument.events import NoteEvent
from after.instrument.instrument import BUNDLED, Instrument

__all__ = ["BUNDLED", "Attributes", "Automation", "Instrument", "NoteEvent"]
