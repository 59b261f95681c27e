"""Which parsers there are: packages contribute them through the entry-point group `after.parsers` (docs/parsers.md)."""

import difflib
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path

from after.data.parsers.contract import Parser
from after.errors import ConfigError

PARSER_GROUP = "after.parsers"
GENERAL = ("audio_midi", "audio")
"""Parsers that take any folder: tried after all others, in this order."""


def parser_names() -> list[str]:
    """Give the names of all parsers, in the order in which they are tried."""
    names = {point.name for point in entry_points(group=PARSER_GROUP)}
    return sorted(names - set(GENERAL)) + [name for name in GENERAL if name in names]


def load_parser(name: str) -> Parser:
    """Make a parser.

    Raises:
        ConfigError: if there is none of this name, or it cannot be loaded.
    """
    points = [point for point in entry_points(group=PARSER_GROUP) if point.name == name]
    if not points:
        close = difflib.get_close_matches(name, parser_names(), n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(parser_names()) or 'none'}"
        raise ConfigError(f"no parser {name!r}: {hint}")
    try:
        parser: Parser = points[0].load()()
    except (ImportError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"the parser {name!r} ({points[0].value}) cannot be loaded ({error}): "
            "mend or uninstall the package that brings it, or name another with --parser"
        ) from error
    return parser


def load_parsers() -> dict[str, Parser]:
    """Make all parsers, in the order in which they are tried."""
    return {name: load_parser(name) for name in parser_names()}


def detect_parser(root: Path, parsers: Mapping[str, Parser] | None = None) -> str:
    """Give the name of the first parser that recognizes a folder or a file; the general ones come last.

    Args:
        root: what to look at.
        parsers: from `load_parsers`, to save loading them for each of many roots.
    """
    for name, parser in (load_parsers() if parsers is None else parsers).items():
        if parser.recognizes(root):
            return name
    raise ConfigError("no parser is installed: install this package again with pip")
