import numpy as np
import pytest
from click.testing import CliRunner

from after.audio import read_audio
from after.cli.play_samples import command
from after.data.synthesis.references import play_references, transpose_by_octaves
from after.data.synthesis.samples import load_instruments
from after.errors import MidiError
from after.midi import Note, read_midi, write_midi


def line(*pitches):
    return tuple(Note(0.5 * i, pitch, 90, 0.4) for i, pitch in enumerate(pitches))


@pytest.mark.parametrize(
    ("pitches", "moved"),
    [((60, 64), (60, 64)), ((36, 43), (60, 67)), ((84, 91), (60, 67)), ((59, 60, 61, 85), (60, 61))],
)
def test_transposes_a_whole_piece_by_as_few_octaves_as_make_it_playable(pitches, moved):
    assert tuple(note.pitch for note in transpose_by_octaves(line(*pitches), range(60, 72))) == moved


def test_plays_what_is_written_and_says_so_beside_the_recording(plucked_folder, tmp_path):
    write_midi(tmp_path / "tune.mid", line(45, 48, 52))
    instruments = load_instruments(plucked_folder)
    (recording,) = play_references(instruments, [tmp_path / "tune.mid"], tmp_path / "out", max_s=1.0)
    assert recording == tmp_path / "out" / "pluck" / "tune.flac"
    played = read_midi(recording.with_suffix(".mid")).notes
    assert [(round(note.onset_s, 3), note.pitch, note.velocity) for note in played] == [(0.0, 57, 90), (0.5, 60, 90)]
    audio, sample_rate = read_audio(recording)
    quiet, loud = (
        np.abs(audio[0, int(a * sample_rate) : int(b * sample_rate)]).max() for a, b in ((0.4, 0.5), (0.5, 0.6))
    )
    assert loud > 2 * quiet


def test_a_piece_with_nothing_to_play_is_refused(plucked_folder, tmp_path):
    write_midi(tmp_path / "late.mid", [Note(5.0, 60, 90, 1.0)])
    with pytest.raises(MidiError, match="has no note for pluck"):
        list(play_references(load_instruments(plucked_folder), [tmp_path / "late.mid"], tmp_path / "out", max_s=1.0))


def test_command_names_folders_as_asked(plucked_folder, tmp_path):
    write_midi(tmp_path / "tune.mid", line(60))
    out = tmp_path / "references"
    arguments = [tmp_path / "tune.mid", "--instruments", plucked_folder, "--out", out, "--rename", "pluck=harp"]
    result = CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0
    assert (out / "harp" / "tune.flac").is_file()
    assert "1 pieces by 1 instruments" in result.output
