import numpy as np
import pytest

from after.evaluation.covariance import shrink_covariance
from after.evaluation.frechet import embed_frames, frechet_distance, moments_of, pool
from tests.signals import noise, sine


def gaussian(mean, spread, num_frames=200_000, seed=0):
    generator = np.random.default_rng(seed)
    return moments_of(np.array(mean) + np.array(spread) * generator.standard_normal((num_frames, len(mean))))


def test_closed_form_of_two_gaussians():
    """With features of unit spread: |dm|^2 + sum (s1 - s2)^2."""
    real, given = gaussian([0.0, 0.0], [1.0, 1.0]), gaussian([1.0, 0.0], [1.0, 3.0], seed=1)
    assert frechet_distance(given, real) == pytest.approx(1.0 + 4.0, rel=0.02)


def test_closed_form_of_correlated_gaussians():
    """tr((C1 C2)^(1/2)) is the sum of the roots of the eigenvalues of C1 C2."""
    first, second = np.array([[1.0, 0.8], [0.8, 1.0]]), np.array([[1.0, -0.5], [-0.5, 1.0]])
    frames = np.random.default_rng(0).standard_normal((300_000, 2))
    given, real = (moments_of(frames @ np.linalg.cholesky(c).T) for c in (first, second))
    expected = 4.0 - 2.0 * np.sqrt(np.linalg.eigvals(first @ second)).sum().real
    assert frechet_distance(given, real) == pytest.approx(expected, rel=0.03)


def test_equal_sets_are_0_apart_and_units_do_not_matter():
    frames = np.random.default_rng(0).standard_normal((500, 8)) @ np.random.default_rng(1).standard_normal((8, 8))
    other = frames * 1.5 + 1.0
    assert frechet_distance(moments_of(frames), moments_of(frames)) == pytest.approx(0.0, abs=1e-9)
    units = 10.0 ** np.arange(-4.0, 4.0)
    plain = frechet_distance(moments_of(other), moments_of(frames))
    assert frechet_distance(moments_of(other * units), moments_of(frames * units)) == pytest.approx(plain, rel=1e-6)


def test_pooled_moments_are_those_of_all_frames():
    frames = np.random.default_rng(0).standard_normal((100, 3))
    together, parts = moments_of(frames), pool([moments_of(frames[:30]), moments_of(frames[30:])])
    assert parts.count == 100
    np.testing.assert_allclose(parts.covariance, together.covariance, atol=1e-12)


def test_frames_describe_timbre_not_level():
    tone = sine(300.0, 1.0)
    np.testing.assert_allclose(embed_frames(tone, 44100), embed_frames(0.1 * tone, 44100), atol=0.1)
    assert embed_frames(np.zeros((1, 44100)), 44100).shape == (0, 40)
    assert np.isnan(frechet_distance(moments_of(embed_frames(np.zeros(44100), 44100)), moments_of(np.eye(40))))
    signals = noise(9.0), noise(9.0, seed=1), sine(300.0, 9.0)
    hiss, other_hiss, beep = (moments_of(embed_frames(signal, 44100)) for signal in signals)
    assert frechet_distance(other_hiss, hiss) < 2.0 < 0.1 * frechet_distance(beep, hiss)


def test_shrinkage_is_that_of_scikit_learn():
    """Which leaves out the terms in 2 / F."""
    oracle = pytest.importorskip("sklearn.covariance")
    samples = np.random.default_rng(0).standard_normal((50, 200)) * np.linspace(0.5, 2.0, 200)
    centred = samples - samples.mean(axis=0)
    expected, _ = oracle.oas(centred, assume_centered=True)
    np.testing.assert_allclose(shrink_covariance(centred.T @ centred / 50, 50), expected, rtol=0.01, atol=1e-3)
