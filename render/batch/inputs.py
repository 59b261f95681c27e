"""Which files a batch renders: files, folders and patterns from the command line."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from glob import escape, glob, has_magic
from pathlib import Path

from after.data.parsers.walk import LIBSNDFILE_SUFFIXES
from render.errors import RenderError
from render.source import is_midi


@dataclass(frozen=True, slots=True)
class Inputs:
    """Files in order, each once, and the folder whose tree is kept; paths are absolute."""

    sources: tuple[Path, ...]
    root: Path


def find_inputs(texts: Sequence[str], is_output: Callable[[Path], bool], *, only_recordings: bool = False) -> Inputs:
    """Find what files, folders and patterns (`**` is any depth) name.

    A file is taken whatever it is. A folder gives its MIDI files at any depth, or where it has none, its recordings; a
    pattern gives those files that are MIDI or recordings, or sessions if it ends in `.toml`. Hidden files are left out,
    and so is what a batch wrote itself. The root is what the folders, the fixed parts of patterns and the folders of
    files have in common, so it does not depend on what is found in them.

    Args:
        texts: from the command line.
        is_output: tells whether a file is an output of an earlier batch.
        only_recordings: leaves MIDI files in folders alone.

    Raises:
        RenderError: if one names nothing.
    """
    found: dict[Path, None] = {}
    roots = []
    for text in texts:
        root, paths = _find(text, is_output, only_recordings)
        if not paths:
            raise RenderError(_nothing(text))
        roots.append(root)
        found |= dict.fromkeys(paths)
    return Inputs(tuple(found), common_folder(roots))


def common_folder(folders: Sequence[Path]) -> Path:
    """Give the deepest folder that holds all of these, which are absolute."""
    return Path(os.path.commonpath(folders))


def absolute(path: Path) -> Path:
    """Make a path absolute and tidy; links stay what they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - Path.absolute leaves `..` in it


def _find(text: str, is_output: Callable[[Path], bool], only_recordings: bool) -> tuple[Path, list[Path]]:
    """Give the root and the files, in order, of one text."""
    path = absolute(Path(text))
    if path.is_dir():
        below = [found for found in _matches(f"{escape(str(path))}/**") if not is_output(found)]
        recordings = [found for found in below if _is_recording(found)]
        scores = [] if only_recordings else [found for found in below if _is_midi(found)]
        return path, scores or recordings
    if path.exists() or not has_magic(text):
        return path.parent, [path] if path.is_file() else []
    fixed = path
    while has_magic(str(fixed)):
        fixed = fixed.parent
    matches = [found for found in _matches(str(path)) if not is_output(found)]
    if path.suffix == ".toml":
        return fixed, matches
    return fixed, [found for found in matches if _is_recording(found) or _is_midi(found)]


def _matches(pattern: str) -> list[Path]:
    matches = glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute patterns
    return sorted(absolute(Path(match)) for match in matches if Path(match).is_file())


def _is_recording(path: Path) -> bool:
    return path.suffix.lower() in LIBSNDFILE_SUFFIXES


def _is_midi(path: Path) -> bool:
    try:
        return is_midi(path)
    except OSError:  # neither its name nor its contents say so
        return False


def _nothing(text: str) -> str:
    """Say what was looked for in vain."""
    if Path(text).is_dir():
        return f"{text} holds no MIDI files and no recordings; give a folder or a pattern that does"
    if has_magic(text):
        return (
            f"no MIDI file, recording or session matches {text}; patterns are relative to this folder, ** is any depth"
        )
    return f"{text} is not a file, a folder or a pattern; give what exists, such as 'stems/**/*.mid'"
