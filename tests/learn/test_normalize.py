import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from motorium.learn.normalize import measure


@pytest.mark.parametrize("mode", ["mean_std", "quantile"])
@given(st.floats(-100, 100), st.floats(1e-2, 100), st.integers(0, 99))
def test_normalisation_comes_back(mode, centre, spread, seed):
    values = np.random.default_rng(seed).normal(centre, spread, (50, 3)).astype(np.float32)
    scaling = measure(values, mode)
    normal = (values - scaling.shift) * scaling.inverse
    assert np.allclose(scaling.shift + normal * scaling.scale, values, rtol=0, atol=1e-5 * (abs(centre) + spread))


def test_mean_std_gives_zero_mean_and_unit_variance():
    values = np.random.default_rng(0).normal(3, 7, (10_000, 2))
    scaling = measure(values, "mean_std")
    normal = (values - scaling.shift) * scaling.inverse
    assert np.allclose(normal.mean(axis=0), 0, atol=1e-5)
    assert np.allclose(normal.std(axis=0), 1, atol=1e-5)


def test_quantiles_go_to_minus_one_and_one():
    values = np.linspace(0, 100, 10_001)[:, None]
    scaling = measure(values, "quantile")
    ends = (np.array([1.0, 99.0]) - scaling.shift) * scaling.inverse
    assert np.allclose(ends, [-1, 1], atol=1e-5)


def test_a_rare_event_is_not_a_constant():
    values = np.zeros((1000, 1))
    values[5] = 1.0
    scaling = measure(values, "quantile")
    assert np.allclose((np.array([0.0, 1.0]) - scaling.shift) * scaling.inverse, [-1, 1])


@pytest.mark.parametrize("mode", ["mean_std", "quantile"])
def test_a_constant_is_silent_as_input_and_exact_as_output(mode):
    scaling = measure(np.full((20, 1), 0.1, np.float32), mode)
    assert (np.float32(55.0) - scaling.shift) * scaling.inverse == 0
    assert scaling.shift + np.float32(3.0) * scaling.scale == np.float32(0.1)
    assert scaling.constant.tolist() == [True]
