import numpy as np
import pytest

from after.evaluation.bootstrap import bootstrap_items, bootstrap_recordings, bootstrap_values


def test_interval_of_a_known_mean_is_the_normal_one():
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    interval = bootstrap_values(list(values))
    half_width = 1.96 * values.std() / 20
    assert interval.value == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half_width, abs=0.03)
    assert interval.high == pytest.approx(values.mean() + half_width, abs=0.03)
    assert interval.num_items == 400


def test_intervals_cover_the_true_mean_about_as_often_as_they_say():
    generator = np.random.default_rng(1)
    intervals = [bootstrap_values(list(generator.normal(0.0, 1.0, 40)), num_resamples=200) for _ in range(200)]
    covered = np.mean([interval.low <= 0.0 <= interval.high for interval in intervals])
    assert 0.90 <= covered <= 0.98


def test_same_seed_same_interval_and_missing_figures_are_left_out():
    values = [0.0, 1.0, float("nan"), 0.5, float("inf")]
    assert bootstrap_values(values, seed=3) == bootstrap_values(values, seed=3)
    assert bootstrap_values(values).num_items == 3
    assert bootstrap_values([0.0, 0.0, 9.0], use_median=True).value == 0.0


def test_no_item_has_no_figure_and_one_item_no_interval():
    assert np.isnan(bootstrap_values([]).value)
    one = bootstrap_values([0.25])
    assert (one.value, one.num_items) == (0.25, 1)
    assert np.isnan([one.low, one.high]).all()


def test_interval_of_a_biased_statistic_is_moved_back():
    """The spread of drawn sets is too small by a factor of sqrt(9/10) on average, so 1 / spread is too large."""
    values = np.arange(10.0)

    def inverse_spread(chosen):
        return 1.0 / max(values[chosen].std(), 0.1)

    plain = bootstrap_items(inverse_spread, 10)
    moved = bootstrap_items(inverse_spread, 10, is_biased=True)
    assert moved.low < plain.low
    assert moved.low < moved.value < moved.high


def test_equally_many_items_of_each_recording_count_as_their_mean():
    values = np.random.default_rng(0).normal(size=(30, 5))
    recordings = np.repeat(np.arange(30), 5)
    found = bootstrap_recordings(values.ravel().tolist(), recordings.tolist())
    expected = bootstrap_values(values[np.argsort(np.arange(30).astype(str))].mean(axis=1).tolist())
    assert (found.value, found.low, found.high) == pytest.approx((expected.value, expected.low, expected.high))
    assert found.num_items == 150


def test_items_that_are_each_a_recording_are_drawn_as_items_are():
    values = np.random.default_rng(0).normal(size=9).tolist()
    assert bootstrap_recordings(values, range(9)) == bootstrap_values(values)


def test_intervals_over_recordings_cover_the_true_mean_where_those_over_items_are_too_narrow():
    generator = np.random.default_rng(1)
    covered = []
    for _ in range(200):
        counts = generator.integers(1, 9, 40)
        recordings = np.repeat(np.arange(40), counts)
        values = (generator.normal(size=40)[recordings] + 0.3 * generator.normal(size=recordings.size)).tolist()
        both = (bootstrap_recordings(values, recordings.tolist(), num_resamples=200), bootstrap_values(values))
        covered.append([interval.low <= 0.0 <= interval.high for interval in both])
    by_recording, by_item = np.mean(covered, axis=0)
    assert 0.90 <= by_recording <= 0.98
    assert by_item < 0.75


def test_items_of_one_recording_alone_have_no_interval():
    one = bootstrap_recordings([0.2, 0.4, float("nan")], ["a", "a", "b"])
    assert (one.value, one.num_items) == (pytest.approx(0.3), 2)
    assert np.isnan([one.low, one.high]).all()
    assert bootstrap_recordings([float("nan")], ["a"]).num_items == 0
