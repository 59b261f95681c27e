"""The options of `after prepare_dataset` that say which features, copies and silence a store is to have."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from after.errors import ConfigError

Command = Callable[..., Any]

DERIVED = ("copies", "copy_semitones", "copy_tempo", "silent_share")
"""Options of this group that are settings of the store."""

_OPTIONS = {"crepe": ("pitch", "size"), "voicing": ("pitch", "voicing"), "codec": ("latents", "codec_path")}


def feature_options(function: Command) -> Command:
    """Add the options."""
    options = (
        click.option("--feature", "features", multiple=True, metavar="NAME", callback=_split,
                     help="Compute loudness, pitch, transcription or latents; may be repeated, or separated by "
                     "commas.  [those the store has]"),
        click.option("--crepe", type=click.Choice(["tiny", "full"]), help="Network of --feature pitch.  [tiny]"),
        click.option("--voicing", type=click.FloatRange(0.0, 1.0),
                     help="Periodicity from which --feature pitch counts a frame as voiced.  [0.5]"),
        click.option("--codec", type=click.Path(path_type=Path), metavar="RUN_OR_FILE",
                     help="Codec of --feature latents.  [the bundled one]"),
        click.option("--copies", type=click.IntRange(min=0),
                     help="Transposed and stretched copies of each recording that trains.  [0]"),
        click.option("--copy-semitones", type=click.IntRange(0, 12), metavar="N",
                     help="Copies are up to N semitones higher or lower.  [6]"),
        click.option("--copy-tempo", type=click.FloatRange(1.0, 2.0), metavar="X",
                     help="Copies are up to X times as fast, or slow.  [1.25]"),
        click.option("--silent-share", type=click.FloatRange(0.0, 1.0),
                     help="Examples of silence, as a share of each group's chunks.  [0]"),
        click.option("--update", multiple=True, metavar="NAME", callback=_split,
                     help="Compute a feature (or `copies`) again and leave all else alone."),
        click.option("--device", default="auto", show_default=True, type=click.Choice(["auto", "cpu", "cuda"]),
                     help="Where CREPE and the codec run."),
    )  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def features_asked(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Give the options of each feature that is asked for, or whose options are given.

    Raises:
        ConfigError: if there is no such feature.
    """
    from after.data.extract.registry import feature_names

    unknown = [name for name in options["features"] if name not in feature_names()]
    if unknown:
        raise ConfigError(f"no feature {unknown[0]!r}: there are {', '.join(feature_names())}")
    asked: dict[str, dict[str, Any]] = {name: {} for name in options["features"]}
    for option, (feature, setting) in _OPTIONS.items():
        value = options[option]
        if value is not None:
            asked.setdefault(feature, {})[setting] = str(value) if isinstance(value, Path) else value
    return asked


def _split(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Take `a,b` for `a` and `b`."""
    return tuple(name for value in values for name in value.split(",") if name)
