"""What kind of instrument it is: whether it sustains, plays chords, and how a note ends."""

from dataclasses import dataclass

from after.data.synthesis.samples import SampledInstrument


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """How an instrument behaves.

    Attributes:
        is_sustained: it sounds as long as the note is held (bowed, blown, sung, organ), so recordings are looped.
        is_monophonic: it plays one note at a time.
        release_s: time in which a note falls by 60 dB after its note-off; None rings to the end of the recording.
    """

    is_sustained: bool
    is_monophonic: bool
    release_s: float | None


_STRUCK = Traits(is_sustained=False, is_monophonic=False, release_s=0.25)
_PLUCKED = Traits(is_sustained=False, is_monophonic=False, release_s=0.3)
_RINGING = Traits(is_sustained=False, is_monophonic=False, release_s=None)
_HARP = Traits(is_sustained=False, is_monophonic=False, release_s=1.5)
_PIZZICATO = Traits(is_sustained=False, is_monophonic=True, release_s=0.4)
_BOWED = Traits(is_sustained=True, is_monophonic=True, release_s=0.2)
_BLOWN = Traits(is_sustained=True, is_monophonic=True, release_s=0.12)
_SUNG = Traits(is_sustained=True, is_monophonic=True, release_s=0.16)
_CHOIR = Traits(is_sustained=True, is_monophonic=False, release_s=0.3)
_ORGAN = Traits(is_sustained=True, is_monophonic=False, release_s=0.16)

_BY_WORD: tuple[tuple[tuple[str, ...], Traits], ...] = (
    (("pizz",), _PIZZICATO),
    (("choir",), _CHOIR),
    (("organ", "accordion", "harmonium", "bandoneon"), _ORGAN),
    (("harpsichord", "clavichord"), _STRUCK),
    (("harp",), _HARP),
    (("vibraphone", "marimba", "xylophone", "glockenspiel", "celesta", "bell", "kalimba"), _RINGING),
    (("piano", "clav", "rhodes", "wurlitzer"), _STRUCK),
    (("guitar", "banjo", "sitar", "lute", "mandolin", "ukulele", "koto", "oud", "bass_electric"), _PLUCKED),
    (("voice", "vocal"), _SUNG),
    (("cello", "violin", "viola", "contrabass", "fiddle"), _BOWED),
    (("flute", "oboe", "clarinet", "bassoon", "sax", "horn", "trumpet", "trombone", "tuba", "recorder"), _BLOWN),
)
_BY_FAMILY = {
    "strings": _BOWED,
    "woodwind": _BLOWN,
    "brass": _BLOWN,
    "keys": _STRUCK,
    "plucked": _PLUCKED,
    "mallet": _RINGING,
    "voice": _SUNG,
}


def traits_of(instrument: SampledInstrument) -> Traits:
    """Tell an instrument's kind from its articulation, its name and its family, in this order of trust.

    An instrument about which nothing is known is taken as struck: never looped, released in 0.25 s.
    """
    if "pizz" in instrument.articulation.lower():
        return _PIZZICATO
    name = instrument.name.lower()
    for words, traits in _BY_WORD:
        if any(word in name for word in words):
            return traits
    return _BY_FAMILY.get(instrument.family.lower(), _STRUCK)
