"""How true reconstructions are to the recordings they were made from: figures per recording, group and system."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from after.codec.losses import SpectralLoss
from after.evaluation.pitch_accuracy import measure_pitch_accuracy
from after.evaluation.si_sdr import measure_si_sdr_db
from after.features.crepe import CrepeSize
from after.features.frames import level_db
from after.features.loudness import measure_loudness
from after.features.mel import log_mel_distance
from after.features.pitch import track_pitch
from after.settings import SpectralLossSettings

FloatAudio = NDArray[np.float32]

QUIET_DB = -50.0
"""Frames of the original below this level, in dBFS, do not count towards log-mel and loudness."""

LOW_GAIN = 0.01
"""How much quieter low-level input is: -40 dB."""

_HOP = 1024
_SILENCE_S = 2.0


@dataclass(frozen=True, slots=True)
class Sounded:
    """What came back.

    Attributes:
        audio: [1, T], as long as what was given and in time with it.
        kbps: kbit per second it took; NaN if that is not defined.
    """

    audio: FloatAudio
    kbps: float


class System(Protocol):
    """Something that turns audio into less and back."""

    @property
    def name(self) -> str:
        """How tables call it."""

    def reconstruct(self, audio: FloatAudio, sample_rate: int) -> Sounded:
        """Encode and decode [1, T] in +-1."""


@dataclass(frozen=True, slots=True, eq=False)
class Original:
    """A recording and what does not depend on the system.

    Attributes:
        name: of the recording.
        group: it is averaged with.
        audio: [1, T] at `sample_rate`.
        sample_rate: Hz.
        loudness_db: [L].
        is_loud: [L], above `QUIET_DB`.
        pitch: [L] fractional MIDI pitch, NaN where unvoiced.
    """

    name: str
    group: str
    audio: FloatAudio
    sample_rate: int
    loudness_db: NDArray[np.float32]
    is_loud: NDArray[np.bool_]
    pitch: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Figures:
    """How one reconstruction, or the average one, differs from its original; NaN where there is nothing to compare.

    Attributes:
        log_mel: mean absolute difference of log-mel spectra, natural-log units.
        stft: multi-scale spectral distance, as training measures it.
        si_sdr_db: scale-invariant signal-to-distortion ratio; averages are medians.
        pitch: share of the original's voiced frames whose pitch is within 50 cents.
        loudness_db: mean absolute A-weighted level difference.
        quiet_log_mel: `log_mel` of the input at -40 dB, its gain restored afterwards.
        kbps: kbit per second.
    """

    log_mel: float
    stft: float
    si_sdr_db: float
    pitch: float
    loudness_db: float
    quiet_log_mel: float
    kbps: float


@dataclass(frozen=True, slots=True)
class Trial:
    """One recording through one system."""

    system: str
    recording: str
    group: str
    figures: Figures


def analyse(name: str, group: str, audio: FloatAudio, sample_rate: int, *, pitch_model: CrepeSize) -> Original:
    """Measure what a recording [1, T] is compared by.

    Raises:
        AudioError: if it is empty or not finite.
    """
    track = track_pitch(audio, sample_rate, hop_length=_HOP, size=pitch_model)
    pitch = np.where(track.is_voiced(), track.pitch, np.nan).astype(np.float32)
    loudness_db = measure_loudness(audio, sample_rate, hop_length=_HOP)
    return Original(name, group, audio, sample_rate, loudness_db, level_db(audio[0], _HOP) > QUIET_DB, pitch)


@torch.inference_mode()
def compare(original: Original, audio: FloatAudio, quiet: FloatAudio, kbps: float, model: CrepeSize) -> Figures:
    """Measure a reconstruction, and one of the input at `LOW_GAIN` times its level, both as they came out."""
    rate = original.sample_rate
    track = track_pitch(audio, rate, hop_length=_HOP, size=model)
    # which frames the reconstruction calls voiced does not enter: its strongest pitch is right or not
    in_tune = measure_pitch_accuracy(track.pitch, np.ones(track.pitch.size, dtype=bool), original.pitch).overall
    loudness_db = np.abs(measure_loudness(audio, rate, hop_length=_HOP) - original.loudness_db)[original.is_loud]
    spectral = SpectralLoss(SpectralLossSettings().scales)
    pair = (torch.from_numpy(np.ascontiguousarray(x))[None] for x in (audio, original.audio))
    return Figures(
        log_mel=log_mel_distance(audio, original.audio, rate, hop_length=_HOP, quiet_db=QUIET_DB),
        stft=float(spectral(*pair)),
        si_sdr_db=measure_si_sdr_db(audio, original.audio),
        pitch=in_tune,
        loudness_db=float(loudness_db.mean()) if loudness_db.size else float("nan"),
        quiet_log_mel=log_mel_distance(quiet / LOW_GAIN, original.audio, rate, hop_length=_HOP, quiet_db=QUIET_DB),
        kbps=kbps,
    )


def try_systems(
    originals: Iterable[Original],
    systems: Sequence[System],
    *,
    pitch_model: CrepeSize,
    on_done: Callable[[], None] = lambda: None,
) -> list[Trial]:
    """Send every recording through every system and measure what comes back.

    Args:
        originals: from `analyse`.
        systems: in the order of the table.
        pitch_model: the CREPE network, as in `analyse`.
        on_done: called after each trial.
    """
    trials = []
    for original in originals:
        for system in systems:
            sounded = system.reconstruct(original.audio, original.sample_rate)
            quiet = system.reconstruct(original.audio * np.float32(LOW_GAIN), original.sample_rate).audio
            figures = compare(original, sounded.audio, quiet, sounded.kbps, pitch_model)
            trials.append(Trial(system.name, original.name, original.group, figures))
            on_done()
    return trials


def measure_silence_db(system: System, sample_rate: int) -> float:
    """Give the level in dBFS of what a system makes of digital silence; -120 for silence."""
    silence = np.zeros((1, round(_SILENCE_S * sample_rate)), dtype=np.float32)
    audio = system.reconstruct(silence, sample_rate).audio[0]
    return float(level_db(audio, audio.size)[0])


def summarise(trials: Sequence[Trial]) -> Figures:
    """Average trials, leaving NaN out; the SI-SDR's average is the median, because it is heavy-tailed."""
    averages = {}
    for field in fields(Figures):
        values = np.array([getattr(trial.figures, field.name) for trial in trials])
        known = values[~np.isnan(values)]
        middle = np.median if field.name == "si_sdr_db" else np.mean
        averages[field.name] = float(middle(known)) if known.size else float("nan")
    return Figures(**averages)
