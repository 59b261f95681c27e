"""What a parser is: a small class that knows one layout in which data sets come."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from after.midi import Note


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """One audio file as a parser finds it.

    Attributes:
        path: the audio file, at or under the root that was parsed.
        midi_path: a MIDI file with its notes, where there is one.
        notes: its notes, where the data set's own tables give them instead; times from the start of the audio. They
            are taken rather than `midi_path`.
        group: what sounds alike (an instrument); None leaves it to `--group-by`, or else to the folder's name.
        split: the side the data set itself puts it on; None leaves it to `--validation`.
        license: as the data set states it; empty where it does not.
    """

    path: Path
    midi_path: Path | None = None
    notes: tuple[Note, ...] | None = None
    group: str | None = None
    split: Literal["train", "validation"] | None = None
    license: str = ""


@dataclass(frozen=True, slots=True)
class Problem:
    """A file or folder at or under the root that cannot be taken, and why; it is listed among the skipped files."""

    path: Path
    reason: str


class Parser(Protocol):
    """Finds the recordings of one layout; made without arguments, kept without state."""

    def recognizes(self, root: Path) -> bool:
        """Tell whether `root`, a folder or a file, has this layout; never raises."""
        ...

    def recordings(self, root: Path) -> Iterator[Recording | Problem]:
        """Give every recording at or under `root`, in any order, and what should have been one but cannot be taken.

        Raises:
            DataError: if the data set's own tables are damaged, with the file and what to do.
        """
        ...
