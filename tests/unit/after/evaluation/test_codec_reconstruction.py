"""Figures of reconstructions against closed forms, and the Opus yardstick against its own bytes."""

import math

import numpy as np
import pytest

from after.errors import AudioError
from after.evaluation.codec_reconstruction import Figures, Sounded, Trial, analyse, measure_silence_db, summarise
from after.evaluation.codec_reconstruction import try_systems as try_all
from after.evaluation.codec_systems import (
    CodecSystem,
    OpusSystem,
    bits_per_latent,
    codec_systems,
    decode_opus,
    encode_opus,
    latent_kbps,
    opus_delay,
)
from after.evaluation.si_sdr import measure_si_sdr_db
from tests.signals import chord, impulse, noise, sine
from tests.tiny_instrument import make_tiny_instrument

RATE = 44100


class Gain:
    """Gives the input back, louder or softer; with gain 1 the perfect codec."""

    def __init__(self, gain: float = 1.0) -> None:
        self.name, self.gain = f"gain {gain:g}", gain

    def reconstruct(self, audio, sample_rate):
        return Sounded(np.float32(self.gain) * audio, 8.0)


def original(audio, group="tones"):
    return analyse("tone", group, audio, RATE, pitch_model="tiny")


def test_si_sdr_of_orthogonal_noise_is_its_snr() -> None:
    time = np.arange(4410) / RATE
    tone, error = np.sin(2 * np.pi * 100 * time), np.cos(2 * np.pi * 100 * time)
    for snr_db in (-10.0, 0.0, 25.0):
        mixed = 0.3 * (tone + 10 ** (-snr_db / 20) * error)
        assert measure_si_sdr_db(mixed, tone) == pytest.approx(snr_db, abs=1e-3)


def test_si_sdr_ignores_gain_and_knows_its_limits() -> None:
    tone = sine(440, 0.1)
    assert measure_si_sdr_db(-0.5 * tone, tone) > 100
    assert measure_si_sdr_db(0 * tone, tone) == -math.inf
    assert math.isnan(measure_si_sdr_db(tone, 0 * tone))
    with pytest.raises(AudioError, match="same length"):
        measure_si_sdr_db(tone[:, 1:], tone)


def test_the_perfect_codec_has_perfect_figures() -> None:
    (trial,) = try_all([original(sine(440, 0.5))], [Gain()], pitch_model="tiny")
    figures = trial.figures
    assert figures.log_mel == figures.stft == figures.loudness_db == 0.0
    assert figures.quiet_log_mel == pytest.approx(0.0, abs=1e-5)
    assert figures.pitch == 1.0
    assert figures.si_sdr_db == math.inf
    assert measure_silence_db(Gain(), RATE) == -120.0


def test_a_gain_of_6_db_is_a_level_error_of_6_db() -> None:
    (trial,) = try_all([original(noise(0.5))], [Gain(0.5)], pitch_model="tiny")
    assert trial.figures.loudness_db == pytest.approx(20 * math.log10(2), abs=1e-3)
    assert trial.figures.log_mel == pytest.approx(math.log(2), abs=0.01)


def test_silent_recordings_have_no_figures_and_averages_leave_them_out() -> None:
    known = Figures(1.0, 1.0, 10.0, 1.0, 1.0, 1.0, 8.0)
    (silent,) = try_all([original(np.zeros((1, 8192), np.float32))], [Gain()], pitch_model="tiny")
    assert math.isnan(silent.figures.log_mel)
    assert math.isnan(silent.figures.pitch)
    loud = [Trial("gain 1", "x", "tones", Figures(*(known.log_mel,) * 2, sdr, *(1.0,) * 4)) for sdr in (10.0, 12.0, 90)]
    average = summarise([silent, *loud])
    assert average.log_mel == 1.0
    assert average.si_sdr_db == 12.0


def test_a_codec_runs_at_its_own_rate_and_keeps_the_length() -> None:
    codec = make_tiny_instrument().codec
    audio = chord([60, 64], 0.31, 48000)
    sounded = CodecSystem("tiny", codec).reconstruct(audio, 48000)
    assert sounded.audio.shape == audio.shape
    assert math.isnan(sounded.kbps)
    noisy = CodecSystem("tiny", codec, 0.5).reconstruct(audio, 48000)
    assert not np.array_equal(noisy.audio, sounded.audio)
    assert noisy.kbps == latent_kbps(codec, 0.5)


def test_a_codec_is_measured_with_and_without_the_noise_of_its_training() -> None:
    codec = make_tiny_instrument().codec
    assert [system.latent_noise for system in codec_systems("tiny", codec)] == [0.0, codec.latent_noise]
    assert [system.latent_noise for system in codec_systems("tiny", codec, 0.5)] == [0.0, 0.5]
    codec.latent_noise = 0.0
    assert [system.name for system in codec_systems("tiny", codec)] == ["tiny"]


def test_the_level_is_exact_and_counts_16_bits() -> None:
    codec = make_tiny_instrument().codec
    frames_per_s = codec.sample_rate / codec.hop_length
    codec.first_noisy = 0
    assert latent_kbps(codec, 1.0) == pytest.approx(0.5 * codec.num_latents * frames_per_s / 1000)
    codec.first_noisy = 1
    assert latent_kbps(codec, 1.0) == pytest.approx((0.5 * (codec.num_latents - 1) + 16) * frames_per_s / 1000)


def test_bits_of_a_noisy_latent() -> None:
    assert bits_per_latent(1.0) == 0.5
    assert bits_per_latent(0.1) == pytest.approx(0.5 * math.log2(101))
    assert bits_per_latent(0.0) == math.inf
    assert math.isnan(latent_kbps(make_tiny_instrument().codec, 0.0))


@pytest.mark.parametrize("kbps", [16.0, 24.0, 32.0])
def test_opus_takes_about_the_asked_rate(kbps: float) -> None:
    bars = [chord([48 + step, 52 + step, 55 + step, 64 + step], 0.25) for step in (0, 5, 7, 2, 9, 4, 0, 5)]
    audio = np.concatenate(bars, axis=1)
    sounded = OpusSystem(kbps).reconstruct(audio + noise(2.0, level=0.003), RATE)
    assert sounded.kbps == pytest.approx(kbps, rel=0.15)


def test_opus_comes_back_in_time() -> None:
    assert opus_delay() == 0
    click = impulse(24000, 48000)
    decoded = decode_opus(encode_opus(click, 128.0))
    assert abs(int(np.argmax(np.abs(decoded[0]))) - 24000) <= 1
    tone = sine(440, 0.5)
    assert measure_si_sdr_db(OpusSystem(64.0).reconstruct(tone, RATE).audio, tone) > 15


def test_opus_refuses_impossible_rates() -> None:
    with pytest.raises(AudioError, match="6 to 256"):
        encode_opus(sine(440, 0.1, 48000), 300.0)
