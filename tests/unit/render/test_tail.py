import numpy as np
import pytest

from render.tail import fade_out, trim_tail

RATE = 1000


def decay(length, level=0.5, per_sample=0.99):
    return (level * per_sample ** np.arange(length))[None].astype(np.float32)


def test_silence_is_cut_fifty_ms_after_the_last_sound():
    audio = decay(5000)
    last = np.flatnonzero(audio[0] > 10 ** (-70 / 20))[-1]
    trimmed = trim_tail(audio, RATE, keep_samples=10)
    assert trimmed.shape == (1, last + 1 + 50)
    np.testing.assert_array_equal(trimmed[:, :-50], audio[:, : last + 1])
    assert trimmed[0, -1] == 0.0


def test_nothing_is_cut_before_the_last_note_off():
    assert trim_tail(np.zeros((2, 900), dtype=np.float32), RATE, keep_samples=700).shape == (2, 750)


def test_a_tail_that_never_ends_is_faded():
    trimmed = trim_tail(np.ones((2, 900), dtype=np.float32), RATE, keep_samples=700)
    assert trimmed.shape == (2, 900)
    assert (np.diff(trimmed[0, 850:]) < 0).all()
    assert trimmed[0, -1] == 0.0
    assert (trimmed[:, :850] == 1.0).all()


@pytest.mark.parametrize("length", [0, 1, 65])
def test_short_audio_is_faded_over_what_there_is(length):
    assert fade_out(np.ones((1, length), dtype=np.float32), 44100).shape == (1, length)


def test_the_input_is_left_alone():
    audio = np.ones((1, 100), dtype=np.float32)
    fade_out(audio, RATE)
    assert (audio == 1.0).all()
