"""Which files a data set is made of: audio under the inputs, the MIDI beside it, the group it belongs to."""

import fnmatch
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from after.errors import ConfigError, DataError

AUDIO_SUFFIXES = frozenset({".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc"})
MIDI_SUFFIXES = frozenset({".mid", ".midi"})


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One audio file.

    `source` names it for ever: the input folder's name and the path inside it, with forward slashes, so that neither
    moving the data set nor adding files renames anything.
    """

    source: str
    path: Path
    midi_path: Path | None
    group: str


@dataclass(frozen=True, slots=True)
class FileFilter:
    """Globs on the path inside the input (`*` crosses folders) or on the file's name; `include` empty takes all."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def accepts(self, inside: str) -> bool:
        """Tell whether a file is wanted."""
        candidates = (inside, inside.rpartition("/")[2])

        def matches(globs: tuple[str, ...]) -> bool:
            return any(fnmatch.fnmatchcase(text, glob) for glob in globs for text in candidates)

        return (not self.include or matches(self.include)) and not matches(self.exclude)


def find_files(inputs: Sequence[Path], wanted: FileFilter, group_by: str | None = None) -> list[FoundFile]:
    """Find the audio files under the inputs, sorted by `source`.

    Args:
        inputs: folders, searched deeply (hidden files are left out), or single files.
        wanted: which of the files to take.
        group_by: regular expression searched in `source`; its first group, or else the whole match, is the group.
            Where it does not match, and for None, the group is the name of the file's folder.

    Raises:
        DataError: if an input does not exist, or two files get the same `source`.
        ConfigError: if `group_by` is not a regular expression.
    """
    pattern = _compile(group_by)
    found: dict[str, FoundFile] = {}
    for given in inputs:
        root = given.resolve()
        if not root.exists():
            raise DataError(f"{given} does not exist; give folders of audio, or audio files")
        base = root if root.is_dir() else root.parent
        for path, midi_path in _audio_files(root):
            inside = path.relative_to(base).as_posix()
            if not wanted.accepts(inside):
                continue
            source = f"{base.name}/{inside}" if base.name else inside
            if source in found and found[source].path != path:
                raise DataError(
                    f"{found[source].path} and {path} would both be called {source}: "
                    "rename one of the folders, or give the folder above them"
                )
            found[source] = FoundFile(source, path, midi_path, group_of(source, pattern))
    return [found[source] for source in sorted(found)]


def group_of(source: str, pattern: re.Pattern[str] | None) -> str:
    """Give the group of a source path; see `find_files`."""
    match = pattern.search(source) if pattern else None
    if match is None:
        return PurePosixPath(source).parent.name
    return str(match.group(1) if match.re.groups and match.group(1) is not None else match.group(0))


def _compile(group_by: str | None) -> re.Pattern[str] | None:
    """Compile the grouping expression, with a message a user can act on."""
    try:
        return re.compile(group_by) if group_by else None
    except re.error as error:
        raise ConfigError(
            f"{group_by!r} is not a regular expression ({error}); an example: '^[^/]+/([^/]+)/'"
        ) from error


def _audio_files(root: Path) -> Iterator[tuple[Path, Path | None]]:
    """Give every audio file at or under `root` with the MIDI file of the same stem beside it."""
    if root.is_file():
        yield root, _midi_by_stem(sorted(path.name for path in root.parent.iterdir()), root.parent).get(root.stem)
        return
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        midi_by_stem = _midi_by_stem(sorted(names), Path(folder))
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix.lower() in AUDIO_SUFFIXES and not name.startswith(".") and path.is_file():
                yield path, midi_by_stem.get(path.stem)


def _midi_by_stem(names: Sequence[str], folder: Path) -> dict[str, Path]:
    """Map the stem of each MIDI file in a folder to its path."""
    paths = (folder / name for name in names)
    return {path.stem: path for path in paths if path.suffix.lower() in MIDI_SUFFIXES}
