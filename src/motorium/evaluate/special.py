"""Special functions for the statistics here: the beta distribution, binomial tails and the normal quantile.

SciPy is not needed at run time; the tests compare every function with it.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from motorium.core.errors import SpecError

Array = NDArray[np.float64]

_TINY = 1e-300
_MAX_TERMS = 20_000
_lgamma = np.vectorize(math.lgamma, otypes=[np.float64])
_quantile = np.vectorize(NormalDist().inv_cdf, otypes=[np.float64])
_normal = np.vectorize(NormalDist().cdf, otypes=[np.float64])


def check_level(level: float) -> None:
    """Check that a confidence level lies strictly between 0 and 1.

    Raises:
        SpecError: otherwise; 95 is taken for the slip that it is.
    """
    if not 0.0 < level < 1.0:
        remedy = f"write {level / 100:g}" if 1.0 < level < 100.0 else None
        raise SpecError(
            "a confidence level lies between 0 and 1", got=level, expected="for example 0.95", remedy=remedy
        )


def normal_quantile(probability: ArrayLike) -> Array:
    """Return z with P(Z <= z) = probability for a standard normal Z: (...,), 0 and 1 give -inf and inf."""
    p = np.asarray(probability, np.float64)
    inner = _quantile(np.clip(p, _TINY, 1.0 - 2.0**-53)) if p.size else p
    return np.where(p <= 0.0, -np.inf, np.where(p >= 1.0, np.inf, inner))


def normal_cdf(z: ArrayLike) -> Array:
    """Return P(Z <= z) for a standard normal Z: (...,)."""
    z = np.asarray(z, np.float64)
    return _normal(z) if z.size else z


def z_of(level: float) -> float:
    """Return the two-sided critical value of `level`: 1.96 for 0.95.

    Raises:
        SpecError: when the level is not between 0 and 1.
    """
    check_level(level)
    return NormalDist().inv_cdf(0.5 + 0.5 * level)


def log_beta(a: ArrayLike, b: ArrayLike) -> Array:
    """Return ln B(a, b) = ln Γ(a) + ln Γ(b) - ln Γ(a + b), for positive a and b: (...,)."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return _lgamma(a) + _lgamma(b) - _lgamma(a + b)


def beta_cdf(x: ArrayLike, a: ArrayLike, b: ArrayLike) -> Array:
    """Return the regularised incomplete beta function I_x(a, b), a, b > 0, x in [0, 1]: (...,).

    Source: DLMF 8.17.22 (continued fraction, evaluated by the modified Lentz method) and 8.17.4 (symmetry).
    """
    x, a, b = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (x, a, b)))
    swap = x > (a + 1.0) / (a + b + 2.0)
    # The fraction converges fast only left of the mean; I_x(a, b) = 1 - I_{1-x}(b, a) covers the right.
    x, a, b = np.where(swap, 1.0 - x, x), np.where(swap, b, a), np.where(swap, a, b)
    safe = np.clip(x, _TINY, 1.0)
    log_front = a * np.log(safe) + b * np.log1p(-np.minimum(safe, 1.0 - 2.0**-53)) - log_beta(a, b) - np.log(a)
    value = np.where(x <= 0.0, 0.0, np.exp(log_front) * _beta_fraction(safe, a, b))
    return np.clip(np.where(swap, 1.0 - value, value), 0.0, 1.0)


def _beta_fraction(x: Array, a: Array, b: Array) -> Array:
    c = np.ones_like(x)
    d = 1.0 / _away_from_zero(1.0 - (a + b) * x / (a + 1.0))
    result = d.copy()
    for m in range(1, _MAX_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        for term in (even, odd):
            d = 1.0 / _away_from_zero(1.0 + term * d)
            c = _away_from_zero(1.0 + term / c)
            result = result * (c * d)
        if np.all(np.abs(c * d - 1.0) < 1e-15):
            break
    return result


def _away_from_zero(value: Array) -> Array:
    return np.where(np.abs(value) < _TINY, _TINY, value)


def beta_quantile(probability: ArrayLike, a: ArrayLike, b: ArrayLike) -> Array:
    """Return x with I_x(a, b) = probability, by bisection to the last bit of an absolute 2^-60: (...,)."""
    p, a, b = np.broadcast_arrays(*(np.asarray(v, np.float64) for v in (probability, a, b)))
    low, high = np.zeros(p.shape), np.ones(p.shape)
    for _ in range(60):
        middle = 0.5 * (low + high)
        below = beta_cdf(middle, a, b) < p
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)


def half_binomial_tail(k: int, n: int) -> float:
    """Return P(X <= k) for X ~ Binomial(n, 1/2), exactly rounded (integer arithmetic)."""
    if k < 0:
        return 0.0
    if k >= n:
        return 1.0
    term, total = 1, 1
    for i in range(k):
        term = term * (n - i) // (i + 1)
        total += term
    return total / (1 << n)
