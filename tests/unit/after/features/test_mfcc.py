import numpy as np

from after.features.mfcc import NUM_COEFFICIENTS, mfcc, mfcc_statistics

SECOND = np.arange(44100) / 44100


def tone(falloff, hz=220.0):
    return sum(np.sin(2 * np.pi * hz * k * SECOND) * k**-falloff for k in range(1, 30)) * 0.1


def test_level_does_not_matter():
    np.testing.assert_allclose(mfcc_statistics(tone(1), 44100), mfcc_statistics(0.01 * tone(1), 44100), atol=1e-3)


def test_timbre_matters_more_than_pitch():
    same = np.linalg.norm(mfcc_statistics(tone(1), 44100) - mfcc_statistics(tone(1, 247.0), 44100))
    other = np.linalg.norm(mfcc_statistics(tone(1), 44100) - mfcc_statistics(tone(3), 44100))
    assert other > 2 * same


def test_silence_around_the_sound_does_not_matter():
    padded = np.concatenate([np.zeros(44032), tone(1)])
    difference = mfcc_statistics(padded, 44100) - mfcc_statistics(tone(1), 44100)
    assert np.abs(difference[:NUM_COEFFICIENTS]).max() < 3.0  # of coefficients in the hundreds: one edge frame more


def test_silence_has_no_timbre():
    assert mfcc(np.zeros(4096), 44100).shape == (NUM_COEFFICIENTS, 0)
    assert np.isnan(mfcc_statistics(np.zeros(4096), 44100)).all()
