"""What a data store is made with; a store keeps its settings for life."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from after.data.extract.copies import CopySettings
from after.data.pool.choose import Workforce
from after.errors import ConfigError, DataError

HOP_LENGTH = 1024
"""Chunks are a whole number of codec frames."""

MAX_CHUNK_S = 600
"""A chunk is held in memory, and the last one of a file is filled up to its length."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PrepareSettings:
    """How files become chunks; what decides chunks and their side is fixed once a store exists.

    `chunk_samples` at `sample_rate`; `validation` is a share in 0..1; `group_by` is a regular expression on the path
    (None: the folder's name); `min_seconds` and `silence_db` (dBFS peak) are the limits below which a file is refused.
    Each recording that trains gets `copies` copies, up to `copy_semitones` higher or lower and up to `copy_tempo` times
    as fast or slow; silence is `silent_share` of a group's chunks on top.
    """

    sample_rate: int = 44_100
    chunk_samples: int = 256 * HOP_LENGTH
    validation: float = 0.05
    split_by: Literal["file", "group"] = "file"
    group_by: str | None = None
    seed: int = 0
    min_seconds: float = 1.0
    silence_db: float = -70.0
    copies: int = 0
    copy_semitones: int = 6
    copy_tempo: float = 1.25
    silent_share: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 8_000 <= self.sample_rate <= 384_000:
            raise ConfigError(f"sample rate {self.sample_rate} Hz is out of range; give 8000 to 384000")
        if self.chunk_samples < HOP_LENGTH or self.chunk_samples % HOP_LENGTH:
            raise ConfigError(f"chunks of {self.chunk_samples} samples do not fit; give a multiple of {HOP_LENGTH}")
        if self.chunk_samples > MAX_CHUNK_S * self.sample_rate + HOP_LENGTH:
            raise ConfigError(f"chunks of {self.chunk_samples} samples are out of range; give up to {MAX_CHUNK_S} s")
        if not 0.0 <= self.validation <= 0.5:
            raise ConfigError(f"a validation share of {self.validation} is out of range; give 0 to 0.5")
        if not 0.0 <= self.min_seconds < math.inf:
            raise ConfigError(f"a shortest length of {self.min_seconds} s is out of range; give 0 or more")
        if not -math.inf < self.silence_db <= 0.0:
            raise ConfigError(f"a silence of {self.silence_db} dBFS is out of range; give 0 or less")
        if not 0.0 <= self.silent_share <= 1.0:
            raise ConfigError(f"a silent share of {self.silent_share} is out of range; give 0 to 1")
        _ = self.copy_settings  # it checks the rest

    @property
    def copy_settings(self) -> CopySettings:
        """How copies are made."""
        return CopySettings(count=self.copies, max_semitones=self.copy_semitones, max_tempo=self.copy_tempo)

    def to_manifest(self) -> dict[str, object]:
        """Give the settings as they stand in a manifest."""
        values = asdict(self)
        top_level = {name: values.pop(name) for name in ("sample_rate", "chunk_samples")}
        return {**top_level, "settings": values}


@dataclass(frozen=True, kw_only=True, slots=True)
class PrepareJob:
    """One run: files in, store out.

    `license` is noted with each file (empty: what the data set says); `parser` reads all inputs (None: for each input
    the first that recognizes it); `features` are options by name of feature, on top of those that the store has, and
    `update` names those to compute again; networks run on `device`; 0 workers means no extra process, and `ray` is the
    address of a cluster that works instead.
    """

    inputs: tuple[Path, ...]
    out: Path
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    license: str = ""
    parser: str | None = None
    features: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    update: tuple[str, ...] = ()
    device: str = "cpu"
    workers: int = 1
    ray: str | None = None

    @property
    def workforce(self) -> Workforce:
        """Which processes do the work."""
        return Workforce(self.workers, self.ray)


_FREE = frozenset({"min_seconds", "silence_db", "copies", "copy_semitones", "copy_tempo", "silent_share"})


def resolve_settings(given: Mapping[str, Any], manifest: Mapping[str, Any], out: Path) -> PrepareSettings:
    """Combine what the user asks for with what an existing store was made with.

    Args:
        given: settings by name, and `chunk_seconds`, which is rounded to whole frames; None or absent means "as the
            store has it, else the default".
        manifest: of the existing store; empty for a new one.
        out: the store, for the message.

    Raises:
        DataError: if the store was made with another value.
        ConfigError: if a value is out of range.
    """
    asked = {name: value for name, value in given.items() if value is not None}
    chunk_seconds = asked.pop("chunk_seconds", None)
    if chunk_seconds is not None:
        if not 0.0 < chunk_seconds <= MAX_CHUNK_S:
            raise ConfigError(f"chunks of {chunk_seconds} s are out of range; give up to {MAX_CHUNK_S} s")
        sample_rate = asked.get("sample_rate", manifest.get("sample_rate", PrepareSettings().sample_rate))
        asked["chunk_samples"] = max(1, round(chunk_seconds * sample_rate / HOP_LENGTH)) * HOP_LENGTH
    if not manifest:
        return PrepareSettings(**asked)
    kept: dict[str, Any] = {**manifest, **manifest["settings"]}
    stored = PrepareSettings(
        **{entry.name: kept[entry.name] for entry in fields(PrepareSettings) if entry.name in kept}
    )
    for name, value in asked.items():
        was = getattr(stored, name)
        if name not in _FREE and value != was:
            raise DataError(
                f"{out} was made with {name} = {was}, not {value}: leave the option out to add files to it, "
                "or name a new folder with --out"
            )
    return replace(stored, **{name: value for name, value in asked.items() if name in _FREE})
