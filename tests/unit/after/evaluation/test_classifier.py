import numpy as np
import pytest

from after.errors import DataError
from after.evaluation.classifier import TimbreClassifier, TimbreSpace, cross_validate

NAMES = tuple("abcde")


def make_recordings(spread=0.3, num=12, seed=0):
    """Five instruments in ten correlated dimensions."""
    generator = np.random.default_rng(seed)
    mixing, centres = (
        np.random.default_rng(7).standard_normal((10, 10)),
        np.random.default_rng(8).standard_normal((5, 10)),
    )
    mixing = np.eye(10) + 0.2 * mixing
    return {
        name: [((c + spread * generator.standard_normal(10)) @ mixing).astype(np.float32) for _ in range(num)]
        for name, c in zip(NAMES, centres, strict=True)
    }


def accuracy(is_right):
    return float(np.mean([right for given in is_right.values() for right in given]))


def test_recordings_name_their_instrument():
    recordings = make_recordings()
    assert accuracy(cross_validate(recordings)) > 0.95
    classifier = TimbreClassifier.fit(recordings)
    assert classifier.rank(recordings["c"][0])[0] == "c"
    assert classifier.rank(np.full(10, np.nan, dtype=np.float32)) == []


def test_shuffled_names_are_guessed_at_chance():
    recordings = make_recordings(num=40)
    everything = [s for given in recordings.values() for s in given]
    order = np.random.default_rng(1).permutation(len(everything))
    shuffled = {name: [everything[i] for i in order[k::5]] for k, name in enumerate(NAMES)}
    assert 0.08 < accuracy(cross_validate(shuffled)) < 0.32


def test_agrees_with_scikit_learn():
    module = pytest.importorskip("sklearn.discriminant_analysis")
    recordings = make_recordings(spread=1.0, num=60)
    points = np.concatenate([np.stack(given) for given in recordings.values()])
    labels = np.repeat(NAMES, 60)
    oracle = module.LinearDiscriminantAnalysis(solver="lsqr", shrinkage=None).fit(points, labels)
    classifier = TimbreClassifier.fit(recordings)
    fresh = [s for given in make_recordings(spread=1.0, num=60, seed=3).values() for s in given]
    ours = np.array([classifier.rank(s)[0] for s in fresh])
    assert np.mean(ours == oracle.predict(np.stack(fresh))) > 0.97


def test_whitened_recordings_have_unit_spread():
    recordings = make_recordings(num=400)
    space = TimbreSpace.build(recordings)
    residuals = np.concatenate([points - points.mean(axis=0) for points in space.points.values()])
    np.testing.assert_allclose(np.cov(residuals.T), np.eye(10), atol=0.15)
    assert space.same == pytest.approx(np.sqrt(2 * 10), rel=0.1)  # chi distribution of ten differences


def test_relative_distance_is_0_within_and_1_between_instruments():
    recordings = make_recordings(num=30)
    space = TimbreSpace.build(recordings)
    own = [space.relative_distance(s, name) for name, given in recordings.items() for s in given]
    other = [space.relative_distance(s, "a") for name, given in recordings.items() if name != "a" for s in given]
    assert np.median(own) == pytest.approx(0.0, abs=0.05)
    assert np.median(other) == pytest.approx(1.0, abs=0.4)
    assert space.distance(recordings["a"][0], recordings["a"][0]) == 0.0
    assert np.isnan(space.relative_distance(recordings["a"][0], "unknown"))


def test_too_few_recordings_are_refused():
    with pytest.raises(DataError, match="b"):
        TimbreClassifier.fit({"a": [np.zeros(2), np.ones(2)], "b": [np.ones(2)]})
    with pytest.raises(DataError, match="two instruments"):
        TimbreClassifier.fit({"a": [np.zeros(2), np.ones(2)]})
    with pytest.raises(DataError, match="3 audible"):
        cross_validate({"a": [np.zeros(2)] * 2, "b": [np.ones(2)] * 2})
