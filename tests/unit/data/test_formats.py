"""Every format, number of channels and rate: the tone comes out at its pitch, level, length and place."""

import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from after.data.store import Store
from tests.unit.data.audio_folder import fundamental_hz, save, sine
from tests.unit.data.preparing import audio_of, run

SNDFILE = {
    "wav float": ("wav", "WAV", "FLOAT", 44_100),
    "wav double": ("wav", "WAV", "DOUBLE", 44_100),
    "wav 24 bit": ("wav", "WAV", "PCM_24", 44_100),
    "wav 32 bit": ("wav", "WAV", "PCM_32", 44_100),
    "wav 8 bit": ("wav", "WAV", "PCM_U8", 44_100),
    "wav extensible": ("WAVE", "WAVEX", "PCM_16", 44_100),
    "flac": ("flac", "FLAC", "PCM_24", 44_100),
    "vorbis": ("ogg", "OGG", "VORBIS", 44_100),
    "opus": ("opus", "OGG", "OPUS", 48_000),
    "mp3": ("MP3", "MP3", "MPEG_LAYER_III", 44_100),
    "aiff": ("aif", "AIFF", "PCM_24", 44_100),
    "caf": ("caf", "CAF", "PCM_16", 44_100),
    "au": ("au", "AU", "PCM_16", 44_100),
    "w64": ("w64", "W64", "PCM_16", 44_100),
}
FFMPEG = {
    "m4a": ("a.m4a", None, "aac", "fltp", 44_100),
    "m4a upper case": ("a.M4A", None, "aac", "fltp", 48_000),
    "mp4": ("a.mp4", None, "aac", "fltp", 22_050),
    "alac 16 bit": ("a.m4a", None, "alac", "s16p", 44_100),
    "alac 24 bit": ("a.m4a", None, "alac", "s32p", 96_000),
    "wma": ("a.wma", None, "wmav2", "fltp", 44_100),
    "opus in webm": ("a.webm", None, "libopus", "flt", 48_000),
    "pcm in matroska": ("a.mka", None, "pcm_s16le", "s16", 44_100),
    "8 bit in matroska": ("a.mka", None, "pcm_u8", "u8", 44_100),
    "tta": ("a.tta", None, "tta", "s16", 44_100),
    "bare aac": ("a.aac", "adts", "aac", "fltp", 44_100),
}
MOVED = frozenset({"bare aac", "wma"})
"""These do not say how much the encoder put in front of the audio."""


def encode(
    path: str, container: str | None, codec: str, sample_format: str, rate: int, audio: NDArray, **options: str
) -> Path:
    """Encode audio [T, C] in +-1 with FFmpeg."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    channels = audio.shape[1]
    kind = av.AudioFormat(sample_format)
    full_scale = {"flt": 1.0, "s16": 2.0**15 - 1, "s32": 2.0**31 - 256, "u8": 127.0}[sample_format.rstrip("p")]
    dtype = {"flt": np.float32, "s16": np.int16, "s32": np.int32, "u8": np.uint8}[sample_format.rstrip("p")]
    samples = (audio * full_scale + (128.0 if sample_format == "u8" else 0.0)).astype(dtype)
    rows = samples.T if kind.is_planar else samples.reshape(1, -1)
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[channels]
    with av.open(path, "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=rate)
        stream.bit_rate = 192_000
        stream.layout, stream.format = layout, kind
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(rows), format=sample_format, layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            output.mux(packet)
    return Path(path)


def check_tone(source: str, channels: int, rate: int, *, late_s: float = 0.0) -> None:
    """Check 2 s of 440 Hz at half scale."""
    with Store.open("store") as store:
        (record,) = store.sources()
        audio = audio_of(store, source)[: record.num_samples] / 32_768
    assert (record.source_channels, record.source_sample_rate) == (channels, rate)
    assert record.num_samples / 44_100 == pytest.approx(2.0, abs=0.002 + late_s)
    middle = audio[11_025:66_150]
    assert fundamental_hz(middle, 44_100) == pytest.approx(440.0, abs=0.05)
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


@pytest.mark.parametrize("name", SNDFILE)
def test_what_libsndfile_reads(name: str) -> None:
    suffix, container, subtype, rate = SNDFILE[name]
    Path("set").mkdir()
    tone = np.stack([sine(440.0, 2.0, rate)] * 2, axis=1)
    soundfile.write(f"set/a.{suffix}", tone, rate, format=container, subtype=subtype)
    assert run("set").stored == 1
    check_tone(f"set/a.{suffix}", 2, rate, late_s=0.06 if name == "mp3" else 0.0)


@pytest.mark.parametrize("name", FFMPEG)
def test_what_ffmpeg_reads(name: str) -> None:
    path, container, codec, sample_format, rate = FFMPEG[name]
    tone = np.stack([sine(440.0, 2.0, rate)] * 2, axis=1)
    encode(f"set/{path}", container, codec, sample_format, rate, tone)
    report = run("set")
    assert report.stored == 1, report.manifest["skipped"]
    check_tone(f"set/{path}", 2, rate, late_s=0.06 if name in MOVED else 0.025 if "webm" in name else 0)
    assert run("set").unchanged == 1


@pytest.mark.parametrize("name", sorted(FFMPEG.keys() - MOVED))
def test_a_chirp_is_where_it_was_before_encoding(name: str) -> None:
    path, container, codec, sample_format, rate = FFMPEG[name]
    time_s = np.arange(rate // 50) / rate
    chirp = 0.8 * np.sin(2 * np.pi * (500 + 150_000 * time_s) * time_s) * np.hanning(time_s.size)
    audio = np.zeros((2 * rate, 1))
    start = round(0.7 * rate)
    audio[start : start + chirp.size, 0] = chirp
    encode(f"set/{path}", container, codec, sample_format, rate, audio)
    save("plain/a.wav", audio, rate, subtype="FLOAT")
    run("set")
    run("plain", out="wanted")
    with Store.open("store") as store, Store.open("wanted") as wanted:
        coded = audio_of(store, f"set/{path}").astype(float)
        plain = audio_of(wanted, "plain/a.wav").astype(float)
    length = min(coded.size, plain.size)
    spectrum = np.fft.rfft(coded[:length], 2 * length) * np.conj(np.fft.rfft(plain[:length], 2 * length))
    lag = int(np.argmax(np.fft.irfft(spectrum)))
    assert min(lag, 2 * length - lag) <= 2


@pytest.mark.parametrize("channels", range(1, 9))
def test_every_number_of_channels_is_mixed_to_their_mean(channels: int) -> None:
    save("set/a.wav", np.stack([sine(440.0, 2.0) * (2 * k / (channels + 1)) for k in range(1, channels + 1)], axis=1))
    run("set")
    check_tone("set/a.wav", channels, 44_100)


def test_six_channels_of_aac() -> None:
    encode("set/a.m4a", None, "aac", "fltp", 48_000, np.stack([sine(440.0, 2.0, 48_000)] * 6, axis=1))
    run("set")
    with Store.open("store") as store:
        assert store.sources()[0].source_channels == 6


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 32_000, 44_100, 47_999, 88_200, 96_000, 192_000])
def test_every_rate(rate: int) -> None:
    save("set/a.wav", sine(440.0, 2.0, rate), rate)
    run("set")
    check_tone("set/a.wav", 1, rate)


def test_without_ffmpeg_such_files_are_listed_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    encode("set/a.m4a", None, "aac", "fltp", 44_100, sine(440.0, 2.0)[:, None])
    save("set/b.wav", sine(440.0, 2.0))
    monkeypatch.setitem(sys.modules, "av", None)
    report = run("set")
    assert report.stored == 1
    assert report.manifest["skipped"] == [{"source": "set/a.m4a", "reason": "needs pip install 'after-synth[formats]'"}]
    monkeypatch.undo()


def test_damaged_files_are_refused() -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((88_200, 1))
    head = encode("set/head.m4a", None, "aac", "fltp", 44_100, noise)
    head.write_bytes(head.read_bytes()[:20_000])
    cut = encode("set/cut.mka", None, "pcm_s16le", "s16", 44_100, noise)
    cut.write_bytes(cut.read_bytes()[:300])
    Path("set/noise.wma").write_bytes(np.random.default_rng(0).bytes(5_000))
    Path("set/empty.m4a").touch()
    save("set/good.wav", sine(300, 1.0))
    report = run("set")
    reasons = {entry["source"].removeprefix("set/"): entry["reason"] for entry in report.manifest["skipped"]}
    assert reasons.keys() == {"head.m4a", "cut.mka", "noise.wma", "empty.m4a"}
    assert all(reason.startswith(("unreadable", "empty")) for reason in reasons.values()), reasons


@pytest.mark.parametrize("torn", [0, 1])
def test_an_m4a_that_ends_early_is_refused(torn: int) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal((88_200, 1))
    path = encode("set/a.m4a", None, "aac", "fltp", 44_100, noise, movflags="faststart")
    with av.open(path) as container:
        packets = list(container.demux(container.streams.audio[0]))
    middle = packets[len(packets) // 2]
    assert middle.pos is not None
    path.write_bytes(path.read_bytes()[: middle.pos + torn * middle.size // 2])
    save("set/good.wav", sine(300, 1.0))
    (entry,) = run("set").manifest["skipped"]
    assert entry["reason"].startswith(
        "unreadable (Invalid data" if torn else "unreadable (damaged: 2.00 s long, but only"
    )


@pytest.mark.parametrize("flags", ["frag_keyframe+empty_moov", "empty_moov+delay_moov", "dash"])
def test_an_m4a_in_fragments_is_not_taken_for_a_damaged_one(flags: str) -> None:
    encode("set/a.m4a", None, "aac", "fltp", 44_100, sine(440.0, 2.0)[:, None], movflags=flags)
    run("set")
    check_tone("set/a.m4a", 1, 44_100, late_s=0.03)


def test_a_film_without_sound_says_so() -> None:
    with av.open("film.mp4", "w") as output:
        stream = output.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 16, 16
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            output.mux(packet)
    Path("set").mkdir()
    Path("film.mp4").rename("set/film.mp4")
    save("set/good.wav", sine(300, 1.0))
    assert run("set").manifest["skipped"] == [{"source": "set/film.mp4", "reason": "it holds no audio"}]
