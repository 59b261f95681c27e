import pytest

from after.midi import Note, PedalEvent, Score, TempoChange
from render.arrange import timeline_from_midi
from render.errors import TimbreError, TimelineError
from render.tempo import TempoMap
from render.timeline import Clip, Timeline, Track

TIMBRES = ("cello_solo", "flute", "piano_grand")

SLOWING = TempoMap((TempoChange(0.0, 120.0, 0), TempoChange(2.0, 60.0, 1920), TempoChange(5.0, 90.0, 3360)))


@pytest.mark.parametrize(
    ("time_s", "beats"), [(0.0, 0.0), (1.0, 2.0), (2.0, 4.0), (3.0, 5.0), (5.0, 7.0), (7.0, 10.0), (9.0, 13.0)]
)
def test_beats_and_seconds_follow_every_tempo_change(time_s, beats):
    assert SLOWING.beats_at(time_s) == pytest.approx(beats)
    assert SLOWING.seconds_at(beats) == pytest.approx(time_s)


def test_tempo_at_a_change_is_the_new_one():
    assert [SLOWING.tempo_at(time_s) for time_s in (1.99, 2.0, 6.0)] == [120.0, 60.0, 90.0]


@pytest.mark.parametrize(
    "changes",
    [
        (),
        (TempoChange(1.0, 120.0, 0),),
        (TempoChange(0.0, 0.0, 0),),
        (TempoChange(0.0, 60.0, 0), TempoChange(3.0, 60.0, 2), TempoChange(2.0, 60.0, 1)),
    ],
)
def test_a_tempo_map_that_makes_no_sense_is_refused(changes):
    with pytest.raises(TimelineError):
        TempoMap(changes)


def test_each_channel_becomes_a_track():
    score = Score((Note(0.0, 60, 90, 1.0, 0, 0), Note(0.5, 40, 90, 2.0, 4, 1), Note(1.0, 62, 90, 1.0, 0, 2)))
    timeline = timeline_from_midi(score, "flute", {4: "cello"}, timbres=TIMBRES)
    assert [(track.name, track.timbre, track.midi_channel) for track in timeline.tracks] == [
        ("channel 1 flute", "flute", 0),
        ("channel 5 cello_solo", "cello_solo", 4),
    ]
    assert [note.onset_s for note in timeline.tracks[0].notes()] == [0.0, 1.0]
    assert timeline.end_s == 2.5
    assert timeline.remarks == ()


def test_auto_splits_a_channel_where_its_program_changes():
    score = Score((Note(0.0, 60, 90, 1.0, program=42), Note(1.0, 72, 90, 1.0, program=73)))
    timeline = timeline_from_midi(score, timbres=TIMBRES)
    assert [track.timbre for track in timeline.tracks] == ["cello_solo", "flute"]
    assert [len(track.notes()) for track in timeline.tracks] == [1, 1]
    assert timeline.remarks[0] == "channel 1 (cello) is played by cello_solo"


def test_the_pedal_lengthens_notes():
    pedals = (PedalEvent(0.1, True), PedalEvent(2.0, False))
    score = Score((Note(0.0, 60, 90, 0.5),), pedals, duration_s=3.0)
    timeline = timeline_from_midi(score, "flute", timbres=TIMBRES)
    assert timeline.end_s == pytest.approx(2.0)


def test_drums_are_left_out_with_a_remark():
    score = Score((Note(0.0, 60, 90, 1.0), Note(0.0, 36, 90, 1.0, midi_channel=9)))
    timeline = timeline_from_midi(score, "flute", timbres=TIMBRES)
    assert [track.midi_channel for track in timeline.tracks] == [0]
    assert "channel 10 (drums, 1 notes) is left out" in timeline.remarks[0]


def test_drums_are_played_when_asked_for_by_name():
    score = Score((Note(0.0, 36, 90, 1.0, midi_channel=9),))
    timeline = timeline_from_midi(score, "flute", {9: "piano"}, timbres=TIMBRES)
    assert [track.timbre for track in timeline.tracks] == ["piano_grand"]


def test_drums_alone_are_an_error():
    with pytest.raises(TimelineError, match="drums only"):
        timeline_from_midi(Score((Note(0.0, 36, 90, 1.0, midi_channel=9),)), timbres=TIMBRES)


def test_a_timbre_for_a_channel_without_notes_is_an_error():
    score = Score((Note(0.0, 60, 90, 1.0, midi_channel=2),))
    with pytest.raises(TimbreError, match=r"channel 2 .* has no notes; channels with notes: 3"):
        timeline_from_midi(score, "flute", {1: "cello"}, timbres=TIMBRES)


def test_tempo_map_comes_from_the_score():
    score = Score((Note(0.0, 60, 90, 1.0),), tempos=SLOWING.changes)
    assert timeline_from_midi(score, "flute", timbres=TIMBRES).tempo_map.beats_at(7.0) == pytest.approx(10.0)


def test_clips_shift_their_notes():
    track = Track("a", "flute", (Clip((Note(0.5, 60, 90, 1.0),), onset_s=2.0), Clip((Note(0.0, 62, 90, 1.0),))))
    assert [(note.pitch, note.onset_s) for note in track.notes()] == [(62, 0.0), (60, 2.5)]


def test_a_timeline_without_notes_or_with_twin_names_is_refused():
    clip = Clip((Note(0.0, 60, 90, 1.0),))
    with pytest.raises(TimelineError, match="no notes"):
        Timeline((Track("a", "flute", ()),))
    with pytest.raises(TimelineError, match="share a name"):
        Timeline((Track("a", "flute", (clip,)), Track("a", "flute", (clip,))))
