"""A session file becomes a timeline: clips on tracks, in the session's own time."""

import math
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from after.config import from_dict
from after.controls import CONTROLS
from after.midi import Score, TempoChange
from render.arrange import AUTO_TIMBRE, first_timbre, timeline_from_midi
from render.curves import Curve, TimbrePath
from render.effects import Effect, effect_files, effect_presets, load_effects, parse_effects
from render.engine import RenderSettings
from render.errors import TimelineError
from render.session.clips import Placed, place_clip, read_clip
from render.session.settings import (
    AutomationSettings,
    BusSettings,
    EffectTable,
    MasterSettings,
    Position,
    SessionSettings,
    StripSettings,
    TempoSettings,
    TrackSettings,
)
from render.tempo import Meter, TempoMap
from render.timeline import AudioClip, Bus, Clip, Mix, Timeline, Track
from render.voices import Instrument

TICKS_PER_BEAT = 960
_MAX_NUMBER = 1e6


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """A session that is ready to be rendered: `instrument` plays the tracks that name none, `others` the rest."""

    timeline: Timeline
    instrument: Instrument
    others: dict[Path | None, Instrument]
    settings: RenderSettings


def read_session(path: Path) -> SessionSettings:
    """Read what a session file says.

    Raises:
        TimelineError: if it is no TOML file.
        ConfigError: for unknown keys, wrong types and values out of range, naming file and key.
    """
    if not path.is_file():
        raise TimelineError(f"{path} is not a file; give the path of a session, a .toml file")
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=_finite)
    except (OSError, ValueError) as error:
        raise TimelineError(f"{path} cannot be read as a session ({error}); give a TOML file") from error
    return from_dict(SessionSettings, values, source=str(path))


def _finite(text: str) -> float:
    """Read a number; TOML also has nan and inf, which mean nothing in a session."""
    value = float(text)
    if not math.isfinite(value) or abs(value) > _MAX_NUMBER:
        raise ValueError(f"{text} is no number that can be used")
    return value


def session_files(path: Path) -> tuple[Path, ...]:
    """Give all files that the sound of a session depends on, itself first.

    Raises:
        TimelineError, ConfigError: as `read_session`.
    """
    settings, folder = read_session(path), path.parent
    names: list[str | Path | None] = [settings.instrument]
    strips: tuple[StripSettings | MasterSettings, ...] = (*settings.track, *settings.bus, settings.master)
    for strip in strips:
        names.append(strip.effects)
        names += effect_files(_effects(strip.effects, strip.effect, folder.absolute(), path.name))
    for track in settings.track:
        names += [track.instrument, track.timbre, *track.timbre_for.values(), *(clip.file for clip in track.clip)]
        names += [str(point.value) for automation in track.automation for point in automation.points]
    files = [folder / name for name in names if name is not None]
    return (path, *dict.fromkeys(file for file in files if file.is_file()))


def build_session(path: Path, load: Callable[[Path | None], Instrument]) -> Session:
    """Read a session, its files and its instruments, and check that all fits.

    Args:
        path: of the TOML file; the files that it names are relative to it.
        load: loads an instrument; None is the bundled one.

    Raises:
        RenderError: if something does not fit.
        AfterError: if a file cannot be read.
    """
    settings, folder = read_session(path), path.parent
    tracks = [track for track in settings.track if not track.mute]
    sources = {folder / clip.file: read_clip(folder / clip.file) for track in tracks for clip in track.clip}
    scores = [source for source in sources.values() if isinstance(source, Score)]
    tempo_map = _tempo_map(settings, scores)
    names = {track.instrument for track in tracks} - {None}
    instrument = load(_beside(folder, settings.instrument))
    players: dict[Path | None, Instrument] = {name: load(_beside(folder, name)) for name in sorted(names)}  # type: ignore[type-var]
    parts: list[Track] = []
    groups: list[Bus] = []
    remarks: list[str] = []
    for track in tracks:
        placed = [
            part for clip in track.clip for part in place_clip(clip, sources[folder / clip.file], tempo_map, seconds_at)
        ]
        player = instrument if track.instrument is None else players[track.instrument]
        own, group, said = _arrange(track, placed, player, tempo_map, folder)
        parts += own
        groups += group
        remarks += said
    buses = (*groups, *(_bus(bus, folder) for bus in settings.bus))
    effects = _effects(settings.master.effects, settings.master.effect, folder, f"{path.name}: master")
    timeline = Timeline(tuple(parts), tempo_map, effects, tuple(remarks), buses)
    return Session(timeline, instrument, players, _render_settings(settings, tempo_map))


def seconds_at(position: Position, tempo_map: TempoMap) -> float:
    """Give a place in time in seconds."""
    if position.at_seconds is not None:
        return position.at_seconds
    beats = position.at_beats or 0.0
    return tempo_map.seconds_at(beats if position.at_bars is None else tempo_map.beats_of_bar(position.at_bars))


def _tempo_map(settings: SessionSettings, scores: Sequence[Score]) -> TempoMap:
    """Give the session's tempo, or else that of its first MIDI file."""
    meters = tuple(Meter(m.at_beats, m.beats_per_bar) for m in settings.meter) or TempoMap().meters
    if not settings.tempo:
        return TempoMap(scores[0].tempos if scores else TempoMap().changes, meters)
    changes: list[TempoChange] = []
    before: TempoSettings | None = None
    for tempo in settings.tempo:
        time_s = 0.0 if before is None else changes[-1].time_s + (
            (tempo.at_beats - before.at_beats) * 60.0 / before.beats_per_minute
        )  # fmt: skip
        if before is None and tempo.at_beats != 0:
            raise TimelineError(f"the first [[tempo]] is at beat {tempo.at_beats:g}; put it at beat 0")
        changes.append(TempoChange(time_s, tempo.beats_per_minute, round(tempo.at_beats * TICKS_PER_BEAT)))
        before = tempo
    return TempoMap(tuple(changes), meters)


def _arrange(
    track: TrackSettings, placed: Sequence[Placed], player: Instrument, tempo_map: TempoMap, folder: Path
) -> tuple[list[Track], list[Bus], list[str]]:
    """Give a track its performers: one, or one for each channel and timbre, which a bus of its name sums up."""
    effects = _effects(track.effects, track.effect, folder, f"track {track.name!r}")
    mix = _mix(track, tempo_map)
    timbre_for = {int(channel) - 1: _beside_text(folder, name) for channel, name in track.timbre_for.items()}
    timbre = _beside_text(folder, track.timbre)
    path = _timbre_path(track, tempo_map, folder)
    attributes = _attributes(track, tempo_map)
    notes = tuple(sorted(note for part in placed if not isinstance(part, AudioClip) for note in part))
    recordings = tuple(part for part in placed if isinstance(part, AudioClip))
    _check_track(track, bool(notes), bool(recordings), path is not None)
    whole = Track(
        track.name, timbre, (Clip(notes),) if notes else recordings, gain_db=track.gain_db, effects=effects, mix=mix,
        instrument=track.instrument, timbre_path=path, attributes=attributes,
    )  # fmt: skip
    if recordings or path is not None or (timbre != AUTO_TIMBRE and not timbre_for):
        if timbre == AUTO_TIMBRE and path is None:
            whole = replace(whole, timbre=first_timbre(player.timbres))
        return [replace(whole, timbre=path.timbres[0])] if path else [whole], [], []
    split = timeline_from_midi(
        Score(notes, (), tempo_map.changes), timbre, timbre_for, timbres=player.timbres, has_map=player.has_map
    )
    said = [f"{track.name}: {remark}" for remark in split.remarks]
    if len(split.tracks) == 1:
        (only,) = split.tracks
        return [replace(whole, timbre=only.timbre, clips=only.clips)], [], said
    parts = [
        Track(f"{track.name} / {part.name}", part.timbre, part.clips, part.midi_channel, mix=Mix(output=track.name),
              instrument=track.instrument, attributes=attributes)
        for part in split.tracks
    ]  # fmt: skip
    return parts, [Bus(track.name, track.gain_db, effects, mix)], said


def _check_track(track: TrackSettings, has_notes: bool, has_recordings: bool, has_path: bool) -> None:
    """Refuse a track whose parts do not go together."""
    if track.timbre_for and (has_recordings or has_path):
        raise TimelineError(
            f"track {track.name!r} has timbre_for, which is for channels of MIDI files without automation of the timbre"
        )
    if has_notes and has_recordings:
        raise TimelineError(f"track {track.name!r} holds MIDI files and recordings; give each kind a track of its own")


def _bus(bus: BusSettings, folder: Path) -> Bus:
    effects = _effects(bus.effects, bus.effect, folder, f"bus {bus.name!r}")
    return Bus(bus.name, bus.gain_db, effects, Mix(bus.pan, tuple(bus.sends.items()), bus.output))


def _mix(track: TrackSettings, tempo_map: TempoMap) -> Mix:
    curves = {
        automation.parameter: _curve(automation, tempo_map)
        for automation in track.automation
        if automation.parameter in ("gain_db", "pan")
    }
    return Mix(track.pan, tuple(track.sends.items()), track.output, curves.get("gain_db"), curves.get("pan"))


def _attributes(track: TrackSettings, tempo_map: TempoMap) -> tuple[tuple[str, Curve], ...]:
    return tuple(
        (automation.parameter, _curve(automation, tempo_map, is_stepped=CONTROLS[automation.parameter].is_int))
        for automation in track.automation
        if automation.parameter in CONTROLS
    )


def _curve(automation: AutomationSettings, tempo_map: TempoMap, *, is_stepped: bool = False) -> Curve:
    times_s = tuple(seconds_at(point, tempo_map) for point in automation.points)
    values = tuple(float(point.value) for point in automation.points)
    return Curve(times_s, values, is_stepped or automation.shape == "step")


def _timbre_path(track: TrackSettings, tempo_map: TempoMap, folder: Path) -> TimbrePath | None:
    for automation in track.automation:
        if automation.parameter == "timbre":
            times_s = tuple(seconds_at(point, tempo_map) for point in automation.points)
            timbres = tuple(_beside_text(folder, str(point.value)) for point in automation.points)
            if list(times_s) != sorted(times_s):
                raise TimelineError(f"the timbres of track {track.name!r} go back in time; put them in order")
            return TimbrePath(times_s, timbres, automation.shape == "step")
    return None


def _effects(name: str, tables: Sequence[EffectTable], folder: Path, source: str) -> tuple[Effect, ...]:
    chain = load_effects(name if name in effect_presets() else _beside_text(folder, name))
    return (*chain, *parse_effects(tables, source=source, folder=folder))


def _beside(folder: Path, path: Path | None) -> Path | None:
    return None if path is None else folder / path


def _beside_text(folder: Path, name: str) -> str:
    """Give the path of a file beside the session, or the name as it is; files of that name elsewhere do not count."""
    return str(folder / name) if (folder / name).is_file() or Path(name).is_file() else name


def _render_settings(settings: SessionSettings, tempo_map: TempoMap) -> RenderSettings:
    region = settings.region
    return RenderSettings(
        seed=settings.seed,
        tail_s=settings.tail_seconds,
        attributes={name: getattr(settings, name) for name in CONTROLS},
        from_s=tempo_map.seconds_at(region.from_beats),
        to_s=None if region.to_beats is None else tempo_map.seconds_at(region.to_beats),
    )
