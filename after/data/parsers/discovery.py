"""Which files a data set is made of: what the parsers find under the inputs, each with its name for ever."""

import fnmatch
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from after.data.parsers.contract import Parser, Problem, Recording
from after.data.parsers.registry import detect_parser, load_parser, load_parsers
from after.data.parsers.walk import is_audio
from after.errors import ConfigError, DataError
from after.midi import Note


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One audio file; `notes`, `split` and `license` as in `Recording`, and `midi_path` is None where `notes` is not.

    `source` names it for ever: the input folder's name and the path inside it, with forward slashes, so that neither
    moving the data set nor adding files renames anything.
    """

    source: str
    path: Path
    midi_path: Path | None
    group: str
    notes: tuple[Note, ...] | None = None
    split: Literal["train", "validation"] | None = None
    license: str = ""

    @property
    def has_notes(self) -> bool:
        """Tell whether a MIDI file or a table gives its notes."""
        return self.midi_path is not None or self.notes is not None


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What cannot be taken, under the name it would have, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Found:
    """What is under the inputs, sorted by `source`; `parsers` names the one that read each input, in their order."""

    files: tuple[FoundFile, ...]
    problems: tuple[LeftOut, ...]
    parsers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FileFilter:
    """Globs on the path inside the input (`*` crosses folders) or on the file's name; `include` empty takes all."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def accepts(self, inside: str) -> bool:
        """Tell whether a file is wanted."""
        return (not self.include or _matches(inside, self.include)) and not self.excludes(inside)

    def excludes(self, inside: str) -> bool:
        """Tell whether a file or folder is unwanted."""
        return _matches(inside, self.exclude)


def find_files(
    inputs: Sequence[Path], wanted: FileFilter, group_by: str | None = None, *, parser: str | None = None
) -> Found:
    """Find the audio files under the inputs.

    Args:
        inputs: folders, searched deeply (hidden files are left out), or single files.
        wanted: which of the files to take.
        group_by: regular expression searched in `source`; its first group, or else the whole match, is the group.
            Where it does not match, and for None, the group is what the parser says, else the file's folder's name.
        parser: name of the parser for all inputs; None takes for each the first that recognizes it.

    Raises:
        DataError: if an input does not exist or is not what `parser` reads, if a data set's own tables are damaged, or
            if two files get the same `source`.
        ConfigError: if `group_by` is not a regular expression, or there is no such parser.
    """
    pattern = _compile(group_by)
    parsers = {parser: load_parser(parser)} if parser else load_parsers()
    files: dict[str, FoundFile] = {}
    problems: dict[str, LeftOut] = {}
    names: list[str] = []
    for given in inputs:
        root = _root_of(given)
        if parser and not parsers[parser].recognizes(root):
            raise DataError(f"{given} is not what the parser {parser!r} reads; leave --parser out, or name another")
        names.append(parser or detect_parser(root, parsers))
        for source, item in _sources(root, parsers[names[-1]], wanted):
            if isinstance(item, Problem):
                problems[source] = LeftOut(source, item.reason)
                continue
            if source in files and files[source].path != item.path:
                raise DataError(
                    f"{files[source].path} and {item.path} would both be called {source}: "
                    "rename one of the folders, or give the folder above them"
                )
            files[source] = _found_file(source, item, pattern)
    return Found(
        tuple(files[source] for source in sorted(files)),
        tuple(problems[source] for source in sorted(problems.keys() - files.keys())),
        tuple(names),
    )


def group_of(source: str, pattern: re.Pattern[str] | None, otherwise: str | None = None) -> str:
    """Give the group of a source path; see `find_files`."""
    match = pattern.search(source) if pattern else None
    if match is None:
        return otherwise or PurePosixPath(source).parent.name
    return str(match.group(1) if match.re.groups and match.group(1) is not None else match.group(0))


def _root_of(given: Path) -> Path:
    """Give an input's real path."""
    try:
        root = given.resolve()
        exists = root.exists()
    except (OSError, RuntimeError) as error:  # RuntimeError: a link that leads to itself
        raise DataError(f"{given} cannot be read ({error}); give folders of audio, or audio files") from error
    if not exists:
        raise DataError(f"{given} does not exist; give folders of audio, or audio files")
    return root


def _sources(root: Path, parser: Parser, wanted: FileFilter) -> Iterator[tuple[str, Recording | Problem]]:
    """Give what a parser finds and is wanted, with its `source`."""
    base = root if root.is_dir() else root.parent
    for item in parser.recordings(root):
        try:
            inside = item.path.relative_to(base).as_posix()
        except ValueError as error:
            raise DataError(f"{type(parser).__name__} finds {item.path}, which is not under {base}") from error
        is_folder = isinstance(item, Problem) and not is_audio(item.path)
        if not wanted.excludes(inside) if is_folder else wanted.accepts(inside):
            parts = (part for part in (base.name, inside) if part not in ("", "."))
            yield "/".join(parts), item


def _found_file(source: str, recording: Recording, pattern: re.Pattern[str] | None) -> FoundFile:
    """Complete what a parser says."""
    return FoundFile(
        source=source,
        path=recording.path,
        midi_path=recording.midi_path if recording.notes is None else None,
        group=group_of(source, pattern, recording.group),
        notes=recording.notes,
        split=recording.split,
        license=recording.license,
    )


def _matches(inside: str, globs: tuple[str, ...]) -> bool:
    candidates = (inside, inside.rpartition("/")[2])
    return any(fnmatch.fnmatchcase(text, glob) for glob in globs for text in candidates)


def _compile(group_by: str | None) -> re.Pattern[str] | None:
    """Compile the grouping expression, with a message a user can act on."""
    try:
        return re.compile(group_by) if group_by else None
    except re.error as error:
        raise ConfigError(
            f"{group_by!r} is not a regular expression ({error}); an example: '^[^/]+/([^/]+)/'"
        ) from error
