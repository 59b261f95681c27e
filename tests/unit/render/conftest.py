import pytest

from after.midi import Note, write_midi
from tests.additive_instrument import AdditiveInstrument


@pytest.fixture
def instrument():
    return AdditiveInstrument()


@pytest.fixture
def song(tmp_path):
    """A file of two channels: a flute program and a cello program, with a drum beat."""
    path = tmp_path / "song.mid"
    notes = [
        Note(0.0, 60, 100, 0.4, midi_channel=0, program=73),
        Note(0.5, 64, 90, 0.4, midi_channel=0, program=73),
        Note(0.25, 48, 80, 0.5, midi_channel=3, track=1, program=42),
        Note(0.0, 36, 100, 0.1, midi_channel=9, track=2),
    ]
    write_midi(path, notes)
    return path
