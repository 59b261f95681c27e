import numpy as np
import pytest

from after.features.loudness import FLOOR_DB, a_weighting, measure_loudness

# IEC 61672-1:2013, table 3, column A: nominal frequency in Hz, weighting in dB to one decimal
IEC_TABLE = {
    10: -70.4, 12.5: -63.4, 16: -56.7, 20: -50.5, 25: -44.7, 31.5: -39.4, 40: -34.6, 50: -30.2, 63: -26.2, 80: -22.5,
    100: -19.1, 125: -16.1, 160: -13.4, 200: -10.9, 250: -8.6, 315: -6.6, 400: -4.8, 500: -3.2, 630: -1.9, 800: -0.8,
    1000: 0.0, 1250: 0.6, 1600: 1.0, 2000: 1.2, 2500: 1.3, 3150: 1.2, 4000: 1.0, 5000: 0.5, 6300: -0.1, 8000: -1.1,
    10000: -2.5, 12500: -4.3, 16000: -6.6, 20000: -9.3,
}  # fmt: skip


@pytest.mark.parametrize(("nominal_hz", "weighting_db"), IEC_TABLE.items())
def test_weighting_is_that_of_the_standard(nominal_hz, weighting_db):
    exact_hz = 1000.0 * 10.0 ** (round(10 * np.log10(nominal_hz / 1000.0)) / 10.0)  # the table's values hold here
    assert 20 * np.log10(a_weighting(exact_hz)) == pytest.approx(weighting_db, abs=0.051)


def test_zero_hertz_has_no_weight():
    assert a_weighting(0.0) == 0.0


@pytest.mark.parametrize("frequency_hz", [100.0, 1000.0, 8000.0])
def test_sine_reads_its_level_plus_the_weighting(frequency_hz):
    audio = 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(44100) / 44100)
    loudness = measure_loudness(audio, 44100)
    assert loudness.shape == (44,)
    expected = 20 * np.log10(0.5 / np.sqrt(2) * a_weighting(frequency_hz))
    np.testing.assert_allclose(loudness[2:-2], expected, atol=0.25)  # the window blurs the weighting by 0.2 at 100 Hz


def test_silence_reads_the_floor():
    np.testing.assert_array_equal(measure_loudness(np.zeros((2, 1500)), 44100), [FLOOR_DB, FLOOR_DB])
