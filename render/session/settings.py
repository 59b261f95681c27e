"""What a session file may say, as it says it: names, units and defaults; `render.session.build` gives it meaning."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from after.controls import CONTROLS
from after.errors import ConfigError

EffectTable = dict[str, bool | float | str]
Attribute = float | None


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigError(message)


@dataclass(frozen=True, kw_only=True, slots=True)
class Position:
    """A place in time: one of beats (quarter notes), bars (from 0) or seconds; 0 if none is given."""

    at_beats: float | None = None
    at_bars: float | None = None
    at_seconds: float | None = None

    def __post_init__(self) -> None:
        given = [value for value in (self.at_beats, self.at_bars, self.at_seconds) if value is not None]
        _require(len(given) <= 1, "give one of at_beats, at_bars and at_seconds, not several")
        _require(not given or given[0] >= 0, f"a place in time is {given and given[0]}; give 0 or more")


@dataclass(frozen=True, kw_only=True, slots=True)
class TempoSettings:
    """A tempo from a beat on."""

    at_beats: float = 0.0
    beats_per_minute: float = 120.0

    def __post_init__(self) -> None:
        is_possible = self.at_beats >= 0 and 1 <= self.beats_per_minute <= 1000
        _require(is_possible, f"{self.beats_per_minute:g} at beat {self.at_beats:g}; give 1 to 1000 beats per minute")


@dataclass(frozen=True, kw_only=True, slots=True)
class MeterSettings:
    """A time signature from a beat on, such as "3/4"."""

    at_beats: float = 0.0
    signature: str = "4/4"

    def __post_init__(self) -> None:
        top, slash, bottom = self.signature.partition("/")
        is_fraction = bool(slash) and top.isdecimal() and bottom.isdecimal() and int(top) > 0 and int(bottom) > 0
        _require(is_fraction, f"signature is {self.signature!r}; write it like 3/4")

    @property
    def beats_per_bar(self) -> float:
        """Quarter notes in a bar."""
        top, _, bottom = self.signature.partition("/")
        return 4.0 * int(top) / int(bottom)


@dataclass(frozen=True, kw_only=True, slots=True)
class ClipSettings(Position):
    """A MIDI file or a recording, or a part of it, on a track.

    Attributes:
        file: relative to the session.
        pickup_beats: how much of it lies before its place in time: its upbeat.
        from_beats: where in the file it begins; in a recording, beats at the file's place on the session's tempo map.
        to_beats: where it ends; None for the file's end.
        repeat: how often it is played, one after another.
        channels: MIDI channels 1-16 that it takes; all if empty.
        transpose: semitones.
        gain_db: of a recording, before it plays an instrument.
        follow: whether notes keep their `beats`, and so follow the session's tempo, or their `seconds`.
    """

    file: Path
    pickup_beats: float = 0.0
    from_beats: float = 0.0
    to_beats: float | None = None
    repeat: int = 1
    channels: tuple[int, ...] = ()
    transpose: int = 0
    gain_db: float = 0.0
    follow: Literal["beats", "seconds"] = "beats"

    def __post_init__(self) -> None:
        Position.__post_init__(self)
        _require(self.repeat >= 1, f"repeat is {self.repeat}; give 1 or more")
        _require(self.from_beats >= 0, f"from_beats is {self.from_beats:g}; give 0 or more")
        _require(self.pickup_beats >= 0, f"pickup_beats is {self.pickup_beats:g}; give 0 or more")
        if self.to_beats is not None:
            _require(
                self.to_beats > self.from_beats,
                f"to_beats is {self.to_beats:g}, from_beats {self.from_beats:g}; the end comes after the beginning",
            )
        wrong = [channel for channel in self.channels if not 1 <= channel <= 16]
        _require(not wrong, f"channels names {wrong}; there are 1 to 16")


@dataclass(frozen=True, kw_only=True, slots=True)
class PointSettings(Position):
    """A value at a place in time: a number, or for timbres a name, a file or a place "x,y" on the map."""

    value: str | float


@dataclass(frozen=True, kw_only=True, slots=True)
class AutomationSettings:
    """A value that changes over time.

    Attributes:
        parameter: `timbre`, `gain_db` (on top of the track's), `pan`, or an attribute of the instrument.
        points: in order.
        shape: `line` goes straight from point to point (timbres turn into each other), `step` holds each until the
            next. Whole numbers, such as steps, always step.
    """

    parameter: str
    points: tuple[PointSettings, ...]
    shape: Literal["line", "step"] = "line"

    def __post_init__(self) -> None:
        known = ("timbre", "gain_db", "pan", *CONTROLS)
        _require(self.parameter in known, f"parameter is {self.parameter!r}; there are {', '.join(known)}")
        _require(bool(self.points), f"the automation of {self.parameter} has no points; give one at least")
        if self.parameter != "timbre":
            words = [point.value for point in self.points if isinstance(point.value, str)]
            _require(not words, f"the automation of {self.parameter} goes to {words}; give numbers")


@dataclass(frozen=True, kw_only=True, slots=True)
class StripSettings:
    """What tracks and buses have in common.

    Attributes:
        gain_db: level.
        pan: -1 (left) to 1 (right).
        effects: a preset's name or a file; before `effect`.
        effect: tables of effects, one after another.
        sends: names of buses, with the gain in dB at which they get it too.
        output: the bus that it goes to; the master if empty.
    """

    gain_db: float = 0.0
    pan: float = 0.0
    effects: str = "none"
    effect: tuple[EffectTable, ...] = ()
    sends: dict[str, float] = field(default_factory=dict)
    output: str = ""

    def __post_init__(self) -> None:
        _require(abs(self.pan) <= 1, f"pan is {self.pan:g}; give -1 (left) to 1 (right)")
        gains = {"gain_db": self.gain_db, **{f"sends.{name}": gain for name, gain in self.sends.items()}}
        wrong = [f"{name} is {gain:g}" for name, gain in gains.items() if abs(gain) > 200]
        _require(not wrong, f"{', '.join(wrong)}; give decibels from -200 to 200")
        _require("" not in self.sends, "a send names no bus; write the name of one")


@dataclass(frozen=True, kw_only=True, slots=True)
class TrackSettings(StripSettings):
    """A track.

    Attributes:
        name: shown, and the name of its stem.
        timbre: of every channel: a name, a place "x,y", an audio file, or `auto` by General MIDI program.
        timbre_for: the same by MIDI channel 1-16.
        instrument: its file; the session's if not given.
        mute: leaves it out.
        clip: what it plays.
        automation: what changes.
    """

    name: str
    timbre: str = "auto"
    timbre_for: dict[str, str] = field(default_factory=dict)
    instrument: Path | None = None
    mute: bool = False
    clip: tuple[ClipSettings, ...] = ()
    automation: tuple[AutomationSettings, ...] = ()

    def __post_init__(self) -> None:
        StripSettings.__post_init__(self)
        _require(bool(self.clip), f"track {self.name!r} has no [[track.clip]]; give it something to play")
        wrong = [c for c in self.timbre_for if not (c.isdecimal() and 1 <= int(c) <= 16)]
        _require(not wrong, f"timbre_for names the channels {', '.join(wrong)}; there are 1 to 16")
        parameters = [automation.parameter for automation in self.automation]
        _require(len(set(parameters)) == len(parameters), f"track {self.name!r} automates a parameter twice")


@dataclass(frozen=True, kw_only=True, slots=True)
class BusSettings(StripSettings):
    """A bus; it may go, and send, to buses that come after it."""

    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MasterSettings:
    """The sum of all: its effects, as for tracks."""

    effects: str = "none"
    effect: tuple[EffectTable, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionSettings:
    """What is rendered of the session, in beats; what sounds before it is not heard."""

    from_beats: float = 0.0
    to_beats: float | None = None

    def __post_init__(self) -> None:
        is_forward = self.to_beats is None or self.to_beats > self.from_beats
        _require(self.from_beats >= 0 and is_forward, "a region goes forward from beat 0 or later")


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionSettings:
    """A session.

    Attributes:
        instrument: plays the tracks that name none; the bundled one if not given.
        seed: of the noise.
        tail_seconds: how long instruments may ring after the end.
        num_steps: of the sampler, and so on: the instruments' attributes; theirs if not given.
        tempo: of the session; that of the first MIDI file if there is none.
        meter: time signatures; they count bars.
        track: what plays.
        bus: what tracks go to.
        master: the sum.
        region: what of it is rendered.
    """

    instrument: Path | None = None
    seed: int = 0
    tail_seconds: float = 3.0
    num_steps: int | None = None
    guidance_structure: Attribute = None
    guidance_timbre: Attribute = None
    temperature: Attribute = None
    transpose: int | None = None
    tempo: tuple[TempoSettings, ...] = ()
    meter: tuple[MeterSettings, ...] = ()
    track: tuple[TrackSettings, ...] = ()
    bus: tuple[BusSettings, ...] = ()
    master: MasterSettings = field(default_factory=MasterSettings)
    region: RegionSettings = field(default_factory=RegionSettings)

    def __post_init__(self) -> None:
        _require(any(not track.mute for track in self.track), "there is no [[track]] to play; give one at least")
        _require(0 <= self.seed < 2**31, f"seed is {self.seed}; give 0 to {2**31 - 1}")
        _require(0 <= self.tail_seconds <= 60, f"tail_seconds is {self.tail_seconds:g}; give 0 to 60")
        for name, control in CONTROLS.items():
            value = getattr(self, name)
            is_inside = value is None or control.minimum <= value <= control.maximum
            _require(is_inside, f"{name} is {value}; give {control.minimum:g} to {control.maximum:g}")
