"""Plain audio: every audio file, whatever lies beside it."""

from collections.abc import Iterator
from pathlib import Path

from after.data.parsers.contract import Problem, Recording
from after.data.parsers.walk import walk


class Audio:
    """Audio without notes: MIDI files are ignored."""

    def recognizes(self, root: Path) -> bool:
        """Take any folder and any file."""
        return True

    def recordings(self, root: Path) -> Iterator[Recording | Problem]:
        """Give every audio file."""
        if not root.is_dir():
            yield Recording(path=root)
            return
        for folder in walk(root):
            if isinstance(folder, Problem):
                yield folder
                continue
            for path in folder.audio_files():
                yield path if isinstance(path, Problem) else Recording(path=path)
