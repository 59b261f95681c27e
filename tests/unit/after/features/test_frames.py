import numpy as np
import pytest

from after.errors import AudioError
from after.features.frames import as_mono, count_frames, frame_times_s, level_db, slice_frames


@pytest.mark.parametrize("window_length", [1, 7, 10, 11, 24])
@pytest.mark.parametrize("num_samples", [1, 9, 10, 11, 65])
def test_windows_are_centred_on_their_frames(num_samples, window_length):
    hop_length = 10
    mono = np.arange(1, num_samples + 1, dtype=np.float32)
    windows = slice_frames(mono, hop_length, window_length)
    assert windows.shape == (count_frames(num_samples, hop_length), window_length)
    for k, window in enumerate(windows):
        first = k * hop_length - (window_length - hop_length + 1) // 2
        expected = [mono[i] if 0 <= i < num_samples else 0.0 for i in range(first, first + window_length)]
        np.testing.assert_array_equal(window, expected)


def test_frame_times_are_centres():
    np.testing.assert_allclose(frame_times_s(2, 1024, 44100), [512 / 44100, 1536 / 44100])


def test_level_of_a_constant_and_of_silence():
    mono = np.concatenate([np.full(1024, 0.1), np.zeros(1024)]).astype(np.float32)
    np.testing.assert_allclose(level_db(mono, 1024), [-20.0, -120.0], atol=1e-4)


@pytest.mark.parametrize("audio", [np.zeros((1, 2, 3)), np.zeros(0), np.array([0.0, np.nan]), np.array([np.inf])])
def test_unusable_audio_is_refused(audio):
    with pytest.raises(AudioError):
        as_mono(audio)


def test_channels_are_averaged():
    np.testing.assert_array_equal(as_mono([[1.0, 0.0], [0.0, 0.0]]), [0.5, 0.0])
