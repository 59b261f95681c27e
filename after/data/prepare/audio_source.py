"""An open audio file as blocks of samples, whichever library decodes it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BLOCK_SAMPLES = 1 << 17
"""Samples over all channels per block: memory stays the same however long the file is."""


class RefusedError(Exception):
    """A file that cannot be used; the message is the reason in the report."""


@dataclass(frozen=True, slots=True)
class AudioSource:
    """What is being decoded; `blocks` are float32 [T, C] at `sample_rate`, and raise `RefusedError`."""

    sample_rate: int
    channels: int
    blocks: Iterator[NDArray[np.float32]]


@contextmanager
def refusing(*kinds: type[Exception]) -> Iterator[None]:
    """Turn errors of a library while it reads a file into the file's refusal."""
    try:
        yield
    except kinds as error:
        raise RefusedError(f"unreadable ({_reason(error)})") from error


def check_length(found_samples: int, promised_samples: int, sample_rate: int) -> None:
    """Refuse a file that ends before its header says."""
    if found_samples < promised_samples:
        promised_s, found_s = promised_samples / sample_rate, found_samples / sample_rate
        raise RefusedError(f"unreadable (damaged: {promised_s:.2f} s long, but only {found_s:.2f} s can be decoded)")


def _reason(error: Exception) -> str:
    """Give the library's own words without the path, which the report prints anyway."""
    text = getattr(error, "error_string", None) or getattr(error, "strerror", None) or str(error)
    return str(text).strip().rstrip(".")
