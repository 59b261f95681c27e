"""Where things lie on a mel spectrogram: its rows, and the notes and pitches drawn over it."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from after.features.frames import frame_times_s
from after.features.mel import magnitude_spectrogram, mel_filters

RANGE_DB = 70.0

_MOST_HZ = 5_000.0  # above it there are few fundamentals, and the notes would be squeezed
_MOST_FRAMES = 600
_WINDOW_S = 0.09
_SHORTEST_NOTE_S = 0.02
_LOWEST_BOX_ROWS = 3.0


@dataclass(frozen=True, slots=True)
class MelScale:
    """The vertical axis: row r is the centre of band r."""

    sample_rate: int
    num_mels: int = 128

    @property
    def highest_hz(self) -> float:
        """Upper edge of the last band."""
        return min(_MOST_HZ, self.sample_rate / 2)

    def rows_of(self, hz: ArrayLike) -> NDArray[np.float64]:
        """Give the rows, fractions included, of frequencies.

        Source: O'Shaughnessy 1987, mel = 2595 log10(1 + f / 700), as in `after.features.mel`.
        """
        share = np.log10(1.0 + np.asarray(hz, dtype=np.float64) / 700.0) / math.log10(1.0 + self.highest_hz / 700.0)
        return np.asarray(share * (self.num_mels + 1) - 1.0)

    def rows_of_pitches(self, pitches: ArrayLike) -> NDArray[np.float64]:
        """Give the rows of MIDI pitches."""
        return self.rows_of(440.0 * 2.0 ** ((np.asarray(pitches, dtype=np.float64) - 69.0) / 12.0))


@dataclass(frozen=True, slots=True, eq=False)
class MelImage:
    """A spectrogram: levels [num_mels, L] in dB below the loudest point, which last `duration_s`."""

    levels_db: NDArray[np.float32]
    duration_s: float


def mel_image(mono: NDArray[np.float32], scale: MelScale) -> MelImage:
    """Compute a spectrogram of about as many frames as a picture has room for.

    Args:
        mono: [T], at least one sample.
        scale: its rows.
    """
    window_length = 1 << round(math.log2(_WINDOW_S * scale.sample_rate))
    hop_length = max(window_length // 16, math.ceil(mono.size / _MOST_FRAMES))
    filters = mel_filters(scale.sample_rate, window_length, scale.num_mels, 0.0, scale.highest_hz)
    mels = filters @ magnitude_spectrogram(mono, hop_length=hop_length, window_length=window_length)
    relative = np.maximum(mels / max(float(mels.max()), 1e-3), 10.0 ** (-RANGE_DB / 20.0))
    levels_db = np.asarray(20.0 * np.log10(relative), dtype=np.float32)
    return MelImage(levels_db, levels_db.shape[1] * hop_length / scale.sample_rate)


def note_boxes(notes: NDArray[np.float32], duration_s: float, scale: MelScale) -> NDArray[np.float64]:
    """Place notes on the picture: a semitone high, or enough to be seen, and cut where the audio begins and ends.

    Args:
        notes: [N, 4]: onset_s from the start of the chunk, duration_s, pitch, velocity.
        duration_s: of the audio.
        scale: the picture's rows.

    Returns:
        [M, 4]: left in seconds, bottom in rows, width, height; notes outside are left out.
    """
    onset_s, length_s, pitch = np.asarray(notes, dtype=np.float64)[:, :3].T
    left_s, right_s = np.maximum(onset_s, 0.0), np.minimum(onset_s + length_s, duration_s)
    right_s = np.maximum(right_s, np.minimum(left_s + _SHORTEST_NOTE_S, duration_s))
    bottom, top = scale.rows_of_pitches(pitch - 0.5), scale.rows_of_pitches(pitch + 0.5)
    missing = np.maximum(0.0, _LOWEST_BOX_ROWS - (top - bottom)) / 2
    is_inside = (onset_s < duration_s) & ((onset_s + length_s > 0.0) | (onset_s >= 0.0))
    boxes = np.stack([left_s, bottom - missing, right_s - left_s, top - bottom + 2 * missing], axis=1)
    return np.asarray(boxes[is_inside])


def pitch_line(
    pitch: NDArray[np.float32], scale: MelScale, *, hop_length: int, voicing: float, duration_s: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Place a pitch curve on the picture.

    Args:
        pitch: [2, L]: f0_hz and periodicity.
        scale: the picture's rows.
        hop_length: samples per frame.
        voicing: least periodicity of a frame that has a pitch.
        duration_s: of the audio; frames whose centre lies beyond are left out.

    Returns:
        seconds and rows, [L'] each; NaN where there is no pitch.
    """
    times_s = frame_times_s(pitch.shape[1], hop_length, scale.sample_rate)
    f0_hz = pitch[0].astype(np.float64)
    is_voiced = (pitch[1] >= np.float32(voicing)) & (f0_hz > 0.0)  # in single precision, as periodicity is stored
    rows = np.where(is_voiced, scale.rows_of(np.where(is_voiced, f0_hz, 1.0)), np.nan)
    is_inside = times_s < duration_s
    return times_s[is_inside], rows[is_inside]
