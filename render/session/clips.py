"""Clips of a session: MIDI files and recordings, cut, moved, repeated and put into the session's time."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from after.audio import FloatAudio
from after.midi import Note, Score, apply_pedal
from render.errors import TimelineError
from render.session.settings import ClipSettings, Position
from render.source import Recording, read_source
from render.tempo import TempoMap
from render.timeline import AudioClip

_CLOSE_BEATS = 1e-6
"""MIDI ticks become seconds and beats again; what is nearer than this to a beat is on it."""

Placed = tuple[Note, ...] | AudioClip
Locate = Callable[[Position, TempoMap], float]


def read_clip(path: Path) -> Score | Recording:
    """Read the file of a clip; raises as `read_source`."""
    return read_source(path)


def place_clip(clip: ClipSettings, source: Score | Recording, tempo_map: TempoMap, locate: Locate) -> list[Placed]:
    """Put a clip into the session's time, once for each time that it is played.

    Args:
        clip: what of the file is played, where.
        source: the file.
        tempo_map: the session's.
        locate: gives a place in time in seconds.

    Raises:
        TimelineError: if nothing is left of it, or its upbeat lies before the session.
    """
    start_s = locate(clip, tempo_map)
    if isinstance(source, Recording):
        return _place_recording(clip, source, tempo_map, start_s)
    return _place_notes(clip, source, tempo_map, start_s)


def _place_notes(clip: ClipSettings, score: Score, tempo_map: TempoMap, start_s: float) -> list[Placed]:
    """Notes keep their beats, or their seconds, from the beginning of the clip."""
    own = TempoMap(score.tempos)
    end_beats = math.inf if clip.to_beats is None else clip.to_beats
    chosen = [
        note
        for note in apply_pedal(score)
        if clip.from_beats - _CLOSE_BEATS <= own.beats_at(note.onset_s) < end_beats - _CLOSE_BEATS
        and (not clip.channels or note.midi_channel + 1 in clip.channels)
    ]
    if not chosen:
        raise TimelineError(f"{clip.file} holds no notes where the clip takes them from; change its beats or channels")
    last_s = max(score.duration_s, *(note.end_s for note in score.notes), 0.0)
    last_beats = math.ceil(own.beats_at(last_s) - _CLOSE_BEATS)
    length_beats = (last_beats if clip.to_beats is None else clip.to_beats) - clip.from_beats
    start_beats = tempo_map.beats_at(start_s) - clip.pickup_beats
    upbeat_s = own.seconds_at(clip.from_beats + clip.pickup_beats) - own.seconds_at(clip.from_beats)
    begin_s = start_s - upbeat_s if clip.follow == "seconds" else tempo_map.seconds_at(max(0.0, start_beats))
    if start_beats < -1e-9 or begin_s < -1e-9:
        raise TimelineError(
            f"{clip.file} has an upbeat of {clip.pickup_beats:g} beats, but begins at beat "
            f"{tempo_map.beats_at(start_s):g}: put it later"
        )

    def place(time_s: float, times: int) -> float:
        beats = max(0.0, min(own.beats_at(time_s), end_beats) - clip.from_beats)
        if clip.follow == "beats":
            return tempo_map.seconds_at(max(0.0, start_beats + times * length_beats + beats))
        whole_s = own.seconds_at(clip.from_beats + length_beats) - own.seconds_at(clip.from_beats)
        return begin_s + times * whole_s + own.seconds_at(clip.from_beats + beats) - own.seconds_at(clip.from_beats)

    return [
        tuple(_moved(note, clip, place(note.onset_s, times), place(note.end_s, times)) for note in chosen)
        for times in range(clip.repeat)
    ]


def _moved(note: Note, clip: ClipSettings, onset_s: float, end_s: float) -> Note:
    pitch = note.pitch + clip.transpose
    if not 0 <= pitch <= 127:
        raise TimelineError(f"{clip.file}, transposed by {clip.transpose}, has notes that MIDI does not have")
    return replace(note, onset_s=onset_s, duration_s=end_s - onset_s, pitch=pitch)


def _place_recording(clip: ClipSettings, source: Recording, tempo_map: TempoMap, start_s: float) -> list[Placed]:
    """A recording keeps its seconds; beats within it are the session's from where it lies."""
    if clip.channels or clip.transpose or clip.follow != "beats":
        raise TimelineError(f"{clip.file} is a recording; channels, transpose and follow are for MIDI files")
    begin_beats = tempo_map.beats_at(start_s)

    def samples(beats: float) -> int:
        return round((tempo_map.seconds_at(begin_beats + beats) - start_s) * source.sample_rate)

    end = source.audio.shape[1] if clip.to_beats is None else samples(clip.to_beats)
    part: FloatAudio = source.audio[:, samples(clip.from_beats) : end]
    if part.shape[1] == 0:
        raise TimelineError(f"{clip.file} holds nothing where the clip takes it from; change its beats")
    part = part * np.float32(10.0 ** (clip.gain_db / 20.0))
    if begin_beats < clip.pickup_beats - 1e-9:
        raise TimelineError(
            f"{clip.file} has an upbeat of {clip.pickup_beats:g} beats, but begins at beat {begin_beats:g}: put it "
            "later"
        )
    first_s = tempo_map.seconds_at(max(0.0, begin_beats - clip.pickup_beats))
    length_s = (end - samples(clip.from_beats)) / source.sample_rate
    return [AudioClip(part, source.sample_rate, first_s + times * length_s) for times in range(clip.repeat)]
