"""The bundled codec: it is there, gives back what it hears, and is what models are trained on by default."""

import numpy as np
import torch
from click.testing import CliRunner

from after.cli import group
from after.codec.load import BUNDLED_CODEC, load_codec
from after.features.mel import log_mel_distance
from after.instrument import BUNDLED

RATE = 44_100


def harmonic_tone(hz: float, seconds: float) -> np.ndarray:
    time = np.arange(int(seconds * RATE) // 1024 * 1024) / RATE
    partials = sum(np.sin(2 * np.pi * hz * k * time) / k**1.5 for k in range(1, 12))
    return (0.2 * partials * np.exp(-time)).astype(np.float32)


@torch.no_grad()
def test_a_tone_comes_back_at_its_pitch_and_level() -> None:
    codec, _ = load_codec(BUNDLED_CODEC)
    tone = harmonic_tone(311.13, 2.0)
    sound = codec.decode(codec.encode(torch.from_numpy(tone)[None, None]))[0, 0].numpy()
    middle = slice(RATE // 2, RATE // 2 + 32768)
    spectra = [np.abs(np.fft.rfft(x[middle] * np.hanning(32768))) for x in (tone, sound)]
    peaks_hz = [np.argmax(spectrum) * RATE / 32768 for spectrum in spectra]
    assert abs(1200 * np.log2(peaks_hz[1] / peaks_hz[0])) < 50
    levels_db = [10 * np.log10(np.mean(x[middle] ** 2)) for x in (tone, sound)]
    assert abs(levels_db[1] - levels_db[0]) < 4
    assert log_mel_distance(sound[None], tone[None], RATE) < 1.2


@torch.no_grad()
def test_silence_stays_silent_after_sound() -> None:
    codec, _ = load_codec(BUNDLED_CODEC)
    audio = np.concatenate([harmonic_tone(220.0, 1.0), np.zeros(32 * 1024, dtype=np.float32)])
    sound = codec.decode(codec.encode(torch.from_numpy(audio)[None, None]))[0, 0]
    assert float(sound[-8 * 1024 :].abs().max()) < 10 ** (-70 / 20)


def test_all_bundled_weights_are_small() -> None:
    assert BUNDLED_CODEC.stat().st_size + BUNDLED.stat().st_size < 32e6


def test_training_needs_no_codec_of_ones_own() -> None:
    result = CliRunner().invoke(group, ["train", "nowhere", "--out", "run", "--preset", "tiny"])
    assert result.exit_code == 2
    assert "nowhere" in result.stderr
