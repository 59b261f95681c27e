import numpy as np
import pytest

from render.tail import fade_end, find_end

RATE = 1000


def decay(length, level=0.5, per_sample=0.99):
    return (level * per_sample ** np.arange(length))[None].astype(np.float32)


@pytest.mark.parametrize("piece_samples", [100, 1 << 20])
def test_the_end_is_fifty_ms_after_the_last_sound(monkeypatch, piece_samples):
    monkeypatch.setattr("render.large.PIECE_SAMPLES", piece_samples)
    audio = decay(5000)
    last = np.flatnonzero(audio[0] > 10 ** (-70 / 20))[-1]
    assert find_end(audio, RATE, keep_samples=10) == last + 1 + 50


def test_nothing_is_cut_before_the_last_note_off():
    assert find_end(np.zeros((2, 900), dtype=np.float32), RATE, keep_samples=700) == 750


def test_a_tail_that_never_ends_is_kept_whole():
    assert find_end(np.ones((2, 900), dtype=np.float32), RATE, keep_samples=700) == 900


def test_a_fade_falls_to_silence_and_leaves_what_is_before():
    audio = np.ones((2, 900), dtype=np.float32)
    fade_end(audio, RATE)
    assert (np.diff(audio[0, 850:]) < 0).all()
    assert audio[0, -1] == 0.0
    assert (audio[:, :850] == 1.0).all()


@pytest.mark.parametrize("length", [0, 1, 65])
def test_short_audio_is_faded_over_what_there_is(length):
    audio = np.ones((1, length), dtype=np.float32)
    fade_end(audio, 44100)
    assert audio.shape == (1, length)
    assert not audio[:, -1:].any()
