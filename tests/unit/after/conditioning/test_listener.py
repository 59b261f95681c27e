from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike, NDArray

from after.conditioning.listener import Listener, LiveLoudness
from after.conditioning.live_pitch import LivePitch
from after.conditioning.pitch_loudness import read_pitch
from after.features.loudness import measure_loudness
from after.features.pitch import track_pitch
from after.streaming.verify import verify_streaming
from tests.signals import noise

Audio = NDArray[np.float32]
Features = NDArray[np.float64]


def tone(f0_hz: ArrayLike, sample_rate: int = 44100, *, harmonics: range = range(1, 9), level: float = 0.2) -> Audio:
    """Add harmonics of a fundamental given per sample, 6 dB less per octave, none above 0.45 of the sample rate."""
    f0 = np.asarray(f0_hz, dtype=np.float64)
    phase = 2.0 * np.pi * np.cumsum(f0) / sample_rate
    parts = [np.where(k * f0 < 0.45 * sample_rate, np.sin(k * phase + 0.7 * k * k) / k, 0.0) for k in harmonics]
    return np.asarray(level * np.sum(parts, axis=0), dtype=np.float32)


def steady(f0_hz: float, sample_rate: int = 44100) -> NDArray[np.float64]:
    return np.full(sample_rate // 2, f0_hz)


@torch.inference_mode()
def listen(audio: Audio, sample_rate: int = 44100, hop: int = 1024) -> Features:
    """Give f0_hz, periodicity and loudness per frame, without the first ones: their windows reach before the start."""
    whole = audio[: len(audio) // hop * hop]
    listener = Listener(sample_rate, hop=hop)
    features, _ = listener.listen(torch.from_numpy(whole)[None, :, None], listener.init_state(1))
    return features[0, -(-sample_rate // 14 // hop) :].double().numpy()


def cents(found_hz: Features, f0_hz: ArrayLike) -> Features:
    return 1200.0 * np.log2(found_hz / np.asarray(f0_hz))


@pytest.mark.parametrize("sample_rate", [16000, 44100, 48000])
@pytest.mark.parametrize("f0_hz", [33.0, 41.2, 55.0, 87.9, 98.3, 233.1, 440.0, 987.8, 1900.0])
def test_it_finds_steady_tones(f0_hz: float, sample_rate: int) -> None:
    f0_hz = min(f0_hz, 0.107 * sample_rate)  # at 16 kHz a period of 8.4 samples is taken for two
    found = listen(tone(steady(f0_hz, sample_rate), sample_rate), sample_rate)
    assert np.abs(cents(found[:, 0], f0_hz)).max() < 4.0
    assert found[:, 1].min() > 0.8


@pytest.mark.parametrize("hop", [64, 441, 4096])
def test_any_hop_will_do(hop: int) -> None:
    found = listen(tone(steady(220.0)), hop=hop)
    assert np.abs(cents(found[:, 0], 220.0)).max() < 3.0


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("pure", lambda: tone(steady(300.0), harmonics=range(1, 2))),
        ("missing fundamental", lambda: tone(steady(300.0), harmonics=range(2, 9))),
        ("odd harmonics", lambda: tone(steady(300.0), harmonics=range(1, 9, 2))),
        ("soft", lambda: tone(steady(300.0), level=1e-3)),
        ("clipped", lambda: np.clip(3 * tone(steady(300.0)), -0.3, 0.3)),
        ("offset", lambda: tone(steady(300.0)) + np.float32(0.5)),
        ("hiss", lambda: tone(steady(300.0)) + noise(0.5, level=0.02)[0]),
        ("fading", lambda: tone(steady(300.0)) * np.exp(-10.0 * np.arange(22050) / 44100).astype(np.float32)),
    ],
)
def test_it_finds_the_pitch_of_difficult_tones(name: str, change: Callable[[], Audio]) -> None:
    found = listen(change())
    assert np.abs(cents(found[:, 0], 300.0)).max() < 15.0, name
    assert found[:, 1].min() > 0.5, name


@pytest.mark.parametrize("motion", ["vibrato", "glide"])
def test_it_follows_a_moving_pitch(motion: str) -> None:
    time_s = np.arange(44100) / 44100
    semitones = 0.5 * np.sin(2 * np.pi * 5.5 * time_s) if motion == "vibrato" else 24.0 * time_s - 12.0
    f0_hz = 330.0 * 2.0 ** (semitones / 12.0)
    found = listen(tone(f0_hz))
    ends = (np.arange(len(found)) + 1 + 43 - len(found)) * 1024
    # the estimate is that of the middle of its window, about 11 ms before its end
    assert np.abs(cents(found[:, 0], f0_hz[ends - 500])).max() < 25.0


@pytest.mark.parametrize("colour", [0.0, 0.5, 1.0])
def test_noise_has_no_pitch(colour: float) -> None:
    spectrum = np.fft.rfft(noise(4.0)[0])
    hiss = np.fft.irfft(spectrum / np.maximum(np.arange(spectrum.size), 80.0) ** colour)
    found = listen((0.1 * hiss / hiss.std()).astype(np.float32))
    assert (found[:, 1] >= 0.5).mean() < 0.02


def test_silence_from_the_start_is_zero_throughout() -> None:
    structure = Listener(44100, hop=1024)(torch.zeros(2, 5 * 1024, 1))
    assert structure.shape == (2, 5, 130)
    assert not structure.any()


@pytest.mark.parametrize("f0_hz", [60.0, 147.0, 415.0, 1300.0])
def test_silence_after_a_note_has_no_pitch_in_any_batch(f0_hz: float) -> None:
    note = np.concatenate([tone(steady(f0_hz)), np.zeros(8 * 1024, np.float32)])[-16 * 1024 :]
    audio = torch.from_numpy(np.stack([note, noise(16 * 1024 / 44100)[0], 0.0 * note])[:, :, None])
    listener = Listener(44100, hop=1024)
    features, _ = listener.listen(audio, listener.init_state(3))
    alone, _ = listener.listen(audio[:1], listener.init_state(1))
    assert features[0, 2:7, 1].min() > 0.8
    assert not features[0, 9:, 1].any()  # 36 ms after the end: no range looks at the note any more
    assert not features[2, :, 1].any()
    torch.testing.assert_close(listener(audio)[:1], listener(audio[:1]), rtol=0, atol=1e-4)
    torch.testing.assert_close(features[:1, :, 1:], alone[:, :, 1:], rtol=0, atol=1e-3)


def test_a_new_note_is_found_within_two_frames() -> None:
    f0_hz = np.repeat([196.0, 293.7, 440.0, 220.0], 10 * 1024)
    listener = Listener(44100, hop=1024)
    pitch, voicing = read_pitch(listener(torch.from_numpy(tone(f0_hz))[None, :, None]))
    wrong = (69.0 + 12.0 * np.log2(f0_hz[::1024] / 440.0) - pitch[0].numpy()).reshape(4, 10)
    assert np.abs(wrong[:, 2:]).max() < 0.1
    assert voicing[0].reshape(4, 10)[:, 2:].min() > 0.9


def test_it_agrees_with_crepe() -> None:
    f0_hz = np.repeat(110.0 * 2.0 ** (np.array([0, 4, 7, 12, 16, 24, 31]) / 12.0), 12 * 1024)
    audio = tone(f0_hz)
    theirs = track_pitch(audio, 44100)
    ours = listen(audio)
    both = np.abs(cents(ours[:, 0], theirs.f0_hz[-len(ours) :])).reshape(-1)
    settled = (np.arange(7 * 12) % 12 > 2)[-len(ours) :] & (np.arange(7 * 12) % 12 < 11)[-len(ours) :]
    assert (both[settled] < 50.0).mean() > 0.95


@pytest.mark.parametrize(("sample_rate", "hop", "window"), [(44100, 1024, 2048), (48000, 512, 1024), (16000, 256, 500)])
def test_loudness_is_that_of_recordings_half_a_frame_later(sample_rate: int, hop: int, window: int) -> None:
    audio = noise(0.4, sample_rate)[0][: 12 * hop] * np.linspace(0.0, 1.0, 12 * hop, dtype=np.float32)
    live = LiveLoudness(sample_rate, hop=hop, window_length=window)(torch.from_numpy(audio)[None, :, None])
    later = np.concatenate([np.zeros((window - hop) // 2, np.float32), audio])
    np.testing.assert_allclose(
        live[0, :, 0].numpy(),
        measure_loudness(later, sample_rate, hop_length=hop, window_length=window)[:12],
        atol=1e-3,
    )


def test_windows_that_leave_out_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="leave out"):
        LiveLoudness(44100, hop=1024, window_length=512)


@pytest.mark.parametrize(("sample_rate", "hop"), [(44100, 1024), (8000, 100), (11025, 1024)])
def test_it_streams(sample_rate: int, hop: int) -> None:
    report = verify_streaming(Listener(sample_rate, hop=hop), 1, num_blocks=8, num_steps=50)
    assert report.latency == 0


@torch.inference_mode()
def test_tones_stream_as_they_are_heard_whole() -> None:
    pitch = LivePitch(44100, hop=1024)
    x = torch.from_numpy(tone(np.geomspace(50.0, 1900.0, 40 * 1024)))[None, :, None].double()
    pitch = pitch.double()
    state = pitch.init_state(1)
    frames = []
    for block in x.split(1024, dim=1):
        y, state = pitch.step(block, state)
        frames.append(y)
    torch.testing.assert_close(torch.cat(frames, dim=1), pitch(x), rtol=1e-9, atol=1e-9)
