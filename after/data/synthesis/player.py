"""Plays notes with the recordings of one instrument."""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np

from after.audio import FloatAudio
from after.data.synthesis.loop import Loop, find_loop, sustain
from after.data.synthesis.loudness import LoudnessCurve
from after.data.synthesis.samples import SampledInstrument
from after.data.synthesis.take import read_take, shift_pitch
from after.data.synthesis.traits import Traits, traits_of
from after.errors import ConfigError, InstrumentError
from after.midi import Note

MAX_SHIFT_SEMITONES = 4
WIDEST_GAP_SHIFT_SEMITONES = 6
EDGE_SHIFT_SEMITONES = 2

_VELOCITY_STEPS_PER_SEMITONE = 24.0
"""A layer this much nearer in velocity is worth a recording one semitone farther away."""
_RESTRIKE_S = 0.06
_MAX_TAIL_S = 4.0
_LOOP_STEP_S = 4.0


class PhraseSynthesizer:
    """Turn notes into audio with one multi-sampled instrument.

    For every note the recording nearest in pitch and velocity is tuned, shifted, brought to the note's level, looped
    if the instrument sustains, and released at the note-off. The sound of a note starts at its onset, never before.

    Attributes:
        playable_pitches: the pitches it takes; recordings are shifted by `max_shift` semitones at most, by up to 6
            inside gaps where nothing is nearer, and by up to 2 beyond the recorded range.
    """

    def __init__(
        self,
        instrument: SampledInstrument,
        *,
        sample_rate: int = 44_100,
        max_shift: int = MAX_SHIFT_SEMITONES,
        traits: Traits | None = None,
        cache_mib: int = 384,
    ) -> None:
        """Read and measure the recordings.

        Args:
            instrument: from `load_instruments`.
            sample_rate: of the audio to give, in Hz.
            max_shift: semitones by which a recording may be shifted, 0..6.
            traits: how the instrument behaves; None tells it from its name, family and articulation.
            cache_mib: memory for shifted recordings; less only costs time.

        Raises:
            AudioError: if a recording cannot be read or is silent.
            ConfigError: if `max_shift` is out of range.
        """
        if not 0 <= max_shift <= WIDEST_GAP_SHIFT_SEMITONES:
            raise ConfigError(f"max_shift is {max_shift} semitones; it must be 0-{WIDEST_GAP_SHIFT_SEMITONES}")
        self.instrument = instrument
        self.sample_rate = sample_rate
        self.traits = traits or traits_of(instrument)
        self.playable_pitches = playable_pitches(instrument, max_shift)
        self._max_shift = max_shift
        self._takes = [read_take(sample, sample_rate) for sample in instrument.samples]
        self.loudness = LoudnessCurve(instrument, self._takes, self.traits)
        self._cache: OrderedDict[tuple[int, int, bool], FloatAudio] = OrderedDict()
        self._cache_bytes = cache_mib << 20
        self._loops: dict[int, Loop] = {}

    def render(self, notes: Sequence[Note], *, gain_db: float = 0.0) -> FloatAudio:
        """Play notes.

        Args:
            notes: any order; time 0 is the first sample of the result. Channel, track and program are not looked at.
            gain_db: added to all levels.

        Returns:
            audio [1, T], as long as the notes and their tails; scaled down as a whole if it would clip.

        Raises:
            InstrumentError: if a note lies outside `playable_pitches` or before time 0.
        """
        if not notes:
            return np.zeros((1, 0), dtype=np.float32)
        ordered = sorted(notes)
        self._check(ordered)
        length = max(round(note.end_s * self.sample_rate) for note in ordered)
        mix = np.zeros(length + round(_MAX_TAIL_S * self.sample_rate), dtype=np.float32)
        for note, cut_s in zip(ordered, self._cuts(ordered), strict=True):
            self._add(mix, note, cut_s)
        mix *= 10 ** (gain_db / 20)
        peak = float(np.max(np.abs(mix)))
        if peak > 0.99:
            mix *= 0.99 / peak
        audible = np.flatnonzero(np.abs(mix[length:]) > 1e-4)
        stop = length + (int(audible[-1]) + 1 if len(audible) else 0)
        return mix[None, :stop]

    def choose_take(self, pitch: int, velocity: int) -> int:
        """Give the index of the recording that a note is played with: nearest in pitch, then in velocity."""
        nearest = min(abs(sample.pitch - pitch) for sample in self.instrument.samples)
        limit = max(self._max_shift, nearest)
        costs = [
            abs(sample.pitch - pitch) + abs(sample.velocity - velocity) / _VELOCITY_STEPS_PER_SEMITONE
            if abs(sample.pitch - pitch) <= limit
            else np.inf
            for sample in self.instrument.samples
        ]
        return int(np.argmin(costs))

    def _check(self, notes: Sequence[Note]) -> None:
        bad = next((note for note in notes if note.pitch not in self.playable_pitches or note.onset_s < 0), None)
        if bad is not None:
            low, high = min(self.playable_pitches), max(self.playable_pitches)
            raise InstrumentError(
                f"{self.instrument.name} cannot play {bad}; transpose it into pitches {low}-{high}, at times from 0 s"
            )

    def _cuts(self, notes: Sequence[Note]) -> list[float]:
        """Tell for each note when a later one stops its tail: the same pitch, or any if it plays one at a time."""
        following: dict[int, float] = {}
        cuts = []
        for note in reversed(notes):
            key = 0 if self.traits.is_monophonic else note.pitch
            cuts.append(max(following.get(key, np.inf), note.end_s))
            following[key] = note.onset_s
        return cuts[::-1]

    def _add(self, mix: FloatAudio, note: Note, cut_s: float) -> None:
        """Mix one note in."""
        start = round(note.onset_s * self.sample_rate)
        held = max(1, round(note.duration_s * self.sample_rate))
        release_s = self.traits.release_s
        wanted = len(mix) - start if release_s is None else held + round(release_s * self.sample_rate)
        wanted = min(wanted, len(mix) - start)
        take = self.choose_take(note.pitch, note.velocity)
        sound = self._sound(take, note.pitch, wanted)[:wanted]
        sound = sound * np.float32(self.loudness.gain(self._takes[take], note.pitch, note.velocity))
        if release_s is not None:
            _release(sound, held, release_s, self.sample_rate)
        if np.isfinite(cut_s):
            sound = sound[: round((cut_s - note.onset_s + _RESTRIKE_S) * self.sample_rate)]
            _release(sound, max(held, round((cut_s - note.onset_s) * self.sample_rate)), _RESTRIKE_S, self.sample_rate)
        mix[start : start + len(sound)] += sound

    def _sound(self, take: int, pitch: int, num_samples: int) -> FloatAudio:
        """Give a take at a pitch, looped where it is needed for `num_samples`; the same whatever was asked before."""
        sample = self.instrument.samples[take]
        cents = 100.0 * (pitch - sample.pitch) - sample.tuning_cents
        plain = self._cached((take, pitch, False))
        if plain is None:
            plain = self._keep((take, pitch, False), shift_pitch(self._takes[take].audio, cents, self.sample_rate))
        if not self.traits.is_sustained:
            return plain
        if take not in self._loops:
            self._loops[take] = find_loop(self._takes[take].audio, self.sample_rate)
        loop = self._loops[take].scaled(2.0 ** (-cents / 1200.0))
        if num_samples <= loop.end:
            return plain
        looped = self._cached((take, pitch, True))
        if looped is None or len(looped) < num_samples:
            step = round(_LOOP_STEP_S * self.sample_rate)
            looped = self._keep((take, pitch, True), sustain(plain, loop, -(-num_samples // step) * step))
        return looped

    def _cached(self, key: tuple[int, int, bool]) -> FloatAudio | None:
        if key in self._cache:
            self._cache.move_to_end(key)
        return self._cache.get(key)

    def _keep(self, key: tuple[int, int, bool], audio: FloatAudio) -> FloatAudio:
        """Remember a shifted take, and forget the longest unused ones beyond the memory allowed."""
        self._cache[key] = audio
        self._cache.move_to_end(key)
        total = sum(kept.nbytes for kept in self._cache.values())
        while total > self._cache_bytes and len(self._cache) > 1:
            total -= self._cache.popitem(last=False)[1].nbytes
        return audio


def playable_pitches(instrument: SampledInstrument, max_shift: int = MAX_SHIFT_SEMITONES) -> frozenset[int]:
    """Give the pitches that can be played by shifting the instrument's recordings."""
    low, high = min(instrument.pitches), max(instrument.pitches)
    edge = min(EDGE_SHIFT_SEMITONES, max_shift)
    playable = set()
    for pitch in range(max(0, low - edge), min(127, high + edge) + 1):
        distance = min(abs(pitch - recorded) for recorded in instrument.pitches)
        if distance <= max(max_shift, WIDEST_GAP_SHIFT_SEMITONES if max_shift else 0):
            playable.add(pitch)
    return frozenset(playable)


def _release(sound: FloatAudio, held: int, release_s: float, sample_rate: int) -> None:
    """Fade [T] audio out after `held` samples, by 60 dB in `release_s` and on to zero, in place."""
    tail = len(sound) - held
    if tail <= 0:
        _taper(sound, sample_rate)
        return
    length = min(tail, max(1, round(release_s * sample_rate)))
    progress = (np.arange(length, dtype=np.float32) + 1) / length
    sound[held : held + length] *= np.exp(-6.9 * progress) * np.minimum(1.0, (1.0 - progress) * 4)
    sound[held + length :] = 0.0


def _taper(sound: FloatAudio, sample_rate: int) -> None:
    """Bring the last 3 ms of [T] audio to zero, in place."""
    length = min(len(sound), round(0.003 * sample_rate))
    sound[len(sound) - length :] *= np.linspace(1.0, 0.0, length, dtype=np.float32)
