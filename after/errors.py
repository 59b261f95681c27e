"""Errors that tell a user what was given, what is needed and what to do.

The command line turns any exception that carries `exit_code` into one line on stderr and leaves with that code.
Sibling packages do not import this module to take part: they give their own root error the same attribute.
"""

from typing import ClassVar


class AfterError(Exception):
    """Root of every error that `after` raises on purpose."""

    exit_code: ClassVar[int] = 2


class ConfigError(AfterError, ValueError):
    """A preset, an override or a setting is unknown, of the wrong type or out of range."""


class AudioError(AfterError, ValueError):
    """Audio cannot be read, or its shape, length or sample rate does not fit."""


class MidiError(AfterError, ValueError):
    """A MIDI file is not one, is truncated or holds nothing to play."""


class DataError(AfterError, ValueError):
    """A prepared data set is missing, incomplete or does not fit what is asked of it."""


class CheckpointError(AfterError, ValueError):
    """A checkpoint is missing, damaged or belongs to another model."""


class ExportError(AfterError, ValueError):
    """A model cannot be exported, or the exported file does not do what it declares."""


class InstrumentError(AfterError, ValueError):
    """An exported instrument cannot be loaded, or is asked for something it does not offer."""


class TrainingError(AfterError, RuntimeError):
    """Training cannot go on: the loss is no longer a number, or another process of the run failed."""
