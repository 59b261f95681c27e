"""Make MIDI files of the demo's melody, transposed and cut to different lengths: `python songs.py FOLDER NUMBER`."""

import sys
from dataclasses import replace
from pathlib import Path

import after
from after.midi import read_midi, write_midi

MELODY = Path(after.__file__).parent / "pretrained" / "demo.mid"


def main() -> None:
    """Write the files, each of other notes than the rest."""
    folder, number = Path(sys.argv[1]), int(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    notes = read_midi(MELODY).notes
    for index in range(number):
        shift, length = index % 12 - 6, len(notes) - index // 12 * 3 % (3 * len(notes) // 4)
        write_midi(folder / f"{index:03}.mid", [replace(note, pitch=note.pitch + shift) for note in notes[:length]])


if __name__ == "__main__":
    main()
