"""Audio with a MIDI file of the same name beside it, where there is one: what most folders are."""

from collections.abc import Iterator
from pathlib import Path

from after.data.parsers.contract import Problem, Recording
from after.data.parsers.walk import midi_beside, walk


class AudioMidi:
    """Every audio file, with the notes of `NAME.mid` or `NAME.midi` in the same folder."""

    def recognizes(self, root: Path) -> bool:
        """Take any folder and any file."""
        return True

    def recordings(self, root: Path) -> Iterator[Recording | Problem]:
        """Give every audio file."""
        if not root.is_dir():
            yield Recording(path=root, midi_path=midi_beside(root))
            return
        for folder in walk(root):
            if isinstance(folder, Problem):
                yield folder
                continue
            midi_by_stem = folder.midi_by_stem()
            for path in folder.audio_files():
                yield path if isinstance(path, Problem) else Recording(path=path, midi_path=midi_by_stem.get(path.stem))
