import numpy as np
import pytest
import soundfile

from after.data.synthesis import load_instruments
from after.data.synthesis.traits import traits_of
from after.errors import DataError


def test_manifest_gives_pitch_velocity_tuning_and_credits(plucked_folder):
    instrument = load_instruments(plucked_folder)["pluck"]
    assert [(sample.pitch, sample.velocity) for sample in instrument.samples] == [
        (pitch, velocity) for pitch in (57, 62, 67) for velocity in (48, 96)
    ]
    assert {sample.tuning_cents for sample in instrument.samples} == {30.0}
    assert instrument.credits == (("test", "CC0-1.0"),)
    assert instrument.layer_span_db == 6.0


@pytest.mark.parametrize("stem", ["my_horn_60_80", "my_horn_60_v80", "my_horn_m060_C4_mf_v080"])
def test_file_names_tell_pitch_and_velocity(tmp_path, stem):
    soundfile.write(tmp_path / f"{stem}.flac", np.ones(100) * 0.1, 44_100)
    (sample,) = load_instruments(tmp_path)["my_horn"].samples
    assert (sample.pitch, sample.velocity, sample.tuning_cents) == (60, 80, 0.0)


def test_doubtful_pitch_measurement_corrects_nothing(plucked_folder):
    manifest = plucked_folder.parent / "manifest_instruments.csv"
    manifest.write_text(manifest.read_text().replace(",ok,", ",partial,"))
    assert {sample.tuning_cents for sample in load_instruments(plucked_folder)["pluck"].samples} == {0.0}


def test_held_out_pitch_class_leaves_the_others(plucked_folder):
    instrument = load_instruments(plucked_folder)["pluck"].without_pitch_class(62 % 12)
    assert instrument.pitches == {57, 67}


def test_errors_say_what_is_missing(tmp_path, plucked_folder):
    with pytest.raises(DataError, match="is not a folder"):
        load_instruments(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no recordings that can be placed"):
        load_instruments(tmp_path / "empty")
    with pytest.raises(DataError, match=r"no instrument tuba .* it holds pluck"):
        load_instruments(plucked_folder, ["tuba"])
    next(plucked_folder.glob("*.wav")).unlink()
    with pytest.raises(DataError, match="which does not exist"):
        load_instruments(plucked_folder)


def test_kind_follows_articulation_name_and_family(plucked_folder, sustained_folder):
    pluck = traits_of(load_instruments(plucked_folder)["pluck"])
    pipe = traits_of(load_instruments(sustained_folder)["pipe"])
    assert (pluck.is_sustained, pluck.is_monophonic) == (False, False)
    assert (pipe.is_sustained, pipe.is_monophonic) == (True, True)
