"""How a training call ended."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """Updates done, updates asked for, and why it stopped early (None if it did not)."""

    iteration: int
    iterations: int
    reason: str | None
