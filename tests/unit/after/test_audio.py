import numpy as np
import pytest

from after.audio import read_audio, resample, write_audio
from after.errors import AudioError


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".aiff"])
@pytest.mark.parametrize("channels", [1, 2])
def test_what_is_written_is_read(tmp_path, suffix, channels):
    audio = np.random.default_rng(0).uniform(-0.9, 0.9, (channels, 8193)).astype(np.float32)
    write_audio(tmp_path / "folder" / f"a{suffix}", audio, 48_000)
    read, sample_rate = read_audio(tmp_path / "folder" / f"a{suffix}")
    assert sample_rate == 48_000
    assert read.shape == audio.shape
    assert np.abs(read - audio).max() <= 1 / 32768
    assert [path.name for path in (tmp_path / "folder").iterdir()] == [f"a{suffix}"]


def test_mono_is_the_mean_of_the_channels(tmp_path):
    write_audio(tmp_path / "a.wav", np.stack([np.full(65, 0.5), np.full(65, 0.1)]), 44_100, subtype="FLOAT")
    read, _ = read_audio(tmp_path / "a.wav", mono=True)
    assert read.shape == (1, 65)
    assert np.allclose(read, 0.3)


def test_resampling_keeps_a_sine_and_its_place():
    times = np.arange(48_000) / 48_000
    expected = np.sin(2 * np.pi * 1000 * np.arange(44_100) / 44_100)
    resampled = resample(np.sin(2 * np.pi * 1000 * times)[None], 48_000, 44_100)[0]
    assert len(resampled) == 44_100
    assert np.abs(resampled - expected)[1000:-1000].max() < 1e-3


def test_reading_at_another_rate(tmp_path):
    write_audio(tmp_path / "a.wav", np.zeros((1, 48_000)), 48_000)
    audio, sample_rate = read_audio(tmp_path / "a.wav", sample_rate=44_100)
    assert (audio.shape, sample_rate) == ((1, 44_100), 44_100)


def test_errors(tmp_path):
    with pytest.raises(AudioError, match="is not a file"):
        read_audio(tmp_path / "none.wav")
    (tmp_path / "bad.wav").write_bytes(b"text")
    with pytest.raises(AudioError, match="cannot be read as audio"):
        read_audio(tmp_path / "bad.wav")
    write_audio(tmp_path / "empty.wav", np.zeros((1, 0)), 44_100)
    with pytest.raises(AudioError, match="no samples"):
        read_audio(tmp_path / "empty.wav")
    with pytest.raises(AudioError, match="no audio suffix"):
        write_audio(tmp_path / "a.xyz", np.zeros((1, 9)), 44_100)
    with pytest.raises(AudioError, match="cannot hold FLOAT"):
        write_audio(tmp_path / "a.flac", np.zeros((1, 9)), 44_100, subtype="FLOAT")
    with pytest.raises(AudioError, match="above 0 Hz"):
        resample(np.zeros((1, 9)), 0, 44_100)
