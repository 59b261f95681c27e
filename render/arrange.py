"""A file on a timeline: every channel and timbre of MIDI gets a track of its own, a recording gets one."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from after.audio import FloatAudio
from after.midi import Note, Score, apply_pedal
from render.errors import TimbreError, TimelineError
from render.general_midi import nearest_timbre, program_name
from render.tempo import TempoMap
from render.timbres import resolve_timbre
from render.timeline import AudioClip, Clip, Timeline, Track

AUTO_TIMBRE = "auto"
"""Ask for the timbre that comes nearest to each channel's General MIDI program."""

DRUM_CHANNEL = 9
"""General MIDI's percussion channel, counted from 0 (people call it 10)."""


def timeline_from_audio(
    audio: FloatAudio,
    sample_rate: int,
    timbre: str = AUTO_TIMBRE,
    *,
    timbres: Sequence[str],
    has_map: bool = False,
) -> Timeline:
    """Give a recording a track of its own.

    Args:
        audio: [C, T].
        sample_rate: of it, in Hz.
        timbre: a name, a place on the map, an audio file, or `auto` for the instrument's first one.
        timbres: the names that the instrument has.
        has_map: whether the instrument has a map of timbres.

    Raises:
        TimbreError: if the timbre does not exist.
    """
    remarks = []
    if timbre == AUTO_TIMBRE:
        timbre = first_timbre(timbres)
        remarks.append(f"the recording is played by {timbre}; --timbre chooses another")
    name = resolve_timbre(timbre, timbres, has_map=has_map)
    return Timeline((Track(f"recording {name}", name, (AudioClip(audio, sample_rate),)),), remarks=tuple(remarks))


def first_timbre(timbres: Sequence[str]) -> str:
    """Give the first of an instrument's timbres.

    Raises:
        TimbreError: if it names none.
    """
    if not timbres:
        raise TimbreError(
            "the instrument names no timbres; give --timbre, or timbre in a session, an audio file of the one you want"
        )
    return timbres[0]


def timeline_from_midi(
    score: Score,
    timbre: str = AUTO_TIMBRE,
    timbre_for: Mapping[int, str] | None = None,
    *,
    timbres: Sequence[str],
    has_map: bool = False,
) -> Timeline:
    """Give every channel and timbre of a MIDI file its own track.

    The sustain pedal is turned into note lengths. The drum channel is left out, because the instrument plays pitches,
    unless `timbre_for` names a timbre for it.

    Args:
        score: from `after.midi.read_midi`.
        timbre: for every channel: a name, a place on the map, an audio file, or `auto` for the one nearest to the
            General MIDI program.
        timbre_for: the same by MIDI channel, counted from 0; goes before `timbre`.
        timbres: the names that the instrument has.
        has_map: whether the instrument has a map of timbres.

    Raises:
        TimbreError: if a timbre or a channel does not exist.
        TimelineError: if nothing is left to play.
    """
    chosen = dict(timbre_for or {})
    by_channel: dict[int, list[Note]] = defaultdict(list)
    for note in apply_pedal(score):
        by_channel[note.midi_channel].append(note)
    _check_channels(chosen, by_channel)
    remarks = []
    if DRUM_CHANNEL in by_channel and DRUM_CHANNEL not in chosen:
        left_out = by_channel.pop(DRUM_CHANNEL)
        remarks.append(
            f"channel {DRUM_CHANNEL + 1} (drums, {len(left_out)} notes) is left out: the instrument plays pitches; "
            f"--timbre-for {DRUM_CHANNEL + 1}=NAME plays it anyway"
        )
    if not by_channel:
        raise TimelineError(f"the MIDI file holds drums only; {remarks[0]}")
    tracks = []
    for midi_channel in sorted(by_channel):
        asked = chosen.get(midi_channel, timbre)
        by_timbre: dict[str, list[Note]] = defaultdict(list)
        for note in by_channel[midi_channel]:
            by_timbre[_timbre_of(asked, note.program, timbres, has_map)].append(note)
        for name, notes in by_timbre.items():
            tracks.append(
                Track(f"channel {midi_channel + 1} {name}", name, (Clip(tuple(sorted(notes))),), midi_channel)
            )
            if asked == AUTO_TIMBRE:
                programs = sorted({note.program for note in notes})
                remarks.append(
                    f"channel {midi_channel + 1} ({', '.join(map(program_name, programs))}) is played by {name}"
                )
    return Timeline(tuple(tracks), TempoMap(score.tempos), remarks=tuple(remarks))


def _timbre_of(asked: str, program: int, timbres: Sequence[str], has_map: bool) -> str:
    """Settle on the timbre of one note."""
    if asked == AUTO_TIMBRE:
        return nearest_timbre(program, timbres)
    return resolve_timbre(asked, timbres, has_map=has_map)


def _check_channels(chosen: Mapping[int, str], by_channel: Mapping[int, object]) -> None:
    """Refuse timbres for channels without notes: most likely a slip of counting."""
    for midi_channel, name in chosen.items():
        if midi_channel not in by_channel:
            have = ", ".join(str(channel + 1) for channel in sorted(by_channel))
            raise TimbreError(
                f"channel {midi_channel + 1} was given the timbre {name}, but has no notes; channels with notes: {have}"
            )
