import pytest

from render.errors import TimbreError
from render.general_midi import PROGRAM_NAMES, nearest_timbre, program_name

TIMBRES = [
    "bagpipe", "banjo", "bassoon", "cello_solo", "choir_female_aa", "clarinet", "contrabass_arco",
    "contrabass_pizz", "epiano_cp80", "epiano_wurlitzer", "flute", "glockenspiel", "guitar_archtop",
    "guitar_nylon", "guitar_steel", "harp", "piano_grand", "piano_upright", "sax_alto", "sax_tenor",
    "sf_accordion", "sf_church_organ", "sf_english_horn", "sf_french_horn", "sf_harpsichord",
    "sf_marimba", "sf_muted_trumpet", "sf_oboe", "sf_pan_flute", "sf_reed_organ", "sf_viola", "sitar",
    "trombone", "trumpet", "tuba", "vibraphone", "violin_solo", "voice_male_oo", "xylophone",
]  # fmt: skip


def test_there_are_128_programs_with_different_names():
    assert len(set(PROGRAM_NAMES)) == 128


@pytest.mark.parametrize(
    ("program", "timbre"),
    [
        (0, "piano_grand"),
        (3, "piano_upright"),
        (5, "epiano_wurlitzer"),
        (6, "sf_harpsichord"),
        (11, "vibraphone"),
        (16, "sf_church_organ"),
        (19, "sf_church_organ"),
        (20, "sf_reed_organ"),
        (24, "guitar_nylon"),
        (30, "guitar_archtop"),
        (32, "contrabass_pizz"),
        (33, "contrabass_pizz"),
        (40, "violin_solo"),
        (41, "sf_viola"),
        (42, "cello_solo"),
        (43, "contrabass_arco"),
        (46, "harp"),
        (48, "violin_solo"),
        (52, "choir_female_aa"),
        (56, "trumpet"),
        (59, "sf_muted_trumpet"),
        (60, "sf_french_horn"),
        (61, "trumpet"),
        (65, "sax_alto"),
        (69, "sf_english_horn"),
        (71, "clarinet"),
        (73, "flute"),
        (75, "sf_pan_flute"),
        (104, "sitar"),
    ],
)
def test_programs_find_their_instrument(program, timbre):
    assert nearest_timbre(program, TIMBRES) == timbre


@pytest.mark.parametrize("program", range(128))
def test_every_program_finds_something_in_any_instrument(program):
    assert nearest_timbre(program, ("Preset 1", "Preset 2")) == "Preset 1"
    assert nearest_timbre(program, TIMBRES) in TIMBRES
    assert program_name(program)


def test_family_stands_in_for_a_missing_program():
    assert nearest_timbre(70, ("trumpet", "clarinet")) == "clarinet"
    assert nearest_timbre(40, ("flute", "cello")) == "cello"


def test_an_instrument_without_names_is_an_error():
    with pytest.raises(TimbreError, match="no named timbres"):
        nearest_timbre(0, ())
