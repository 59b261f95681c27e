"""Every folder and audio file under a root: links followed, loops ended, what cannot be read reported."""

import itertools
import os
import stat
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from after.data.parsers.contract import Problem

LIBSNDFILE_SUFFIXES = frozenset(
    {".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".caf", ".au", ".w64"}
)
FFMPEG_SUFFIXES = frozenset(
    {".m4a", ".m4b", ".mp4", ".aac", ".wma", ".ac3", ".mka", ".weba", ".webm", ".wv", ".ape", ".tta", ".amr"}
)
"""What libsndfile does not read; see `after.data.prepare.decode_av`."""

AUDIO_SUFFIXES = LIBSNDFILE_SUFFIXES | FFMPEG_SUFFIXES
MIDI_SUFFIXES = frozenset({".mid", ".midi"})


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder and the names of the files in it that are not hidden, sorted."""

    path: Path
    names: tuple[str, ...]

    def audio_files(self) -> Iterator[Path | Problem]:
        """Give the audio files in this folder."""
        for name in self.names:
            path = self.path / name
            if is_audio(path):
                reason = _problem_of(path)
                yield Problem(path, reason) if reason else path

    def midi_by_stem(self) -> dict[str, Path]:
        """Map the stem of each MIDI file in this folder to its path."""
        paths = (self.path / name for name in self.names)
        return {path.stem: path for path in paths if path.suffix.lower() in MIDI_SUFFIXES}


def is_audio(path: Path) -> bool:
    """Tell from the name."""
    return path.suffix.lower() in AUDIO_SUFFIXES


def walk(root: Path) -> Iterator[Folder | Problem]:
    """Give every folder at and under `root` that is not hidden, each real folder once.

    Links to folders are followed after everything else, so that what lies under the root itself keeps its own name
    whatever links to it, and a loop ends where it begins.
    """
    visited: set[str] = set()
    starts = deque([root])
    while starts:
        errors: list[OSError] = []
        for where, folders, names in os.walk(starts.popleft(), onerror=errors.append):
            real = os.path.realpath(where)
            folders[:] = [] if real in visited else sorted(name for name in folders if not name.startswith("."))
            if real not in visited:
                visited.add(real)
                starts.extend(path for path in (Path(where, name) for name in folders) if path.is_symlink())
                yield Folder(Path(where), tuple(sorted(name for name in names if not name.startswith("."))))
        for error in errors:
            yield Problem(Path(os.fsdecode(error.filename)), f"unreadable folder ({error.strerror})")


def midi_beside(path: Path) -> Path | None:
    """Give the MIDI file of the same stem, without listing the folder: thousands of its files may be asked about."""
    for suffix in sorted(MIDI_SUFFIXES):
        for letters in itertools.product(*((letter, letter.upper()) for letter in suffix[1:])):
            candidate = path.with_suffix("." + "".join(letters))
            if os.path.lexists(candidate):
                return candidate
    return None


def list_folder(path: Path) -> list[Path]:
    """Give what is in a folder, sorted; nothing where it is not a folder or cannot be read."""
    try:
        return sorted(path.iterdir())
    except OSError:
        return []


def is_file(path: Path) -> bool:
    """Tell whether there is a file, where asking may be forbidden."""
    return _problem_of(path) is None


def _problem_of(path: Path) -> str | None:
    """Say why a path cannot be opened as a file, or give None."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        target = f"the link leads to {path.readlink()}, which" if path.is_symlink() else "it"
        return f"missing: {target} does not exist"
    except OSError as error:
        return f"unreadable ({error.strerror})"
    return None if stat.S_ISREG(mode) else "not a file"
