"""MIDI files to notes in seconds, and back; the sustain pedal turned into note lengths."""

import bisect
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import mido
from mido.midifiles.meta import KeySignatureError

from after.errors import MidiError
from after.files import written_atomically

DEFAULT_TEMPO_US = 500_000  # per beat, where a file sets no tempo: 120 beats per minute
WRITE_TICKS_PER_BEAT = 10_000  # at 120 beats per minute a tick is 50 us, so onsets are exact within 25 us
_TICKS_PER_S = WRITE_TICKS_PER_BEAT * 1_000_000 / DEFAULT_TEMPO_US
_SUSTAIN, _ALL_SOUND_OFF, _RESET_CONTROLLERS, _ALL_NOTES_OFF = 64, 120, 121, 123


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """One note: when, what, how loud (1..127), how long; and where it came from."""

    onset_s: float
    pitch: int
    velocity: int
    duration_s: float
    midi_channel: int = 0
    track: int = 0
    program: int = 0

    @property
    def end_s(self) -> float:
        """Time of the note-off in seconds."""
        return self.onset_s + self.duration_s


@dataclass(frozen=True, slots=True, order=True)
class PedalEvent:
    """A change of the sustain pedal on one channel."""

    time_s: float
    is_down: bool
    midi_channel: int = 0


@dataclass(frozen=True, slots=True, order=True)
class TempoChange:
    """A new tempo from `time_s` (= `ticks`) on."""

    time_s: float
    beats_per_minute: float
    ticks: int


@dataclass(frozen=True, slots=True)
class Score:
    """Everything a MIDI file says about notes and time; notes and pedals are sorted by time."""

    notes: tuple[Note, ...]
    pedals: tuple[PedalEvent, ...] = ()
    tempos: tuple[TempoChange, ...] = (TempoChange(0.0, 120.0, 0),)
    duration_s: float = 0.0
    ticks_per_beat: int = WRITE_TICKS_PER_BEAT


def read_midi(path: str | Path) -> Score:
    """Read a standard MIDI file: all tracks and channels, with its tempo map.

    A note-on of velocity 0 is a note-off; a note-off closes the oldest open note of its pitch and channel; notes left
    open are closed at the end of the file.

    Raises:
        MidiError: if the file is missing, not MIDI, truncated, or holds no note.
    """
    path = Path(path)
    if not path.is_file():
        raise MidiError(f"{path} is not a file; give the path of a .mid file")
    try:
        midi_file = mido.MidiFile(filename=str(path), clip=True)
    except EOFError as error:
        raise MidiError(f"{path} is truncated or not a MIDI file; export it again") from error
    except (OSError, ValueError, KeyError, IndexError, TypeError, KeySignatureError) as error:
        raise MidiError(f"{path} is not a readable MIDI file ({error}); export it as a standard MIDI file") from error
    score = _score_of(midi_file)
    if not score.notes:
        raise MidiError(f"{path} holds no notes; give a MIDI file with at least one note")
    return score


def write_midi(path: str | Path, notes: Iterable[Note], pedals: Iterable[PedalEvent] = ()) -> None:
    """Write notes and pedal changes as a standard MIDI file, atomically, with times exact within 25 us.

    Notes keep their channel, track and program. Two notes of one pitch that overlap on one channel are written as they
    are; MIDI itself cannot say which of the two a note-off ends.

    Raises:
        MidiError: if a note lies outside MIDI's ranges or before time 0, or the file cannot be written.
    """
    path = Path(path)
    by_track: dict[int, list[Note]] = defaultdict(list)
    for note in notes:
        _check_note(note)
        by_track[note.track].append(note)
    midi_file = mido.MidiFile(type=1 if len(by_track) > 1 else 0, ticks_per_beat=WRITE_TICKS_PER_BEAT)
    pedals_left = list(pedals)
    for index, track in enumerate(sorted(by_track) or [0]):
        midi_file.tracks.append(_track_of(by_track[track], pedals_left if index == 0 else [], with_tempo=index == 0))
    try:
        with written_atomically(path) as temporary:
            midi_file.save(filename=str(temporary))
    except OSError as error:
        raise MidiError(f"{path} cannot be written ({error}); choose a folder you may write to") from error


def apply_pedal(score: Score) -> tuple[Note, ...]:
    """Give the notes as they sound: lengthened while the sustain pedal (CC64 >= 64) is down.

    A note released under the pedal lasts until the pedal comes up, the same pitch is struck again on its channel, or
    the score ends. A pedal pressed at the very instant of a note-off does not catch that note.
    """
    spans = _pedal_spans(score)
    onsets: dict[tuple[int, int], list[float]] = defaultdict(list)
    for note in score.notes:
        onsets[note.midi_channel, note.pitch].append(note.onset_s)
    sounding = []
    for note in score.notes:
        end_s = note.end_s
        starts, ends = spans.get(note.midi_channel, ((), ()))
        index = bisect.bisect_left(starts, end_s) - 1
        if index >= 0 and ends[index] > end_s:
            strikes = onsets[note.midi_channel, note.pitch]
            later = bisect.bisect_left(strikes, end_s)
            restrike_s = strikes[later] if later < len(strikes) else float("inf")
            note = replace(note, duration_s=min(ends[index], max(restrike_s, end_s)) - note.onset_s)
        sounding.append(note)
    return tuple(sounding)


def _pedal_spans(score: Score) -> dict[int, tuple[list[float], list[float]]]:
    """Give, for each channel, when the pedal went down and when it came up."""
    last_s = max([score.duration_s, *(note.end_s for note in score.notes)], default=0.0)
    spans: dict[int, tuple[list[float], list[float]]] = {}
    for pedal in sorted(score.pedals, key=lambda event: event.time_s):
        starts, ends = spans.setdefault(pedal.midi_channel, ([], []))
        is_open = len(starts) > len(ends)
        if pedal.is_down and not is_open:
            starts.append(pedal.time_s)
        elif not pedal.is_down and is_open:
            ends.append(pedal.time_s)
    for starts, ends in spans.values():
        if len(starts) > len(ends):
            ends.append(last_s)
    return spans


class _Clock:
    """The tempo map of a file: ticks to seconds."""

    def __init__(self, midi_file: mido.MidiFile, events: Sequence[tuple[int, int, mido.Message]]) -> None:
        """Collect the tempo changes of all tracks."""
        self.ticks_per_beat = int(midi_file.ticks_per_beat)
        self.smpte_tick_s = _smpte_tick_s(self.ticks_per_beat)
        tempos: dict[int, int] = {0: DEFAULT_TEMPO_US}
        for ticks, _, message in events:
            if message.type == "set_tempo" and message.tempo > 0:
                tempos[ticks] = message.tempo
        self.ticks = sorted(tempos)
        self.tempos_us = [tempos[ticks] for ticks in self.ticks]
        self.starts_s = [0.0]
        for index in range(1, len(self.ticks)):
            elapsed = self.ticks[index] - self.ticks[index - 1]
            self.starts_s.append(self.starts_s[-1] + elapsed * self._tick_s(index - 1))

    def _tick_s(self, index: int) -> float:
        return self.smpte_tick_s or self.tempos_us[index] * 1e-6 / max(1, self.ticks_per_beat)

    def seconds(self, ticks: int) -> float:
        """Turn an absolute tick into seconds."""
        index = bisect.bisect_right(self.ticks, ticks) - 1
        return self.starts_s[index] + (ticks - self.ticks[index]) * self._tick_s(index)

    def changes(self) -> tuple[TempoChange, ...]:
        """Give the tempo map."""
        return tuple(
            TempoChange(start_s, 60e6 / tempo_us, ticks)
            for start_s, tempo_us, ticks in zip(self.starts_s, self.tempos_us, self.ticks, strict=True)
        )


def _smpte_tick_s(division: int) -> float:
    """Give the length of a tick where a file counts in SMPTE frames (negative division), else 0."""
    frames_per_s = 30000 / 1001 if division >> 8 == -29 else -(division >> 8)
    return 1.0 / (frames_per_s * max(1, division & 0xFF)) if division < 0 else 0.0


class _NoteReader:
    """Pair note-ons with note-offs, event by event."""

    def __init__(self) -> None:
        """Start with nothing sounding."""
        self.notes: list[Note] = []
        self.pedals: list[PedalEvent] = []
        self.open_notes: dict[tuple[int, int], deque[Note]] = defaultdict(deque)
        self.programs: dict[int, int] = {}
        self.pedal_is_down: dict[int, bool] = {}

    def close(self, key: tuple[int, int], time_s: float) -> None:
        """End the oldest open note of a channel and pitch."""
        if self.open_notes[key]:
            note = self.open_notes[key].popleft()
            self.notes.append(replace(note, duration_s=max(time_s - note.onset_s, 1e-3)))

    def close_all(self, time_s: float, midi_channel: int | None = None) -> None:
        """End all open notes, of one channel or of every one."""
        for key, waiting in self.open_notes.items():
            while waiting and midi_channel in (None, key[0]):
                self.close(key, time_s)

    def take(self, time_s: float, track: int, message: mido.Message) -> None:
        """Handle one event."""
        match message.type:
            case "note_on" if message.velocity > 0:
                program = self.programs.get(message.channel, 0)
                note = Note(time_s, message.note, message.velocity, 0.0, message.channel, track, program)
                self.open_notes[message.channel, message.note].append(note)
            case "note_on" | "note_off":
                self.close((message.channel, message.note), time_s)
            case "program_change":
                self.programs[message.channel] = message.program
            case "control_change":
                self._control(time_s, message.channel, message.control, message.value)

    def _control(self, time_s: float, midi_channel: int, control: int, value: int) -> None:
        if control in (_ALL_SOUND_OFF, _ALL_NOTES_OFF):
            self.close_all(time_s, midi_channel)
        elif control in (_SUSTAIN, _RESET_CONTROLLERS):
            is_down = control == _SUSTAIN and value >= 64
            if is_down != self.pedal_is_down.get(midi_channel, False):
                self.pedal_is_down[midi_channel] = is_down
                self.pedals.append(PedalEvent(time_s, is_down, midi_channel))


def _score_of(midi_file: mido.MidiFile) -> Score:
    """Turn parsed tracks into notes in seconds."""
    events: list[tuple[int, int, mido.Message]] = []
    for index, track in enumerate(midi_file.tracks):
        ticks = 0
        for message in track:
            ticks += int(message.time)
            events.append((ticks, index, message))
    events.sort(key=lambda event: event[0])
    clock = _Clock(midi_file, events)
    reader = _NoteReader()
    for ticks, track_index, message in events:
        reader.take(clock.seconds(ticks), track_index, message)
    reader.close_all(last_s := clock.seconds(events[-1][0]) if events else 0.0)
    notes = tuple(sorted(reader.notes))
    duration_s = max([last_s, *(note.end_s for note in notes)])
    return Score(notes, tuple(reader.pedals), clock.changes(), duration_s, int(midi_file.ticks_per_beat))


def _check_note(note: Note) -> None:
    """Refuse what a MIDI file cannot hold."""
    in_range = 0 <= note.pitch <= 127 and 1 <= note.velocity <= 127 and 0 <= note.midi_channel <= 15
    if not in_range or not 0 <= note.program <= 127 or note.onset_s < 0:
        raise MidiError(
            f"{note} cannot be written; MIDI takes pitch, program 0-127, velocity 1-127, channel 0-15, time >= 0 s"
        )


def _track_of(notes: Sequence[Note], pedals: Sequence[PedalEvent], *, with_tempo: bool) -> mido.MidiTrack:
    """Write one track; at equal times offs come first, then pedals, programs and ons."""
    events: list[tuple[int, int, mido.Message | mido.MetaMessage]] = []
    if with_tempo:
        events.append((0, 0, mido.MetaMessage("set_tempo", tempo=DEFAULT_TEMPO_US)))
    for pedal in pedals:
        change = {"control": _SUSTAIN, "value": 127 if pedal.is_down else 0, "channel": pedal.midi_channel}
        events.append((round(pedal.time_s * _TICKS_PER_S), 2, mido.Message("control_change", **change)))
    programs: dict[int, int] = {}
    for note in sorted(notes):
        channel = note.midi_channel
        start, end = (round(time_s * _TICKS_PER_S) for time_s in (note.onset_s, note.end_s))
        if programs.get(channel, 0) != note.program:
            programs[channel] = note.program
            events.append((start, 3, mido.Message("program_change", channel=channel, program=note.program)))
        on = mido.Message("note_on", channel=channel, note=note.pitch, velocity=note.velocity)
        off = mido.Message("note_off", channel=channel, note=note.pitch, velocity=64)
        events += [(start, 4, on), (max(end, start + 1), 1, off)]
    events.sort(key=lambda event: event[:2])
    track = mido.MidiTrack()
    now = 0
    for ticks, _, message in events:
        track.append(message.copy(time=ticks - now))
        now = ticks
    track.append(mido.MetaMessage("end_of_track", time=0))
    return track
