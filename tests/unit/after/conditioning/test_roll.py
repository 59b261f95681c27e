"""The piano roll: rolls written by hand, a brute-force second reading, and crops that agree with the whole."""

import numpy as np
import pytest
from numpy.typing import NDArray

from after.conditioning.roll import NUM_PITCHES, ROLL_CHANNELS, onset_value, piano_roll

RATE = 44_100 / 1_024


def notes(*rows: tuple[float, float, int, int]) -> NDArray[np.float32]:
    return np.array(rows, dtype=np.float32).reshape(-1, 4)


def random_notes(count: int, duration_s: float, seed: int = 0) -> NDArray[np.float32]:
    """Notes that never overlap on one pitch, as after the pedal; some fall on frame boundaries."""
    rng = np.random.default_rng(seed)
    rows = []
    for pitch in rng.choice(128, size=count // 8, replace=False):
        edges = np.sort(rng.uniform(0, duration_s, 16))
        if rng.random() < 0.5:
            edges = np.round(edges * RATE) / RATE
        rows += [(a, b - a, pitch, rng.integers(1, 128)) for a, b in edges.reshape(8, 2) if b > a]
    return notes(*sorted(rows))


def test_a_roll_written_by_hand() -> None:
    roll = piano_roll(notes((1.0, 2.0, 60, 127), (2.5, 0.25, 64, 64)), 5, frame_rate=1.0)
    expected = np.zeros((ROLL_CHANNELS, 5), dtype=np.float32)
    expected[60] = [0, 1, 1, 0, 0]
    expected[64] = [0, 0, 64 / 127, 0, 0]
    expected[NUM_PITCHES + 60] = [0, 1, 0, 0, 0]
    expected[NUM_PITCHES + 64] = [0, 0, 0.75, 0, 0]
    assert roll.dtype == np.float32
    np.testing.assert_allclose(roll, expected, atol=1e-6)


@pytest.mark.parametrize(("fraction", "value"), [(0.0, 1.0), (0.5, 0.75), (0.999, 0.5005)])
def test_the_onset_value_falls_from_one_to_a_half(fraction: float, value: float) -> None:
    assert onset_value(fraction) == pytest.approx(value)
    roll = piano_roll(notes((3.0 + fraction, 1.0, 20, 100)), 6, frame_rate=1.0)
    assert roll[NUM_PITCHES + 20].tolist() == pytest.approx([0, 0, 0, value, 0, 0], abs=1e-5)


def test_the_onset_channel_tells_the_time_of_any_onset() -> None:
    onsets_s = np.random.default_rng(1).uniform(0, 3, 40)
    rows = notes(*[(onset, 0.05, 20 + index, 90) for index, onset in enumerate(onsets_s)])
    roll = piano_roll(rows, 140, frame_rate=RATE)
    for index, onset_s in enumerate(onsets_s):
        onset = roll[NUM_PITCHES + 20 + index]
        (frame,) = np.flatnonzero(onset)
        assert (frame + 2.0 * (1.0 - onset[frame])) / RATE == pytest.approx(onset_s, abs=1e-5)


def test_a_note_of_no_length_sounds_for_one_frame() -> None:
    roll = piano_roll(notes((2.0, 0.0, 60, 127)), 4, frame_rate=1.0)
    assert roll[60].tolist() == [0, 0, 1, 0]


def test_a_note_that_began_earlier_sounds_without_an_onset() -> None:
    roll = piano_roll(notes((-1.5, 3.0, 60, 127), (-3.0, 1.0, 61, 127)), 4, frame_rate=1.0)
    assert roll[60].tolist() == [1, 1, 0, 0]
    assert roll.sum() == 2


def test_notes_outside_the_frames_leave_nothing() -> None:
    assert not piano_roll(notes((4.0, 1.0, 60, 127), (-2.0, 2.0, 61, 127)), 4, frame_rate=1.0).any()
    assert not piano_roll(notes(), 4, frame_rate=1.0).any()
    assert piano_roll(notes((0.0, 1.0, 60, 127)), 0, frame_rate=1.0).shape == (ROLL_CHANNELS, 0)


def test_a_note_struck_again_takes_the_later_velocity_and_both_onsets() -> None:
    roll = piano_roll(notes((0.0, 2.0, 60, 127), (2.0, 2.0, 60, 64)), 5, frame_rate=1.0)
    assert roll[60].tolist() == pytest.approx([1, 1, 64 / 127, 64 / 127, 0])
    assert roll[NUM_PITCHES + 60].tolist() == pytest.approx([1, 0, 1, 0, 0], abs=1e-5)


def test_struck_again_inside_a_frame_the_later_note_wins_there() -> None:
    struck = notes((1.0, 0.5, 60, 127), (1.5, 1.0, 60, 64))
    for rows in (struck, struck[::-1]):
        roll = piano_roll(rows, 4, frame_rate=1.0)
        assert roll[60].tolist() == pytest.approx([0, 64 / 127, 64 / 127, 0])
        assert roll[NUM_PITCHES + 60].tolist() == pytest.approx([0, 0.75, 0, 0], abs=1e-5)


def test_rounding_does_not_move_a_note_off_its_frame_boundary() -> None:
    for frame in range(0, 4000, 37):
        roll = piano_roll(notes((frame / RATE, 3 / RATE, 60, 127)), 4100, frame_rate=RATE)
        assert np.flatnonzero(roll[60]).tolist() == [frame, frame + 1, frame + 2]
        assert np.flatnonzero(roll[NUM_PITCHES + 60]).tolist() == [frame]


def test_every_frame_that_a_note_touches_is_filled() -> None:
    """The brute-force reading: a frame is filled where its open interval meets that of a note."""
    rows = random_notes(80, 3.0)
    roll = piano_roll(rows, 140, frame_rate=RATE)
    touched = np.zeros((NUM_PITCHES, 140), dtype=bool)
    for onset_s, duration_s, pitch, _ in rows.astype(np.float64):
        for frame in range(140):
            overlap = min((frame + 1) / RATE, onset_s + duration_s) - max(frame / RATE, onset_s)
            touched[int(pitch), frame] |= overlap > 1e-5
    np.testing.assert_array_equal(roll[:NUM_PITCHES] > 0, touched)


@pytest.mark.parametrize("start", [0, 1, 17, 63])
def test_a_crop_of_a_piece_is_a_cut_of_its_roll(start: int) -> None:
    """Both with the crop's start given, and with onsets moved to it, as a store keeps the notes of a chunk."""
    rows = random_notes(120, 3.0, seed=2)
    whole = piano_roll(rows, 130, frame_rate=RATE)
    cut = whole[:, start : start + 40]
    np.testing.assert_allclose(piano_roll(rows, 40, frame_rate=RATE, start_s=start / RATE), cut, atol=2e-3)
    moved = rows.astype(np.float64) - np.array([start / RATE, 0, 0, 0])
    np.testing.assert_allclose(piano_roll(moved.astype(np.float32), 40, frame_rate=RATE), cut, atol=2e-3)


def test_the_order_of_the_notes_does_not_matter() -> None:
    rows = random_notes(80, 3.0, seed=3)
    shuffled = rows[np.random.default_rng(0).permutation(len(rows))]
    np.testing.assert_array_equal(piano_roll(rows, 130, frame_rate=RATE), piano_roll(shuffled, 130, frame_rate=RATE))
