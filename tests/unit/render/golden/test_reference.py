"""References are recorded whole or not at all, and only when that changes them."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from render.golden.compare import Sound, Tolerance
from render.golden.errors import GoldenError
from render.golden.reference import make_sound, read_reference, record_sound


@pytest.fixture
def sound() -> Sound:
    audio = np.random.default_rng(0).uniform(-1.0, 1.0, (2, 5000)).astype(np.float32)
    audio[:, 0], audio[:, 1] = 1.0, -1.0
    return Sound(audio, 48000)


def test_24_bits_come_back(sound: Sound, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.flac"
    assert record_sound(path, sound) == "new"
    info = soundfile.info(path)
    assert (info.format, info.subtype, info.samplerate, info.channels) == ("FLAC", "PCM_24", 48000, 2)
    back = read_reference(path)
    assert back is not None
    assert np.abs(back.audio - sound.audio).max() < 2.0**-22
    assert [file.name for file in path.parent.iterdir()] == ["a.flac"]


def test_what_stays_the_same_is_left_alone(sound: Sound, tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    record_sound(path, sound)
    before = path.stat().st_ino
    assert record_sound(path, sound) == "unchanged"
    assert path.stat().st_ino == before
    assert record_sound(path, Sound(sound.audio * np.float32(1 - 1e-6), 48000)).startswith("changed: within its tol")
    assert path.stat().st_ino != before


def test_a_change_is_told_by_its_figures(sound: Sound, tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    record_sound(path, sound)
    softer = Sound(sound.audio * np.float32(0.5), 48000)
    said = record_sound(path, softer, Tolerance(window_level_db=100))
    assert said.startswith("changed: level -6.021 dB; residual -6.0 dB; spectral ")
    assert (
        record_sound(path, Sound(softer.audio, 44100))
        == "changed: format 44100 Hz instead of 48000, 2 channels, 5000 samples"
    )


def test_a_file_that_cannot_be_read_is_said_and_can_be_recorded_again(sound: Sound, tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    path.write_bytes(b"fLaC")
    with pytest.raises(GoldenError, match=r"a\.flac .*record it again"):
        read_reference(path)
    assert record_sound(path, sound) == "new, in place of a file that could not be read"
    assert read_reference(path) is not None


def test_no_reference_is_none(tmp_path: Path) -> None:
    assert read_reference(tmp_path / "a.flac") is None


@pytest.mark.parametrize(
    ("audio", "words"),
    [
        (np.array([[0.0, np.nan]]), "NaN"),
        (np.array([[0.0, 1.01]]), "peaks at 1.010"),
        (np.zeros((1, 0)), "not empty"),
        (np.zeros((441, 2)), "441 channels"),
    ],
)
def test_what_a_file_cannot_hold_is_refused_and_nothing_written(audio: np.ndarray, words: str, tmp_path: Path) -> None:
    with pytest.raises(GoldenError, match=words):
        record_sound(tmp_path / "a.flac", Sound(audio, 48000))
    assert list(tmp_path.iterdir()) == []


def test_audio_from_outside_is_checked() -> None:
    assert make_sound([0.0, 0.5], 44100).audio.shape == (1, 2)
    assert make_sound(np.zeros((2, 3), dtype=np.float32), np.int64(8000)).sample_rate == 8000
    for audio, rate in (
        (np.zeros((1, 2, 3)), 44100),
        (np.zeros((2, 3), dtype=np.int16), 44100),
        ([0.0], 0),
        ([0.0], 0.5),
    ):
        with pytest.raises(GoldenError, match="give"):
            make_sound(audio, rate)
