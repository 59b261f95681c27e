"""Everything that `render` raises on purpose; the command line turns it into one line and `exit_code`."""

from typing import ClassVar


class RenderError(Exception):
    """Root of the errors a user can mend: the message says what was given, what is needed, what to do."""

    exit_code: ClassVar[int] = 2


class EffectError(RenderError, ValueError):
    """An effects file, plugin or parameter that cannot be used."""


class TimbreError(RenderError, ValueError):
    """A timbre that the instrument does not have, or a channel that the file does not have."""


class TimelineError(RenderError, ValueError):
    """A timeline that holds nothing to play or contradicts itself."""


class OutputError(RenderError, ValueError):
    """A place or format that the audio cannot be written to."""
