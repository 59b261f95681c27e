import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from render.engine import RenderResult
from render.errors import OutputError
from render.output import check_output, check_picture, check_place, describe_render, write_render, write_stems

AUDIO = (np.random.default_rng(0).uniform(-0.9, 0.9, (2, 3001))).astype(np.float32)
RESULT = RenderResult(AUDIO, 44100)


@pytest.mark.parametrize(
    ("name", "bit_depth", "subtype", "tolerance"),
    [
        ("a.wav", 16, "PCM_16", 2**-15),
        ("a.wav", 24, "PCM_24", 2**-23),
        ("a.wav", 32, "FLOAT", 0.0),
        ("a.FLAC", 16, "PCM_16", 2**-15),
        ("a.flac", 24, "PCM_24", 2**-23),
        ("a.ogg", 24, "VORBIS", None),
        ("a.mp3", 24, "MPEG_LAYER_III", None),
    ],
)
def test_every_format_reads_back(tmp_path, name, bit_depth, subtype, tolerance):
    path = tmp_path / name
    check_output(path, bit_depth=bit_depth)
    write_render(path, RESULT, bit_depth=bit_depth)
    frames, sample_rate = soundfile.read(path, always_2d=True, dtype="float32")
    assert sample_rate == 44100
    assert frames.shape == (3001, 2) or name == "a.mp3"
    assert soundfile.info(path).subtype == subtype
    if tolerance is not None:
        assert np.abs(frames.T - AUDIO).max() <= tolerance
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("name", "bit_depth", "message"),
    [
        ("a.mp4", 16, "no audio suffix"),
        ("a", 16, "no audio suffix"),
        ("a.flac", 32, "not 32"),
        ("nowhere/a.wav", 16, "nowhere is not a folder that exists"),
    ],
)
def test_what_cannot_be_written_is_said_before(tmp_path, name, bit_depth, message):
    with pytest.raises(OutputError, match=message):
        check_output(tmp_path / name, bit_depth=bit_depth)


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "out.wav").mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        check_output(tmp_path / "out.wav", bit_depth=16, force=True)


def test_an_existing_file_needs_force(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match="--force"):
        check_output(path, bit_depth=16)
    check_output(path, bit_depth=16, force=True)
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that even root cannot write to (/proc)")
def test_a_folder_without_write_access_is_said_before():
    with pytest.raises(OutputError, match=r"cannot be written .*choose a folder you may write to"):
        check_place(Path("/proc/a.wav"))


def test_a_folder_that_vanished_is_one_error(tmp_path):
    place = tmp_path / "file"
    place.write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_render(place / "a.wav", RESULT, bit_depth=16)


def test_minutes_of_ogg_are_written(tmp_path):
    minutes = RenderResult(np.tile(AUDIO, (1, 1200)), 44100)
    write_render(tmp_path / "long.ogg", minutes, bit_depth=16)
    assert soundfile.info(tmp_path / "long.ogg").frames == 1200 * 3001


def test_a_picture_needs_the_suffix_of_one():
    check_picture(Path("notes.png"))
    with pytest.raises(OutputError, match=r"use \.png"):
        check_picture(Path("notes.pdf"))


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
def test_a_file_says_where_it_comes_from(tmp_path, suffix):
    tags = describe_render(7, "abc", ["def"])
    write_render(tmp_path / f"a{suffix}", RESULT, bit_depth=16, tags=tags)
    with soundfile.SoundFile(tmp_path / f"a{suffix}") as file:
        said = json.loads(file.copy_metadata()["comment"])
    assert (said["seed"], said["job"], said["instruments"]) == (7, "abc", ["def"])


def test_stems_are_files_of_their_names(tmp_path):
    result = RenderResult(AUDIO, 44100, (), {"lead / channel 1": AUDIO, "Bass": 0.5 * AUDIO})
    paths = write_stems(tmp_path / "stems", result, suffix=".wav", bit_depth=32)
    assert [path.name for path in paths] == ["lead _ channel 1.wav", "Bass.wav"]
    np.testing.assert_array_equal(soundfile.read(paths[1], dtype="float32")[0].T, 0.5 * AUDIO)
    with pytest.raises(OutputError, match="told apart"):
        write_stems(tmp_path, RenderResult(AUDIO, 44100, (), {"a/b": AUDIO, "a:b": AUDIO}), suffix=".wav", bit_depth=16)
