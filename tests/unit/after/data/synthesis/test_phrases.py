import numpy as np
import pytest

from after.data.synthesis.library import load_midi_library
from after.data.synthesis.phrases import draw_phrase, extract_line, limit_polyphony, shape_velocities, transpose_to_fit
from after.data.synthesis.settings import PhraseSettings
from after.errors import ConfigError, DataError

PITCHES = range(55, 70)


def overlaps(notes, *, same_pitch=False):
    return [
        (a, b)
        for i, a in enumerate(notes)
        for b in notes[i + 1 :]
        if b.onset_s < a.end_s - 1e-9 and (a.pitch == b.pitch or not same_pitch)
    ]


@pytest.mark.parametrize("synthetic_share", [0.0, 1.0])
@pytest.mark.parametrize("is_monophonic", [False, True])
def test_phrases_keep_to_range_length_and_polyphony(midi_folder, synthetic_share, is_monophonic):
    library = load_midi_library([midi_folder])
    settings = PhraseSettings(seconds=4.0, synthetic_share=synthetic_share, max_polyphony=3)
    for seed in range(25):
        rng = np.random.default_rng(seed)
        notes = draw_phrase(rng, library, PITCHES, settings, is_monophonic=is_monophonic)
        assert notes
        assert all(note.pitch in PITCHES and 16 <= note.velocity <= 125 for note in notes)
        assert all(note.onset_s >= 0 and note.end_s <= 4.0 + 1e-3 and note.duration_s > 0.03 for note in notes)
        assert not overlaps(notes, same_pitch=not is_monophonic)
        most = max(sum(a.onset_s <= b.onset_s < a.end_s - 1e-9 for a in notes) for b in notes)
        assert most <= (1 if is_monophonic else 3)


def test_phrase_is_a_function_of_the_seed(midi_folder):
    library = load_midi_library([midi_folder])
    first, second, other = (
        draw_phrase(np.random.default_rng(s), library, PITCHES, PhraseSettings(), is_monophonic=False)
        for s in (1, 1, 2)
    )
    assert first == second != other


def test_exercises_cover_every_pitch_evenly(midi_folder):
    library, counts = load_midi_library([midi_folder]), dict.fromkeys(range(40, 90), 0)
    settings = PhraseSettings(synthetic_share=1.0)
    for seed in range(100):
        for note in draw_phrase(np.random.default_rng(seed), library, counts, settings, is_monophonic=True):
            counts[note.pitch] += 1
    assert min(counts.values()) > 0.4 * np.mean(list(counts.values()))


def test_velocities_cover_the_range_although_the_source_has_one():
    drawn = np.concatenate(
        [
            shape_velocities(np.random.default_rng(s), np.arange(30) * 0.4, np.full(30, 90.0), PhraseSettings())
            for s in range(60)
        ]
    )
    assert drawn.min() <= 20
    assert drawn.max() == 125
    assert drawn.std() > 20


def test_transposition_keeps_what_fits_and_drops_the_rest():
    notes = np.array([[0.0, 1.0, 30.0, 64.0], [1.0, 1.0, 34.0, 64.0], [2.0, 1.0, 90.0, 64.0]])
    fitted = transpose_to_fit(np.random.default_rng(0), notes, range(60, 72))
    assert len(fitted) == 2
    assert fitted[1, 2] - fitted[0, 2] == 4


def test_line_is_the_top_voice_without_overlaps():
    notes = np.array([[0.0, 1.0, 60.0, 64.0], [0.0, 1.0, 72.0, 64.0], [0.5, 1.0, 74.0, 64.0], [0.5, 0.5, 55.0, 64.0]])
    line = extract_line(notes)
    assert line[:, 2].tolist() == [72.0, 74.0]
    assert line[0, 1] == 0.5


def test_restruck_pitch_ends_the_note_before():
    notes = np.array([[0.0, 2.0, 60.0, 64.0], [1.0, 1.0, 60.0, 64.0]])
    assert limit_polyphony(notes, 8)[:, 1].tolist() == [1.0, 1.0]


def test_drums_and_held_out_rows_are_left_out(midi_folder):
    rows = ["path,licence,attribution", *(f"midi/piece_{i}.mid,CC0-1.0,someone" for i in range(4))]
    (midi_folder.parent / "manifest_midi.csv").write_text("\n".join(rows))
    library = load_midi_library([midi_folder], rows_modulo=4)
    assert [piece.name for piece in library.pieces] == ["piece_1.mid", "piece_2.mid"]  # rows 0 and 4 by either count
    assert library.held_out == 2
    assert library.licences == (("CC0-1.0", 2),)
    assert all(len(piece.parts) == 2 for piece in library.pieces)


def test_library_errors(tmp_path, midi_folder):
    with pytest.raises(DataError, match="does not exist"):
        load_midi_library([tmp_path / "none"])
    with pytest.raises(ConfigError, match="manifest_midi"):
        load_midi_library([midi_folder], rows_modulo=20)
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "x.mid").write_bytes(b"nothing")
    with pytest.raises(DataError, match="no MIDI piece could be read"):
        load_midi_library([tmp_path / "bad"])


def test_one_bad_file_among_good_ones_is_reported(midi_folder):
    (midi_folder / "broken.mid").write_bytes(b"MThd")
    library = load_midi_library([midi_folder])
    assert len(library.pieces) == 4
    assert "broken.mid" in library.failures[0]
