"""The two tunes of `after demo`, composed for this project and given away under CC0-1.0.

The MIDI files beside the bundled instrument hold exactly these notes; `python tests/demo_tunes.py FOLDER` writes them.
"""

import sys
from pathlib import Path

import mido

BEATS_PER_MINUTE = 96
TICKS_PER_BEAT = 480
NAMES = {
    name: 12 + step for name, step in zip(["C", "D", "E", "F", "G", "A", "B"], (0, 2, 4, 5, 7, 9, 11), strict=True)
}

# onset in beats, note, length in beats, velocity
MELODY = """
 0    G3  1     72     1    B3  .5    76     1.5  D4 1.45 86     3    E4  .45  80     3.5  F#4 .5   86
 4    G4  1.5   98     5.5  F#4 .45   88     6    D4 1.4  78
 8    A3  .95   74     9    C4  .5    80     9.5  E4 1.45 90     11   G4  .5   88     11.5 A4  .5   94
 12   B4  1.9   106    14   A4  .45   90     14.5 F#4 1    80
 16   D5  .7    108    16.75 C5 .25   92     17   B4 .5   98     17.5 A4  .45  90     18   B4  .95  98    19 G4 .7 84
 20   E5  1     118    21   D5  .5    106    21.5 B4 .45  96     22   C5  .7   102    22.75 A4 .25  86    23 F#4 .7 80
 24   G4  .45   84     24.5 A4  .5    88     25   B4 .95  94     26   D4  .5   70     26.5 E4  .5   74    27 C4 .7 68
 28   B3  .95   66     29   A3  .95   60     30   G3 2    56
"""
CHORDS = """
 0  G2 1.9 84   0.5 D4 .45 62   1  G4 .9  70   1  B3 .9  64   2  D3 1.9 72   2.5 B3 .45 60   3  D5 .9 88   3  G4 .9 66
 4  E2 1.9 86   4.5 B3 .45 62   5  G4 .9  72   5  E4 .9  64   6  B2 1.9 72   6.5 E4 .45 60   7  B4 .9 82   7  G4 .9 66
 8  C3 1.9 88   8.5 C4 .45 64   9  G4 .9  74   9  E4 .9  66   10 G2 1.9 74   10.5 E4 .45 62  11 C5 .9 92   11 G4 .9 70
 12 A2 1.9 84   12.5 C4 .45 60  13 G4 .9  70   13 E4 .9  62   14 E3 1.9 70   14.5 C4 .45 60  15 A4 .9 80   15 E4 .9 64
 16 D3 1.9 80   16.5 A3 .45 58  17 F#4 .9 68   17 D4 .9  60   18 A2 1.9 68   18.5 D4 .45 56  19 F#4 .9 72  19 C4 .9 58
 20 G2 3.9 76   20  D3 3.9 60   20 B3 3.9 64   20.5 D4 3.4 60 21 G4 2.9 66
"""


def read_tune(text: str) -> list[tuple[float, int, float, int]]:
    """Give (onset in beats, pitch, length in beats, velocity) of every note, in order."""
    words = text.split()
    rows = [words[i : i + 4] for i in range(0, len(words), 4)]
    return sorted((float(onset), pitch_of(name), float(length), int(level)) for onset, name, length, level in rows)


def pitch_of(name: str) -> int:
    return NAMES[name[0]] + name.count("#") + 12 * int(name[-1])


def write_tune(path: Path, text: str, title: str, program: int) -> None:
    events = []
    for onset, pitch, length, velocity in read_tune(text):
        events.append((round(onset * TICKS_PER_BEAT), 1, pitch, velocity))
        events.append((round((onset + length) * TICKS_PER_BEAT), 0, pitch, 64))
    track = mido.MidiTrack(
        [
            mido.MetaMessage("track_name", name=title),
            mido.MetaMessage("copyright", text="CC0-1.0, the after-synth developers"),
            mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(BEATS_PER_MINUTE)),
            mido.Message("program_change", program=program),
        ]
    )
    now = 0
    for tick, is_on, pitch, velocity in sorted(events):
        track.append(mido.Message(("note_off", "note_on")[is_on], note=pitch, velocity=velocity, time=tick - now))
        now = tick
    mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_BEAT, tracks=[track]).save(path)


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    write_tune(folder / "demo.mid", MELODY, "Demo melody", program=40)
    write_tune(folder / "demo_chords.mid", CHORDS, "Demo chords", program=0)
