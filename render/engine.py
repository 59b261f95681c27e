"""A timeline becomes audio: performances, track effects, the graph, master effects, tail, level.

notes or audio --instrument--> [1, T] --mixer: effects, gain, pan, buses--> [2, T] --master effects--> [2, T]
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from after.audio import FloatAudio, resample
from render.automation import find_timbre, track_automation
from render.effects import apply_effects
from render.errors import TimelineError
from render.large import peak_of, pieces, scaled, zeros
from render.level import protect_peak
from render.loudness import match_loudness
from render.mixer import Mixer
from render.stopwatch import Stopwatch
from render.tail import fade_end, find_end
from render.timeline import Bus, Timeline, Track
from render.voices import Instrument, Passage, Phrase, make_passage, perform, set_attributes, split_phrases

EFFECT_TAIL_S = 20.0
"""Silence that effects are given to ring out in; what stays silent is cut again."""

Progress = Callable[[str, float], None]
"""Called with what is being done and the fraction 0..1 of the whole render."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RenderSettings:
    """How to render a timeline.

    Attributes:
        seed: of the first track; the others' follow.
        tail_s: how long instruments may ring after the end.
        normalize: bring the peak to -1 dBFS.
        loudness_lufs: bring the loudness there instead; None leaves it.
        true_peak_dbtp: which the peak does not exceed then.
        block_size: of the graph.
        attributes: go to the instruments (`num_steps`, `guidance_timbre`, ...).
        keep_stems: whether stems are wanted.
        from_s: what lies before is computed, but not given.
        to_s: likewise for what comes after; None goes on until the sound is over.
    """

    seed: int = 0
    tail_s: float = 3.0
    normalize: bool = False
    loudness_lufs: float | None = None
    true_peak_dbtp: float = -1.0
    block_size: int = 512
    attributes: Mapping[str, float | None] = field(default_factory=dict)
    keep_stems: bool = False
    from_s: float = 0.0
    to_s: float | None = None


@dataclass(frozen=True, slots=True)
class RenderResult:
    """What was rendered.

    Attributes:
        audio: [2, T] float32.
        sample_rate: Hz.
        remarks: for the user.
        stems: by track and bus [2, T], if they were wanted.
        seconds: that instruments, the mix, the master's effects and the level took.
    """

    audio: FloatAudio
    sample_rate: int
    remarks: tuple[str, ...] = ()
    stems: Mapping[str, FloatAudio] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)


def render_timeline(
    timeline: Timeline,
    instrument: Instrument,
    settings: RenderSettings | None = None,
    progress: Progress | None = None,
    *,
    others: Mapping[Path | None, Instrument] | None = None,
) -> RenderResult:
    """Render all tracks of a timeline to one stereo mix.

    Every sample stands where the timeline puts it: the instrument and the effects take their latency out. With no
    effects, one track and no clipping, the result is the instrument's own audio on both channels.

    Args:
        timeline: what to play.
        instrument: plays the tracks that name none, one after the other; its timbre is changed. Its rate is the mix's.
        settings: seed, tail, level.
        progress: called now and then.
        others: the instruments that tracks name.

    Raises:
        RenderError: if a timbre is not there, the instrument is not played by what the timeline holds, or the graph
            cannot be rendered.
    """
    settings = settings or RenderSettings()
    players: dict[Path | None, Instrument] = {None: instrument, **(others or {})}
    _check_players(timeline, players)
    sample_rate = instrument.sample_rate
    keep_samples = round(timeline.end_s * sample_rate)
    played_samples = round((timeline.end_s + settings.tail_s) * sample_rate)
    strips: tuple[Track | Bus, ...] = (*timeline.tracks, *timeline.buses)
    has_effects = bool(timeline.effects) or any(strip.effects for strip in strips)
    total_samples = played_samples + (round(EFFECT_TAIL_S * sample_rate) if has_effects else 0)

    mixer = Mixer(total_samples, sample_rate, settings.block_size, keep_stems=settings.keep_stems)
    watch = Stopwatch()
    whole_s = sum(track.end_s + settings.tail_s for track in timeline.tracks)
    done_s = 0.0
    for index, track in enumerate(timeline.tracks):
        player = players[track.instrument]
        report = _reporter(progress, track.name, done_s, whole_s)
        seed, duration_s = settings.seed + index, played_samples / sample_rate
        with watch("instruments"):
            audio = _perform(track, player, settings, duration_s, seed=seed, progress=report)
        with watch("mix"):
            mixer.add(track, _fitted(audio, player.sample_rate, sample_rate, total_samples))
        done_s += track.end_s + settings.tail_s

    with watch("mix"):
        mix = mixer.finish(timeline.buses)
    with watch("master"):
        mastered = apply_effects(mix, timeline.effects, sample_rate)
    with watch("level"):
        result = _finish(mastered, mixer.stems, settings, sample_rate, keep_samples)
    return replace(result, seconds=watch.seconds())


def _finish(
    mastered: FloatAudio,
    stems: Mapping[str, FloatAudio],
    settings: RenderSettings,
    sample_rate: int,
    keep_samples: int,
) -> RenderResult:
    """Cut the mix to what is wanted and see to its level; stems likewise, so that they still add up to it."""
    first = round(settings.from_s * sample_rate)
    if first >= mastered.shape[1]:
        raise TimelineError(f"the region begins at {settings.from_s:g} s, when all is over; begin it earlier")
    if settings.to_s is None:
        end = find_end(mastered, sample_rate, keep_samples=keep_samples)
        whole, stems = mastered[:, :end], {name: _lengthened(stem, end) for name, stem in stems.items()}
        for audio in (whole, *stems.values()):
            fade_end(audio, sample_rate)
    else:
        whole = _lengthened(mastered, round(settings.to_s * sample_rate))
        stems = {name: _lengthened(stem, whole.shape[1]) for name, stem in stems.items()}
    wanted = whole[:, first:]
    audio, remark = _levelled(wanted, settings, sample_rate)
    peak, new_peak = peak_of(wanted), peak_of(audio)
    gain = new_peak / peak if peak > 0.0 else 1.0
    levelled = {name: scaled(stem[:, first:], gain) for name, stem in stems.items()}
    return RenderResult(audio, sample_rate, (remark,) if remark else (), levelled)


def _levelled(audio: FloatAudio, settings: RenderSettings, sample_rate: int) -> tuple[FloatAudio, str | None]:
    """Bring the mix to the level that is wanted; gives it with a remark."""
    if settings.loudness_lufs is None:
        return protect_peak(audio, normalize=settings.normalize)
    return match_loudness(
        audio, sample_rate, target_lufs=settings.loudness_lufs, max_true_peak_dbtp=settings.true_peak_dbtp
    )


def _check_players(timeline: Timeline, players: Mapping[Path | None, Instrument]) -> None:
    """Make sure that each track has an instrument that is played by what it holds, in timbres that it has."""
    for track in timeline.tracks:
        if track.instrument not in players:
            raise TimelineError(f"{track.name} is played by {track.instrument}, which was not loaded")
        player = players[track.instrument]
        check_kind(player, with_notes=bool(track.notes()), with_audio=bool(track.recordings()))
        for timbre in (track.timbre,) if track.timbre_path is None else track.timbre_path.timbres:
            find_timbre(timbre, player)


def _perform(
    track: Track,
    player: Instrument,
    settings: RenderSettings,
    duration_s: float,
    *,
    seed: int,
    progress: Callable[[float], None] | None,
) -> FloatAudio:
    """Let a track be played, at its instrument's rate."""
    set_attributes(player, settings.attributes)
    automate = track_automation(track, player)
    timbre = find_timbre(track.timbre if track.timbre_path is None else track.timbre_path.timbres[0], player)
    num_samples = round(duration_s * player.sample_rate)
    phrases = _phrases(track, player, settings.tail_s, num_samples)
    return perform(player, phrases, timbre, num_samples, seed=seed, automate=automate, progress=progress)


def _fitted(audio: FloatAudio, audio_rate: int, sample_rate: int, num_samples: int) -> FloatAudio:
    """Bring audio [1, T] to the rate and the length of the mix."""
    return _lengthened(resample(audio, audio_rate, sample_rate), num_samples)


def _lengthened(audio: FloatAudio, num_samples: int) -> FloatAudio:
    """Cut audio [C, T], or add silence to it, to a length; cut, it is the same memory."""
    if audio.shape[1] >= num_samples:
        return audio[:, :num_samples]
    longer = zeros((audio.shape[0], num_samples))
    for piece in pieces(audio.shape[1]):
        longer[:, piece] = audio[:, piece]
    return longer


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


def _reporter(progress: Progress | None, name: str, done_s: float, whole_s: float) -> Callable[[float], None] | None:
    """Turn seconds of one track into a fraction of the whole."""
    if progress is None:
        return None
    return lambda track_s: progress(name, min(1.0, (done_s + track_s) / whole_s))
