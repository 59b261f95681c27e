import numpy as np
import pytest

from after.evaluation.bootstrap import bootstrap_items, bootstrap_values


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
