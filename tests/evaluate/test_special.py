"""The special functions, against SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.special as sp
import scipy.stats as st

from motorium.core.errors import SpecError
from motorium.evaluate.special import (
    beta_cdf,
    beta_quantile,
    half_binomial_tail,
    log_beta,
    normal_cdf,
    normal_quantile,
    z_of,
)

RNG = np.random.default_rng(0)
A, B = np.exp(RNG.uniform(-3, 8, (2, 400)))
CENTRE = A / (A + B)
X = np.clip(CENTRE + RNG.normal(size=400) * np.sqrt(CENTRE * (1 - CENTRE) / (A + B)), 1e-9, 1 - 1e-9)


def test_incomplete_beta_matches_scipy():
    assert np.allclose(beta_cdf(X, A, B), sp.betainc(A, B, X), rtol=0, atol=1e-11)


def test_incomplete_beta_is_0_and_1_at_the_ends():
    assert beta_cdf(0.0, 2.0, 3.0) == 0.0 and beta_cdf(1.0, 2.0, 3.0) == 1.0


def test_beta_quantile_matches_scipy():
    few = slice(0, 60)
    for p in (0.025, 0.5, 0.975):
        assert np.allclose(beta_quantile(p, A[few], B[few]), sp.betaincinv(A[few], B[few], p), rtol=0, atol=1e-10)


def test_log_beta_matches_scipy():
    assert np.allclose(log_beta(A, B), sp.betaln(A, B), rtol=1e-12, atol=1e-9)


def test_normal_functions_match_scipy():
    p = np.linspace(0, 1, 41)
    assert np.allclose(normal_quantile(p), st.norm.ppf(p), rtol=1e-9)
    assert np.allclose(normal_cdf(np.linspace(-6, 6, 41)), st.norm.cdf(np.linspace(-6, 6, 41)), rtol=1e-9)


@pytest.mark.parametrize("n", [1, 2, 17, 300])
def test_half_binomial_tail_matches_scipy(n):
    for k in range(-1, n + 2):
        assert half_binomial_tail(k, n) == pytest.approx(st.binom.cdf(k, n, 0.5), rel=1e-11)


def test_critical_value_of_95_percent():
    assert z_of(0.95) == pytest.approx(1.959963984540054)


def test_level_in_percent_is_refused_with_the_fraction():
    with pytest.raises(SpecError, match=r"write 0\.95"):
        z_of(95)
