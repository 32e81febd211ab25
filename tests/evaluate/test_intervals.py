"""Intervals of proportions and means: published values, exact coverage, SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats as st

from motorium.core.errors import DataError, SpecError
from motorium.evaluate.intervals import (
    Estimate,
    beta_posterior,
    bootstrap_mean,
    clopper_pearson,
    jeffreys,
    mean,
    means,
    proportion,
    wilson,
)


def coverage(interval, n: int, rates: np.ndarray) -> np.ndarray:
    """Probability that the interval holds each rate, by enumeration of all outcomes."""
    k = np.arange(n + 1)
    low, high = interval(k, n)
    return np.array([st.binom.pmf(k, n, p)[(low <= p) & (p <= high)].sum() for p in rates])


def test_nine_of_ten_is_59_6_to_98_2_percent():
    low, high = wilson(9, 10)
    assert (round(100 * float(low), 1), round(100 * float(high), 1)) == (59.6, 98.2)


@pytest.mark.parametrize("n", [1, 7, 50, 512])
def test_wilson_matches_scipy_for_every_count(n):
    k = np.arange(n + 1)
    low, high = wilson(k, n, 0.9)
    for i in k:
        theirs = st.binomtest(int(i), n).proportion_ci(0.9, method="wilson")
        assert low[i] == pytest.approx(theirs.low, abs=1e-12) and high[i] == pytest.approx(theirs.high, abs=1e-12)


@pytest.mark.parametrize("n", [1, 7, 50])
def test_clopper_pearson_matches_scipy_for_every_count(n):
    k = np.arange(n + 1)
    low, high = clopper_pearson(k, n)
    for i in k:
        theirs = st.binomtest(int(i), n).proportion_ci(0.95, method="exact")
        assert low[i] == pytest.approx(theirs.low, abs=1e-11) and high[i] == pytest.approx(theirs.high, abs=1e-11)


def test_jeffreys_is_the_beta_quantile_of_half_counts():
    low, high = jeffreys(3, 20)
    assert (low, high) == (
        pytest.approx(st.beta.ppf(0.025, 3.5, 17.5), abs=1e-11),
        pytest.approx(st.beta.ppf(0.975, 3.5, 17.5), abs=1e-11),
    )


def test_beta_posterior_has_a_uniform_prior():
    low, high = beta_posterior(9, 10)
    assert low == pytest.approx(st.beta.ppf(0.025, 10, 2), abs=1e-11)
    assert high == pytest.approx(st.beta.ppf(0.975, 10, 2), abs=1e-11)


RATES = np.linspace(0.005, 0.995, 199)


@pytest.mark.parametrize("n", [10, 50])
def test_clopper_pearson_never_covers_less_than_its_level(n):
    assert coverage(clopper_pearson, n, RATES).min() >= 0.95


@pytest.mark.parametrize("n", [10, 50, 200])
def test_wilson_covers_its_level_on_average(n):
    # Brown, Cai and DasGupta 2001, section 4: mean coverage close to nominal, dips near 0 and 1.
    covered = coverage(wilson, n, RATES)
    assert abs(np.mean(covered) - 0.95) < 0.01
    assert covered[(RATES >= 0.1) & (RATES <= 0.9)].min() > 0.90


def test_bounds_touch_0_and_1_at_no_success_and_no_failure():
    for interval in (wilson, clopper_pearson, jeffreys):
        assert interval(0, 8)[0] == 0.0 and interval(8, 8)[1] == 1.0
        assert interval(0, 8)[1] < 1.0 and interval(8, 8)[0] > 0.0


def test_no_episodes_say_nothing():
    for interval in (wilson, clopper_pearson):
        assert tuple(map(float, interval(0, 0))) == (0.0, 1.0)
    estimate = proportion(0, 0)
    assert estimate.value is None and estimate.text() == "unknown (n = 0)"


def test_impossible_counts_are_refused():
    for k, n in ((11, 10), (-1, 10)):
        with pytest.raises(DataError, match="between 0 and n"):
            wilson(k, n)


def test_unknown_interval_names_the_nearest():
    with pytest.raises(SpecError, match="wilson"):
        proportion(1, 2, method="wilsn")


def test_estimate_reads_as_one_says_it():
    # SciPy's Wilson interval of 482 of 512: 0.9175, 0.9586.
    assert proportion(482, 512).text() == "94.1 % [91.8, 95.9] (n = 512)"


def test_estimate_survives_plain_data():
    estimate = proportion(9, 10)
    assert Estimate.parse(estimate.to_plain()) == estimate


SKEWED = np.random.default_rng(3).gamma(1.0, size=40)


@pytest.mark.parametrize("method", ["bca", "percentile"])
def test_bootstrap_matches_scipy_within_its_own_noise(method):
    low, high = bootstrap_mean(SKEWED, method=method, resamples=100_000)
    theirs = st.bootstrap(
        (SKEWED,), np.mean, n_resamples=100_000, method=method, rng=np.random.default_rng(1), batch=2000
    ).confidence_interval
    # 100,000 resamples leave about 0.003 standard deviations on a 2.5 % quantile.
    noise = 0.03 * SKEWED.std() / np.sqrt(len(SKEWED))
    assert low == pytest.approx(theirs.low, abs=noise) and high == pytest.approx(theirs.high, abs=noise)


def test_bca_moves_towards_the_long_tail():
    plain, corrected = bootstrap_mean(SKEWED, method="percentile"), bootstrap_mean(SKEWED, method="bca")
    assert corrected[0] > plain[0] and corrected[1] > plain[1]


@pytest.mark.slow
def test_bca_covers_a_normal_mean_nearly_as_promised():
    rng = np.random.default_rng(5)
    samples = rng.normal(size=(30, 600))
    low, high = bootstrap_mean(samples, resamples=2000)
    covered = np.mean((low <= 0) & (high >= 0))
    # Nominal 0.95; the bootstrap of 30 normal values covers about 0.935; 600 tries leave a deviation of 0.01.
    assert 0.90 < covered < 0.97


def test_columns_do_not_influence_each_other_bitwise():
    wide = np.random.default_rng(7).normal(size=(17, 5))
    low, high = bootstrap_mean(wide, resamples=500)
    for j in range(5):
        alone = bootstrap_mean(wide[:, j], resamples=500)
        assert (low[j], high[j]) == alone


def test_blocks_of_resamples_do_not_show(monkeypatch):
    whole = bootstrap_mean(SKEWED, resamples=1000)
    monkeypatch.setattr("motorium.evaluate.intervals._BLOCK_DRAWS", 100)
    assert bootstrap_mean(SKEWED, resamples=1000) == whole


def test_equal_values_give_a_point():
    assert bootstrap_mean(np.full(5, 2.5)) == (2.5, 2.5)


def test_mean_of_one_episode_has_no_interval():
    estimate = mean([3.0])
    assert (estimate.value, estimate.low, estimate.high, estimate.n) == (3.0, None, None, 1)
    assert mean([]).value is None


def test_missing_values_are_left_out_of_their_column_only():
    values = np.array([[1.0, np.nan], [2.0, 5.0], [3.0, 7.0]])
    first, second = means(values, ["m", "s"], resamples=200)
    assert (first.value, first.n, first.unit) == (2.0, 3, "m")
    assert (second.value, second.n, second.unit) == (6.0, 2, "s")


def test_infinite_values_are_refused():
    with pytest.raises(DataError, match="bootstrap"):
        bootstrap_mean([1.0, np.inf])


def test_bca_of_two_values_as_frequent_as_each_other_is_symmetric():
    # A quarter of the resampled means equal the mean: half of them count as below it.
    low, high = bootstrap_mean(np.repeat([0.0, 1.0], 5))
    assert low + high == pytest.approx(1.0, abs=1e-9) and low < 0.3
