"""`after transfer`: recordings in, the same music in another timbre out."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner, Result

from after.audio import write_audio
from after.cli import group
from after.midi import Note, write_midi
from tests.additive_instrument import AdditiveInstrument, Follower
from tests.tiny_file import write_tiny_file
from tests.unit.data.audio_folder import sine

PITCHES = (60, 64, 67)


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    """Three tones of half a second."""
    tones = [sum(sine(440 * 2 ** ((p - 69) / 12) * h, 0.5, level=0.2 / h) for h in (1, 2, 3)) for p in PITCHES]
    write_audio(tmp_path / "stems" / "voice.wav", np.concatenate(tones)[None].astype(np.float32), 44100)
    return tmp_path / "stems" / "voice.wav"


def transfer(*arguments: object, instrument: object = None) -> Result:
    loader = None if instrument is None else lambda path: instrument
    return CliRunner().invoke(group, ["transfer", *map(str, arguments)], obj=loader)


def test_notes_are_written_down_for_an_instrument_that_plays_notes(voice: Path) -> None:
    instrument = AdditiveInstrument()
    result = transfer(voice, "--timbre", "cello", instrument=instrument)
    assert result.exit_code == 0, result.output
    assert Path("voice_rendered.wav").is_file()
    ((timbre, _, notes, _),) = instrument.performances
    assert (timbre, [note.pitch for note in notes]) == ("cello_solo", list(PITCHES))


def test_an_instrument_that_listens_gets_the_recording(voice: Path) -> None:
    instrument = Follower()
    result = transfer(voice, "--timbre", "0.5,0.5", "-o", "out.flac", instrument=instrument)
    assert result.exit_code == 0, result.output
    ((_, _, heard, rate),) = instrument.performances
    assert rate == 44100
    np.testing.assert_allclose(heard[0, : 3 * 22050], soundfile.read(voice, dtype="float32")[0], atol=1e-6)


def test_a_folder_of_stems_is_transferred_at_once_and_its_midi_left_alone(voice: Path, tmp_path: Path) -> None:
    (voice.parent / "deep").mkdir()
    (voice.parent / "deep" / "second.wav").write_bytes(voice.read_bytes())
    write_midi(voice.parent / "voice.mid", [Note(0.0, 60, 90, 0.5)])
    player = write_tiny_file(tmp_path / "tiny.safetensors", num_steps=1)
    result = transfer(voice.parent, "--timbre", "dark", "--instrument", player, "-o", "out")
    assert result.exit_code == 0, result.output
    assert {str(path.relative_to("out")) for path in Path("out").rglob("*.wav")} == {"voice.wav", "deep/second.wav"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["{voice}"], "--timbre"),
        (["{voice}", "{voice}", "--timbre", "cello"], "need a folder"),
        (["{midi}", "--timbre", "cello"], "is MIDI, not a recording"),
        (["{voice}", "--timbre", "cello", "--timbre-for", "1=flute"], "a recording has none"),
        (["gone.wav", "--timbre", "cello", "-o", "out"], "gone.wav"),
        (["gone.wav", "--timbre", "cello"], "gone.wav does not exist"),
    ],
)
def test_what_cannot_be_transferred_is_said(voice: Path, arguments: list[str], words: str) -> None:
    midi = voice.with_suffix(".mid")
    write_midi(midi, [Note(0.0, 60, 90, 0.5)])
    result = transfer(*(text.format(voice=voice, midi=midi) for text in arguments), instrument=AdditiveInstrument())
    assert result.exit_code == 2, result.output
    assert words in result.stderr
