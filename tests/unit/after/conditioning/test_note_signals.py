import numpy as np
import pytest
import torch

from after.conditioning.note_signals import NoteSignals
from after.conditioning.roll import onset_value
from after.instrument import NoteEvent
from after.instrument.events import HeldNotes
from after.streaming.verify import verify_streaming

HOP = 8


def signals(num_frames, *events, num_voices=2):
    """Give [1, T, 2 * voices] from (sample, voice, pitch, velocity) changes."""
    x = torch.zeros(1, num_frames * HOP, 2 * num_voices)
    for sample, voice, pitch, velocity in events:
        x[0, sample:, 2 * voice] = pitch
        x[0, sample:, 2 * voice + 1] = velocity
    return x


def structure_of(x, hop=HOP):
    module = NoteSignals(x.size(2) // 2, hop=hop)
    return module(x)[0]


@pytest.mark.parametrize("batch_size", [1, 3])
def test_it_keeps_the_streaming_contract(batch_size):
    verify_streaming(NoteSignals(3, hop=4), 6, batch_size=batch_size, num_steps=20)


def test_silence_gives_zeros():
    assert not structure_of(signals(3)).any()


def test_a_note_sounds_from_its_frame_on_and_its_onset_tells_the_sample():
    structure = structure_of(signals(4, (HOP + 2, 0, 60, 127), (3 * HOP, 0, 60, 0)))
    assert structure[:, 60].tolist() == [0, 1, 1, 0]
    assert structure[:, 128 + 60].tolist() == [0, onset_value(2 / HOP), 0, 0]
    assert structure.sum() == 2 + onset_value(2 / HOP)


def test_a_note_off_inside_a_frame_lets_the_frame_sound():
    structure = structure_of(signals(3, (0, 0, 60, 127), (HOP + 1, 0, 60, 0)))
    assert structure[:, 60].tolist() == [1, 1, 0]


def test_a_note_within_one_frame_is_heard():
    structure = structure_of(signals(2, (3, 0, 60, 127), (5, 0, 60, 0)))
    assert structure[:, 60].tolist() == [1, 0]


def test_the_same_pitch_struck_again_has_an_onset_and_the_new_velocity():
    structure = structure_of(signals(3, (0, 0, 60, 127), (HOP + 2, 0, 60, 0), (HOP + 3, 0, 60, 63.5)))
    assert structure[:, 60].tolist() == [1, 0.5, 0.5]
    assert structure[:, 188].tolist() == [1, onset_value(3 / HOP), 0]


def test_a_new_pitch_without_a_gap_is_a_new_note():
    structure = structure_of(signals(2, (0, 0, 60, 127), (HOP, 0, 62, 127)))
    assert structure[:, 60].tolist() == [1, 0]
    assert structure[:, 62].tolist() == [0, 1]
    assert structure[:, 190].tolist() == [0, 1]


def test_voices_sound_together():
    structure = structure_of(signals(1, (0, 0, 60, 127), (4, 1, 64, 127)))
    assert structure[0].nonzero().flatten().tolist() == [60, 64, 188, 192]


def test_a_velocity_that_moves_while_a_note_is_held_changes_nothing():
    x = signals(3, (0, 0, 60, 127))
    x[0, 10:, 1] = 50.0
    assert structure_of(x)[:, 60].tolist() == [1, 1, 1]


@pytest.mark.parametrize("pitch", [-1.0, 128.0, float("inf"), -float("inf"), 1e30])
def test_a_pitch_out_of_range_is_silent(pitch):
    assert not structure_of(signals(2, (0, 0, pitch, 100))).any()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_broken_signals_give_finite_frames(value):
    assert structure_of(torch.full((1, 16, 4), value)).isfinite().all()


def test_velocities_above_127_are_clamped():
    assert structure_of(signals(1, (0, 0, 60, 1000)))[0, 60] == 1


def brute_force(x, hop):
    """Look at every sample of [T, 2 * voices] for note events, and let the runtime's keyboard lay them out."""
    events = {}
    before = [(0, False)] * (x.size(1) // 2)
    for sample, row in enumerate(x.tolist()):
        now = [(round(row[2 * v]), row[2 * v + 1] > 0) for v in range(x.size(1) // 2)]
        here = events.setdefault(sample // hop, [])
        pairs = list(zip(before, now, strict=True))
        offset = sample % hop
        here += [NoteEvent(offset, was[0], 0) for was, is_ in pairs if was[1] and was != is_]
        here += [
            NoteEvent(offset, is_[0], int(row[2 * v + 1]))
            for v, (was, is_) in enumerate(pairs)
            if is_[1] and was != is_
        ]
        before = now
    keyboard = HeldNotes(hop)
    return torch.from_numpy(np.stack([keyboard.frame(events[frame]) for frame in sorted(events)]))


@pytest.mark.parametrize("seed", range(8))
def test_signals_and_events_of_the_same_notes_give_the_same_structure(seed):
    generator = np.random.default_rng(seed)
    x = torch.zeros(40 * HOP, 6)
    for voice in range(3):
        sample = 0
        while sample < len(x):  # few pitches and short notes: voices meet on a pitch, frames hold several events
            length = int(generator.integers(1, 2 * HOP))
            x[sample : sample + length, 2 * voice] = float(generator.integers(60, 63))
            x[sample : sample + length, 2 * voice + 1] = float(generator.choice([0, 0, 40, 100]))
            sample += length
    torch.testing.assert_close(structure_of(x[None]), brute_force(x, HOP), rtol=0, atol=1e-6)
