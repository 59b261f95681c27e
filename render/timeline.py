"""What is to be played, when, by whom: frozen values that the engine reads and nothing else changes.

A timeline comes from a file (`render.arrange`) or a session (`render.session`), and is rendered by the same engine.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

from after.audio import FloatAudio
from after.midi import Note
from render.curves import Curve, TimbrePath
from render.effects import Effect
from render.errors import TimelineError
from render.tempo import TempoMap


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
class Mix:
    """Where a track or a bus goes, beside its gain.

    Attributes:
        pan: -1 (left) to 1 (right), of constant power; in the middle both channels are as they were.
        sends: names of buses, with the gain in dB at which they get it too, after its own gain and pan.
        output: the bus it goes to; empty for the master.
        gain_curve: dB on top of its gain, over time.
        pan_curve: in the place of `pan`.
    """

    pan: float = 0.0
    sends: tuple[tuple[str, float], ...] = ()
    output: str = ""
    gain_curve: Curve | None = None
    pan_curve: Curve | None = None


@dataclass(frozen=True, slots=True)
class Bus:
    """A sum of tracks and buses before it, with effects of its own."""

    name: str
    gain_db: float = 0.0
    effects: tuple[Effect, ...] = ()
    mix: Mix = field(default_factory=Mix)


@dataclass(frozen=True, slots=True)
class Track:
    """One performer: what it plays, in which timbre, through which effects, how loud.

    `timbre` is a name that the instrument has, a place `x,y` on its map, or the path of an audio file to take the
    timbre from; `timbre_path` goes before it. `instrument` is a file, None for the timeline's. `attributes` are curves
    over time of what an instrument can be told, such as `temperature`.
    """

    name: str
    timbre: str
    clips: tuple[Clip | AudioClip, ...]
    midi_channel: int = 0
    gain_db: float = 0.0
    effects: tuple[Effect, ...] = ()
    mix: Mix = field(default_factory=Mix)
    instrument: Path | None = None
    timbre_path: TimbrePath | None = None
    attributes: tuple[tuple[str, Curve], ...] = ()

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
    """Tracks on one tempo map, buses in the order in which they are summed, and the effects on the sum of all.

    `remarks` are for the user: what was left out and why.
    """

    tracks: tuple[Track, ...]
    tempo_map: TempoMap = field(default_factory=TempoMap)
    effects: tuple[Effect, ...] = ()
    remarks: tuple[str, ...] = ()
    buses: tuple[Bus, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a timeline without notes or recordings, names that are shared, and ways that lead nowhere or back."""
        names = [track.name for track in self.tracks] + [bus.name for bus in self.buses]
        if len(set(names)) < len(names):
            raise TimelineError(f"tracks {', '.join(names)} share a name; give each track its own")
        if not any(track.notes() or track.recordings() for track in self.tracks):
            raise TimelineError("the timeline holds no notes to play; give it at least one, or a recording")
        later = [bus.name for bus in self.buses]
        strips: tuple[Track | Bus, ...] = (*self.tracks, *self.buses)
        for strip in strips:
            if isinstance(strip, Bus):
                later.remove(strip.name)
            for goal in {strip.mix.output, *(name for name, _ in strip.mix.sends)} - {""}:
                if goal not in later:
                    have = f"after it come {', '.join(later)}" if later else "no bus comes after it"
                    raise TimelineError(f"{strip.name} goes to the bus {goal!r}, but {have}")

    @property
    def end_s(self) -> float:
        """Time of the last note-off or end of a recording in seconds."""
        return max(track.end_s for track in self.tracks)
