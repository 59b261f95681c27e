"""A timeline becomes audio: performances, track effects, the graph, master effects, tail, level.

notes or audio --instrument--> [1, T] --track effects--> [1 or 2, T] --DawDreamer--> [2, T] --master effects--> [2, T]
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from render.daw import Lane, mix_lanes
from render.effects import apply_effects
from render.errors import TimelineError
from render.level import protect_peak
from render.tail import trim_tail
from render.timbres import parse_place, read_timbre, resolve_timbre
from render.timeline import Timeline, Track
from render.voices import Instrument, Passage, Phrase, make_passage, perform, set_attributes, split_phrases

EFFECT_TAIL_S = 20.0
"""Silence that effects are given to ring out in; what stays silent is cut again."""

Progress = Callable[[str, float], None]
"""Called with what is being done and the fraction 0..1 of the whole render."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderSettings:
    """How to render a timeline. `attributes` go to the instrument (`num_steps`, `guidance_timbre`, ...)."""

    seed: int = 0
    tail_s: float = 3.0
    normalize: bool = False
    block_size: int = 512
    attributes: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RenderResult:
    """audio [2, T] float32 at `sample_rate`, and remarks for the user."""

    audio: NDArray[np.float32]
    sample_rate: int
    remarks: tuple[str, ...] = ()


def render_timeline(
    timeline: Timeline,
    instrument: Instrument,
    settings: RenderSettings | None = None,
    progress: Progress | None = None,
) -> RenderResult:
    """Render all tracks of a timeline to one stereo mix.

    Every sample stands where the timeline puts it: the instrument and the effects take their latency out. With no
    effects, one track and no clipping, the result is the instrument's own audio on both channels.

    Args:
        timeline: what to play.
        instrument: plays the tracks one after the other; its timbre is changed.
        settings: seed, tail, level.
        progress: called now and then.

    Raises:
        RenderError: if a timbre is not there, the instrument is not played by what the timeline holds, or the graph
            cannot be rendered.
    """
    tracks = timeline.tracks
    check_kind(instrument, with_notes=any(t.notes() for t in tracks), with_audio=any(t.recordings() for t in tracks))
    settings = settings or RenderSettings()
    sample_rate = instrument.sample_rate
    timbres = {track.timbre: _timbre(track.timbre, instrument) for track in timeline.tracks}
    set_attributes(instrument, settings.attributes)
    keep_samples = round(timeline.end_s * sample_rate)
    played_samples = round((timeline.end_s + settings.tail_s) * sample_rate)
    has_effects = bool(timeline.effects) or any(track.effects for track in timeline.tracks)
    total_samples = played_samples + (round(EFFECT_TAIL_S * sample_rate) if has_effects else 0)

    parts = [_phrases(track, instrument, settings.tail_s, played_samples) for track in timeline.tracks]
    whole_s = sum(phrase.num_samples for phrases in parts for phrase in phrases) / sample_rate
    lanes, done_s = [], 0.0
    for index, (track, phrases) in enumerate(zip(timeline.tracks, parts, strict=True)):
        report = _reporter(progress, track.name, done_s, whole_s)
        seed = settings.seed + index
        timbre = timbres[track.timbre]
        audio = perform(instrument, phrases, timbre, total_samples, seed=seed, progress=report)
        lanes.append(Lane(track.name, _with_effects(audio, track, sample_rate), track.gain_db))
        done_s += sum(phrase.num_samples for phrase in phrases) / sample_rate

    mix = mix_lanes(lanes, timeline.tempo_map, total_samples, sample_rate=sample_rate, block_size=settings.block_size)
    mastered = apply_effects(mix, timeline.effects, sample_rate)
    trimmed = trim_tail(mastered, sample_rate, keep_samples=keep_samples)
    audio, remark = protect_peak(trimmed, normalize=settings.normalize)
    return RenderResult(audio, sample_rate, (remark,) if remark else ())


def check_kind(instrument: Instrument, *, with_notes: bool, with_audio: bool) -> None:
    """Make sure that an instrument is played by what there is.

    Raises:
        TimelineError: if it is played by audio and there are notes, or the other way round.
    """
    if instrument.plays_audio and with_notes:
        raise TimelineError(
            "this instrument is played by audio, not by notes: give a recording (wav, flac, ...) instead of MIDI, or "
            "another instrument with --instrument"
        )
    if with_audio and not instrument.plays_audio:
        raise TimelineError(
            "this instrument is played by notes, not by audio: give a MIDI file instead of a recording, or another "
            "instrument with --instrument"
        )


def _timbre(timbre: str, instrument: Instrument) -> str | NDArray[np.float32]:
    """Give what `set_timbre` takes: a name, the vector at a place of the map, or the audio of a file."""
    name = resolve_timbre(timbre, instrument.timbres, has_map=instrument.has_map)
    if name in instrument.timbres:
        return name
    place = parse_place(name)
    return read_timbre(name, instrument.sample_rate) if place is None else instrument.timbre_at(*place)


def _phrases(track: Track, instrument: Instrument, tail_s: float, played_samples: int) -> tuple[Phrase | Passage, ...]:
    """Cut what a track holds into what the instrument plays at a time."""
    if instrument.plays_audio:
        return tuple(
            make_passage(
                clip.audio,
                clip.sample_rate,
                clip.onset_s,
                tail_s,
                sample_rate=instrument.sample_rate,
                total_samples=played_samples,
            )
            for clip in track.recordings()
        )
    return split_phrases(
        track.notes(),
        tail_s,
        sample_rate=instrument.sample_rate,
        hop_length=instrument.hop_length,
        total_samples=played_samples,
    )


def _with_effects(audio: NDArray[np.float32], track: Track, sample_rate: int) -> NDArray[np.float32]:
    """Run a track through its own effects, in stereo so that they can be wide."""
    if not track.effects:
        return audio
    return apply_effects(np.repeat(audio, 2, axis=0), track.effects, sample_rate)


def _reporter(progress: Progress | None, name: str, done_s: float, whole_s: float) -> Callable[[float], None] | None:
    """Turn seconds of one track into a fraction of the whole."""
    if progress is None:
        return None
    return lambda track_s: progress(name, min(1.0, (done_s + track_s) / whole_s))
