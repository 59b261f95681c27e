"""Notes as frames: the structure that a MIDI instrument is played with.

[256, L]: channels 0-127 hold velocity / 127 while a pitch sounds, channels 128-255 its onset. An onset's value tells
where in the frame it falls, from 1 (at the start) to just above 0.5 (at the end), so that timing is finer than a frame.
"""

import numpy as np
from numpy.typing import NDArray

NUM_PITCHES = 128
ROLL_CHANNELS = 2 * NUM_PITCHES
# half a sample at 1024 samples per frame: float32 times of minutes are still nearer than that
_ROUNDING_FRAMES = 5e-4


def onset_value(fraction: float) -> float:
    """Give the onset channel's value for an onset at `fraction` (0 to below 1) of a frame."""
    return 1.0 - 0.5 * fraction


def piano_roll(
    notes: NDArray[np.float32], num_frames: int, *, frame_rate: float, start_s: float = 0.0
) -> NDArray[np.float32]:
    """Turn notes into structure frames.

    A pitch sounds in every frame that it touches, one frame at least. When a pitch is struck again inside a frame the
    later note wins there.

    Args:
        notes: [N, 4], rows of onset_s, duration_s, pitch, velocity; the pedal already applied.
        num_frames: L.
        frame_rate: frames per second.
        start_s: time of the first frame; notes that began earlier sound without an onset.

    Returns:
        structure [256, L].
    """
    roll = np.zeros((ROLL_CHANNELS, num_frames), dtype=np.float32)
    if len(notes) == 0:
        return roll
    order = np.argsort(notes[:, 0], kind="stable")
    for onset_s, duration_s, pitch, velocity in notes[order].astype(np.float64):
        # a note on a frame boundary, up to rounding, belongs to the frame that begins there
        position = (onset_s - start_s) * frame_rate + _ROUNDING_FRAMES
        end = (onset_s + duration_s - start_s) * frame_rate - _ROUNDING_FRAMES
        first = int(np.floor(position))
        last = max(first + 1, int(np.ceil(end)))
        if last <= 0 or first >= num_frames:
            continue
        row = int(pitch)
        roll[row, max(first, 0) : last] = velocity / 127.0
        if first >= 0:
            roll[NUM_PITCHES + row, first] = onset_value(max(position - first - _ROUNDING_FRAMES, 0.0))
    return roll
