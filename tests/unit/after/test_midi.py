import mido
import pytest

from after.errors import MidiError
from after.midi import Note, PedalEvent, Score, apply_pedal, read_midi, write_midi


def save(path, *tracks, ticks_per_beat=480, **keywords):
    midi_file = mido.MidiFile(ticks_per_beat=ticks_per_beat, **keywords)
    for messages in tracks:
        midi_file.tracks.append(mido.MidiTrack(messages))
    midi_file.save(path)
    return path


def on(pitch, time=0, velocity=80, channel=0):
    return mido.Message("note_on", note=pitch, velocity=velocity, time=time, channel=channel)


def off(pitch, time=0, channel=0):
    return mido.Message("note_off", note=pitch, time=time, channel=channel)


def test_written_notes_come_back_within_50_microseconds(tmp_path):
    notes = [
        Note(0.12345 * i, 40 + i % 30, 1 + i % 127, 0.0777 + i / 1000, i % 3, i % 2, i % 3 * 7) for i in range(200)
    ]
    pedals = [PedalEvent(0.5, True, 1), PedalEvent(0.75, False, 1)]
    write_midi(tmp_path / "a.mid", notes, pedals)
    score = read_midi(tmp_path / "a.mid")
    assert len(score.notes) == len(notes)
    for read, note in zip(score.notes, sorted(notes), strict=True):
        assert abs(read.onset_s - note.onset_s) < 5e-5
        assert abs(read.duration_s - note.duration_s) < 1e-4
        assert (read.pitch, read.velocity, read.midi_channel) == (note.pitch, note.velocity, note.midi_channel)
        assert (read.track, read.program) == (note.track, note.program)
    assert [(round(p.time_s, 4), p.is_down, p.midi_channel) for p in score.pedals] == [(0.5, True, 1), (0.75, False, 1)]


def test_tempo_map_is_honoured_across_tracks(tmp_path):
    tempos = [mido.MetaMessage("set_tempo", tempo=1_000_000), mido.MetaMessage("set_tempo", tempo=250_000, time=480)]
    path = save(tmp_path / "a.mid", tempos, [on(60, 240), off(60, 720)])
    score = read_midi(path)
    assert score.notes[0].onset_s == pytest.approx(0.5)
    assert score.notes[0].end_s == pytest.approx(1.25)
    assert [tempo.beats_per_minute for tempo in score.tempos] == [60.0, 240.0]
    assert score.duration_s == pytest.approx(mido.MidiFile(path).length)


def test_velocity_0_is_a_note_off_and_open_notes_end_with_the_file(tmp_path):
    path = save(tmp_path / "a.mid", [on(60), on(60, 480, velocity=0), on(62), on(64, 960), off(64, 480)])
    assert [(n.pitch, n.duration_s) for n in read_midi(path).notes] == [(60, 0.5), (62, 1.5), (64, 0.5)]


def test_repeated_note_before_its_off_closes_the_oldest_first(tmp_path):
    path = save(tmp_path / "a.mid", [on(60), on(60, 480, velocity=50), off(60, 480), off(60, 480)])
    assert [(n.velocity, n.duration_s) for n in read_midi(path).notes] == [(80, 1.0), (50, 1.0)]


def test_smpte_time_division(tmp_path):
    path = save(tmp_path / "a.mid", [on(60, 500), off(60, 250)], ticks_per_beat=-(25 << 8) + 40)
    note = read_midi(path).notes[0]
    assert (note.onset_s, note.duration_s) == pytest.approx((0.5, 0.25))


def test_all_notes_off_ends_its_channel_only(tmp_path):
    silence = mido.Message("control_change", control=123, channel=0, time=480)
    path = save(tmp_path / "a.mid", [on(60), on(61, channel=1), silence, off(61, 480, channel=1)])
    assert [n.duration_s for n in read_midi(path).notes] == [0.5, 1.0]


@pytest.mark.parametrize(
    ("pedals", "expected"),
    [
        ([], [1.0, 1.0]),
        ([(0.5, True), (1.5, False)], [1.5, 1.0]),
        ([(0.5, True)], [2.0, 2.0]),  # the second strike at 2.0 ends the first; the score ends the second
        ([(1.0, True), (1.5, False)], [1.0, 1.0]),
        ([(0.2, True), (0.4, False)], [1.0, 1.0]),
    ],
)
def test_pedal_lengthens_until_it_comes_up_or_the_pitch_is_struck_again(pedals, expected):
    notes = (Note(0.0, 60, 80, 1.0), Note(2.0, 60, 80, 1.0))
    score = Score(notes, tuple(PedalEvent(time_s, is_down) for time_s, is_down in pedals), duration_s=4.0)
    assert [note.duration_s for note in apply_pedal(score)] == pytest.approx(expected)


def test_pedal_acts_on_its_own_channel():
    score = Score((Note(0.0, 60, 80, 1.0, midi_channel=1),), (PedalEvent(0.5, True, 0),), duration_s=9.0)
    assert apply_pedal(score)[0].duration_s == 1.0


@pytest.mark.parametrize("content", [b"", b"MThd", b"hello world, no MIDI here"])
def test_what_is_no_midi_file_is_refused(tmp_path, content):
    path = tmp_path / "a.mid"
    path.write_bytes(content)
    with pytest.raises(MidiError, match=r"a\.mid"):
        read_midi(path)


def test_truncated_empty_and_missing_files_are_refused(tmp_path):
    write_midi(tmp_path / "a.mid", [Note(0.1 * i, 60, 80, 0.1) for i in range(50)])
    content = (tmp_path / "a.mid").read_bytes()
    (tmp_path / "half.mid").write_bytes(content[: len(content) // 2])
    with pytest.raises(MidiError, match="truncated"):
        read_midi(tmp_path / "half.mid")
    with pytest.raises(MidiError, match="holds no notes"):
        read_midi(save(tmp_path / "none.mid", []))
    with pytest.raises(MidiError, match="is not a file"):
        read_midi(tmp_path / "absent.mid")


@pytest.mark.parametrize("note", [Note(0, 128, 80, 1), Note(0, 60, 0, 1), Note(-1, 60, 80, 1), Note(0, 60, 80, 1, 16)])
def test_notes_beyond_midi_are_refused(tmp_path, note):
    with pytest.raises(MidiError, match="cannot be written"):
        write_midi(tmp_path / "a.mid", [note])
    assert not (tmp_path / "a.mid").exists()
