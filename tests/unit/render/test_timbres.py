import numpy as np
import pytest

from after.audio import write_audio
from render.errors import TimbreError
from render.timbres import read_timbre, resolve_timbre

TIMBRES = ("cello_solo", "violin_solo", "piano_grand", "piano_upright", "trumpet", "muted_trumpet")


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("cello_solo", "cello_solo"),
        ("Cello Solo", "cello_solo"),
        ("cello", "cello_solo"),
        ("Upright", "piano_upright"),
        ("grand piano", "piano_grand"),
        ("trumpet", "trumpet"),
        ("muted-trumpet", "muted_trumpet"),
    ],
)
def test_names_may_be_written_loosely(asked, name):
    assert resolve_timbre(asked, TIMBRES) == name


def test_a_name_that_fits_two_timbres_is_refused_with_both():
    with pytest.raises(TimbreError, match="could be piano_grand, piano_upright"):
        resolve_timbre("piano", TIMBRES)


@pytest.mark.parametrize(
    ("asked", "nearest"), [("celo", "cello_solo"), ("Trumpett", "trumpet"), ("volin", "violin_solo")]
)
def test_an_unknown_name_gets_the_nearest_and_the_list(asked, nearest):
    with pytest.raises(TimbreError, match=rf"did you mean {nearest}\?.*instrument has cello_solo, violin_solo"):
        resolve_timbre(asked, TIMBRES)


def test_nothing_near_gets_the_list_only():
    with pytest.raises(TimbreError, match=r"unknown timbre 'xyzzy'; the instrument has"):
        resolve_timbre("xyzzy", TIMBRES)


def test_an_audio_file_is_taken_as_it_is(tmp_path):
    path = tmp_path / "voice.wav"
    path.write_bytes(b"RIFF")
    assert resolve_timbre(str(path), TIMBRES) == str(path)


def test_a_missing_audio_file_is_named():
    with pytest.raises(TimbreError, match=r"missing.wav is no audio file"):
        resolve_timbre("missing.wav", TIMBRES)


@pytest.mark.parametrize(
    ("audio", "complaint"),
    [
        (np.full((1, 4410), 0.3), "0.10 s long"),
        (np.full((1, 44100), np.nan), "NaN or infinite"),
        (np.full((1, 44100), 1e-5), "silent"),
    ],
)
def test_a_recording_that_tells_no_timbre_is_refused(audio, complaint):
    write_audio("voice.wav", audio.astype(np.float32), 44100, subtype="FLOAT")
    with pytest.raises(TimbreError, match=complaint):
        read_timbre("voice.wav", 44100)
