"""General MIDI programs, and which of an instrument's timbres comes nearest to each.

Source: MIDI Manufacturers Association, General MIDI 1 sound set (128 programs in 16 families of eight).
"""

import re
from collections.abc import Sequence

from render.errors import TimbreError

PROGRAM_NAMES: tuple[str, ...] = (
    "acoustic grand piano", "bright acoustic piano", "electric grand piano", "honky-tonk piano",
    "electric piano 1", "electric piano 2", "harpsichord", "clavinet",
    "celesta", "glockenspiel", "music box", "vibraphone",
    "marimba", "xylophone", "tubular bells", "dulcimer",
    "drawbar organ", "percussive organ", "rock organ", "church organ",
    "reed organ", "accordion", "harmonica", "tango accordion",
    "nylon guitar", "steel guitar", "jazz guitar", "clean guitar",
    "muted guitar", "overdriven guitar", "distortion guitar", "guitar harmonics",
    "acoustic bass", "finger bass", "pick bass", "fretless bass",
    "slap bass 1", "slap bass 2", "synth bass 1", "synth bass 2",
    "violin", "viola", "cello", "contrabass",
    "tremolo strings", "pizzicato strings", "orchestral harp", "timpani",
    "string ensemble 1", "string ensemble 2", "synth strings 1", "synth strings 2",
    "choir aahs", "voice oohs", "synth voice", "orchestra hit",
    "trumpet", "trombone", "tuba", "muted trumpet",
    "french horn", "brass section", "synth brass 1", "synth brass 2",
    "soprano sax", "alto sax", "tenor sax", "baritone sax",
    "oboe", "english horn", "bassoon", "clarinet",
    "piccolo", "flute", "recorder", "pan flute",
    "blown bottle", "shakuhachi", "whistle", "ocarina",
    "square lead", "sawtooth lead", "calliope lead", "chiff lead",
    "charang lead", "voice lead", "fifths lead", "bass and lead",
    "new age pad", "warm pad", "polysynth pad", "choir pad",
    "bowed pad", "metallic pad", "halo pad", "sweep pad",
    "rain", "soundtrack", "crystal", "atmosphere",
    "brightness", "goblins", "echoes", "sci-fi",
    "sitar", "banjo", "shamisen", "koto",
    "kalimba", "bagpipe", "fiddle", "shanai",
    "tinkle bell", "agogo", "steel drums", "woodblock",
    "taiko drum", "melodic tom", "synth drum", "reverse cymbal",
    "guitar fret noise", "breath noise", "seashore", "bird tweet",
    "telephone ring", "helicopter", "applause", "gunshot",
)  # fmt: skip
"""Names of programs 0..127 (people count them from 1)."""

_WISHES: dict[int, str] = {
    0: "grand piano", 1: "bright piano", 2: "electric grand, epiano cp80", 3: "honky tonk, upright piano",
    4: "rhodes, electric piano, epiano", 5: "wurlitzer, electric piano, epiano", 6: "harpsichord", 7: "clavinet, clav",
    8: "celesta", 9: "glockenspiel", 10: "music box", 11: "vibraphone",
    12: "marimba", 13: "xylophone", 14: "tubular bells, bells", 15: "dulcimer, harp",
    19: "church organ, pipe organ", 20: "reed organ, harmonium", 21: "accordion", 22: "harmonica", 23: "accordion",
    24: "nylon guitar, classical guitar", 25: "steel guitar", 26: "jazz guitar, archtop guitar",
    27: "electric guitar, archtop guitar, steel guitar", 28: "electric guitar, archtop guitar, steel guitar",
    29: "electric guitar, archtop guitar, steel guitar", 30: "electric guitar, archtop guitar, steel guitar",
    31: "steel guitar",
    32: "acoustic bass, contrabass pizz, pizz", 40: "violin", 41: "viola", 42: "cello",
    43: "contrabass arco, contrabass, double bass", 45: "pizzicato, pizz", 46: "harp", 47: "timpani",
    52: "choir aa, choir", 53: "voice oo, choir oo, voice, choir", 54: "voice, choir",
    56: "trumpet", 57: "trombone", 58: "tuba", 59: "muted trumpet, trumpet", 60: "french horn, horn",
    64: "soprano sax", 65: "alto sax", 66: "tenor sax", 67: "baritone sax",
    68: "oboe", 69: "english horn, cor anglais", 70: "bassoon", 71: "clarinet",
    72: "piccolo", 73: "flute", 74: "recorder", 75: "pan flute", 76: "pan flute", 77: "shakuhachi, pan flute",
    78: "whistle, recorder", 79: "ocarina, recorder",
    85: "voice, choir", 91: "choir, voice", 94: "choir, voice",
    104: "sitar", 105: "banjo", 106: "shamisen, banjo", 107: "koto, harp", 108: "kalimba, marimba",
    109: "bagpipe", 110: "fiddle, violin", 111: "shanai, oboe", 114: "steel drums, marimba",
}  # fmt: skip
"""For single programs: what to look for in the names of timbres, best first."""

_FAMILY_WISHES: tuple[str, ...] = (
    "grand piano, upright piano, piano, epiano, harpsichord",
    "vibraphone, marimba, glockenspiel, xylophone, celesta, bells, mallet",
    "church organ, organ, reed organ, accordion",
    "nylon guitar, steel guitar, archtop guitar, guitar, harp, banjo",
    "bass, contrabass pizz, contrabass, tuba, guitar, cello",
    "violin, viola, cello, contrabass, strings",
    "strings, violin, viola, cello, choir",
    "trumpet, trombone, horn, tuba, brass",
    "sax, clarinet, oboe, reed",
    "flute, recorder, pan flute, clarinet, oboe",
    "clarinet, trumpet, violin, flute, synth",
    "strings, choir, voice, organ, violin",
    "vibraphone, epiano, choir, harp, organ",
    "guitar, banjo, harp, sitar",
    "marimba, xylophone, vibraphone, glockenspiel",
    "flute, pan flute, voice",
)
"""For the 16 families, where a program's own wishes find nothing."""

_ALIASES = {
    "saxophone": "sax", "saxophones": "sax", "saxes": "sax", "double": "contrabass", "doublebass": "contrabass",
    "vibes": "vibraphone", "violins": "violin", "violas": "viola", "cellos": "cello", "violoncello": "cello",
    "electricpiano": "epiano", "ep": "epiano", "rhodes": "epiano", "pianos": "piano", "guitars": "guitar",
    "flutes": "flute", "organs": "organ", "trumpets": "trumpet", "trombones": "trombone", "horns": "horn",
}  # fmt: skip


def program_name(program: int) -> str:
    """Give the General MIDI name of a program, 0..127."""
    return PROGRAM_NAMES[program]


def nearest_timbre(program: int, timbres: Sequence[str]) -> str:
    """Give the timbre that comes nearest to a General MIDI program.

    Names are compared word by word: first the program's own wishes, then its family's, then the first timbre there is.
    Among the names that fit a wish the one with the fewest other words wins, then the first.

    Args:
        program: 0..127.
        timbres: names that the instrument has.

    Raises:
        TimbreError: if the instrument has no named timbres.
    """
    if not timbres:
        raise TimbreError("the instrument has no named timbres; name an audio file with --timbre FILE")
    wishes = f"{_WISHES.get(program, '')}, {program_name(program)}, {_FAMILY_WISHES[program // 8]}"
    words_of = {name: _words(name) for name in timbres}
    for wish in wishes.split(","):
        wanted = _words(wish)
        fitting = [name for name in timbres if wanted and wanted <= words_of[name]]
        if fitting:
            return min(fitting, key=lambda name: len(words_of[name]))
    return timbres[0]


def _words(name: str) -> frozenset[str]:
    """Split a name into comparable words."""
    return frozenset(_ALIASES.get(word, word) for word in re.findall(r"[a-z]+\d*", name.lower()))
