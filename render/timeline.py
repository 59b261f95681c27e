"""What is to be played, when, by whom: frozen values that the engine reads and nothing else changes.

A timeline comes from a MIDI file (`timeline_from_midi`) or a recording (`timeline_from_audio`); every other source
builds the same values, so all of them are rendered by the same engine.
"""

import bisect
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from after.audio import FloatAudio
from after.midi import Note, Score, TempoChange, apply_pedal
from render.effects import Effect
from render.errors import TimbreError, TimelineError
from render.general_midi import nearest_timbre, program_name
from render.timbres import resolve_timbre

AUTO_TIMBRE = "auto"
"""Ask for the timbre that comes nearest to each channel's General MIDI program."""

DRUM_CHANNEL = 9
"""General MIDI's percussion channel, counted from 0 (people call it 10)."""


@dataclass(frozen=True)
class TempoMap:
    """Beats to seconds and back, for a tempo that changes in steps; beat 0 is second 0."""

    changes: tuple[TempoChange, ...] = (TempoChange(0.0, 120.0, 0),)

    def __post_init__(self) -> None:
        """Refuse a map that does not start at 0 or does not move forward."""
        times = [change.time_s for change in self.changes]
        if not times or times[0] != 0.0 or times != sorted(times):
            raise TimelineError(f"tempo changes at {times} s; give at least one, the first at 0 s, in order of time")
        if any(change.beats_per_minute <= 0 for change in self.changes):
            raise TimelineError("a tempo is 0 or negative; give beats per minute above 0")

    @cached_property
    def _starts_s(self) -> list[float]:
        return [change.time_s for change in self.changes]

    @cached_property
    def _starts_beats(self) -> list[float]:
        beats = [0.0]
        for now, after in zip(self.changes, self.changes[1:], strict=False):
            beats.append(beats[-1] + (after.time_s - now.time_s) * now.beats_per_minute / 60.0)
        return beats

    def beats_at(self, time_s: float) -> float:
        """Turn seconds into beats."""
        index = max(0, bisect.bisect_right(self._starts_s, time_s) - 1)
        elapsed_s = time_s - self._starts_s[index]
        return self._starts_beats[index] + elapsed_s * self.changes[index].beats_per_minute / 60.0

    def seconds_at(self, beats: float) -> float:
        """Turn beats into seconds."""
        index = max(0, bisect.bisect_right(self._starts_beats, beats) - 1)
        elapsed_beats = beats - self._starts_beats[index]
        return self._starts_s[index] + elapsed_beats * 60.0 / self.changes[index].beats_per_minute

    def tempo_at(self, time_s: float) -> float:
        """Give the beats per minute at a time in seconds."""
        return self.changes[max(0, bisect.bisect_right(self._starts_s, time_s) - 1)].beats_per_minute


@dataclass(frozen=True, slots=True)
class Clip:
    """Notes placed on a track; their onsets count from the clip's own start."""

    notes: tuple[Note, ...]
    onset_s: float = 0.0

    def placed_notes(self) -> tuple[Note, ...]:
        """Give the notes with onsets from the start of the timeline."""
        if self.onset_s == 0.0:
            return self.notes
        return tuple(replace(note, onset_s=note.onset_s + self.onset_s) for note in self.notes)


@dataclass(frozen=True, slots=True, eq=False)
class AudioClip:
    """A recording placed on a track, for an instrument that is played by audio: [C, T] at its own sample rate (Hz)."""

    audio: FloatAudio
    sample_rate: int
    onset_s: float = 0.0

    @property
    def end_s(self) -> float:
        """Time at which it is over, in seconds from the start of the timeline."""
        return self.onset_s + self.audio.shape[1] / self.sample_rate


@dataclass(frozen=True, slots=True)
class Track:
    """One performer: what it plays, in which timbre, through which effects, how loud.

    `timbre` is a name that the instrument has, a place `x,y` on its map, or the path of an audio file to take the
    timbre from.
    """

    name: str
    timbre: str
    clips: tuple[Clip | AudioClip, ...]
    midi_channel: int = 0
    gain_db: float = 0.0
    effects: tuple[Effect, ...] = ()

    def notes(self) -> tuple[Note, ...]:
        """Give all notes of all clips in order of time."""
        return tuple(sorted(note for clip in self.clips if isinstance(clip, Clip) for note in clip.placed_notes()))

    def recordings(self) -> tuple[AudioClip, ...]:
        """Give all recordings."""
        return tuple(clip for clip in self.clips if isinstance(clip, AudioClip))

    @property
    def end_s(self) -> float:
        """Time of the last note-off or end of a recording in seconds; 0 for a track that plays nothing."""
        ends_s = [note.end_s for note in self.notes()] + [clip.end_s for clip in self.recordings()]
        return max(ends_s, default=0.0)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Tracks on one tempo map, and the effects on their sum. `remarks` are for the user: what was left out and why."""

    tracks: tuple[Track, ...]
    tempo_map: TempoMap = TempoMap()
    effects: tuple[Effect, ...] = ()
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a timeline without notes or recordings and tracks that share a name."""
        names = [track.name for track in self.tracks]
        if len(set(names)) < len(names):
            raise TimelineError(f"tracks {', '.join(names)} share a name; give each track its own")
        if not any(track.notes() or track.recordings() for track in self.tracks):
            raise TimelineError("the timeline holds no notes to play; give it at least one, or a recording")

    @property
    def end_s(self) -> float:
        """Time of the last note-off or end of a recording in seconds."""
        return max(track.end_s for track in self.tracks)


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
        if not timbres:
            raise TimbreError("the instrument names no timbres; give --timbre an audio file of the one you want")
        timbre = timbres[0]
        remarks.append(f"the recording is played by {timbre}; --timbre chooses another")
    name = resolve_timbre(timbre, timbres, has_map=has_map)
    return Timeline((Track(f"recording {name}", name, (AudioClip(audio, sample_rate),)),), remarks=tuple(remarks))


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
