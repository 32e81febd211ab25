"""Intervals: of a proportion (Wilson, Clopper-Pearson, beta posterior) and of a mean (bootstrap).

Proportion functions take counts `(...,)` and return `(low, high)`, each `(...,)`. With n = 0 nothing is
known, and they return 0 and 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from motorium.core.errors import DataError, SpecError, nearest
from motorium.core.random import stream
from motorium.core.spec import Spec
from motorium.evaluate.special import beta_quantile, check_level, normal_cdf, normal_quantile, z_of

Array = NDArray[np.float64]
Bounds = tuple[Array, Array]
BootstrapMethod = Literal["bca", "percentile"]

_BLOCK_DRAWS = 1 << 18


class Estimate(Spec):
    """A number with what is needed to judge it.

    Attributes:
        value: the estimate; None where there is nothing to estimate it from.
        low, high: bounds of the interval; None where the data allow none.
        n: how many episodes (or pairs) it rests on.
        level: confidence level of the interval.
        method: how the interval was made.
        unit: unit of value and bounds; `1` for a proportion, None where it is not known.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    level: float
    method: str
    unit: str | None = "1"

    def text(self, digits: int = 1) -> str:
        """Return a proportion in words: `94.1 % [91.7, 95.9] (n = 512)`."""
        if self.value is None or self.low is None or self.high is None:
            return f"unknown (n = {self.n})"
        value, low, high = (f"{100 * number:.{digits}f}" for number in (self.value, self.low, self.high))
        return f"{value} % [{low}, {high}] (n = {self.n})"


def wilson(successes: ArrayLike, n: ArrayLike, level: float = 0.95) -> Bounds:
    """Return the Wilson score interval of a proportion.

    Source: E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212; recommended for any n by
    Brown, Cai and DasGupta, Statistical Science 16 (2001) 101-133.

    Raises:
        DataError: when counts are negative or successes exceed n.
    """
    k, n = _counts(successes, n)
    z = z_of(level)
    safe = np.maximum(n, 1.0)
    p = k / safe
    scale = 1.0 + z * z / safe
    centre = (p + z * z / (2.0 * safe)) / scale
    half = z * np.sqrt(p * (1.0 - p) / safe + z * z / (4.0 * safe * safe)) / scale
    # At 0 and n the bound is exactly 0 or 1; rounding would leave 1e-18 beside it.
    low = np.where((n == 0) | (k == 0), 0.0, np.maximum(centre - half, 0.0))
    high = np.where((n == 0) | (k == n), 1.0, np.minimum(centre + half, 1.0))
    return low, high


def clopper_pearson(successes: ArrayLike, n: ArrayLike, level: float = 0.95) -> Bounds:
    """Return the exact interval of a proportion, which never covers less than `level`.

    Source: C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404-413, as beta quantiles.

    Raises:
        DataError: when counts are negative or successes exceed n.
    """
    check_level(level)
    k, n = _counts(successes, n)
    tail = 0.5 * (1.0 - level)
    low = np.where(k == 0, 0.0, beta_quantile(tail, np.maximum(k, 1.0), n - k + 1.0))
    high = np.where(k == n, 1.0, beta_quantile(1.0 - tail, k + 1.0, np.maximum(n - k, 1.0)))
    return low, high


def beta_posterior(
    successes: ArrayLike, n: ArrayLike, level: float = 0.95, prior: tuple[float, float] = (1.0, 1.0)
) -> Bounds:
    """Return the equal-tailed credible interval of a proportion under a beta prior (uniform unless given).

    Raises:
        DataError: when counts are negative or successes exceed n.
    """
    check_level(level)
    k, n = _counts(successes, n)
    tail = 0.5 * (1.0 - level)
    a, b = k + prior[0], n - k + prior[1]
    return beta_quantile(tail, a, b), beta_quantile(1.0 - tail, a, b)


def jeffreys(successes: ArrayLike, n: ArrayLike, level: float = 0.95) -> Bounds:
    """Return the Jeffreys interval: Beta(1/2, 1/2) prior, with 0 at no success and 1 at no failure.

    Source: Brown, Cai and DasGupta, Statistical Science 16 (2001), section 3.1.2 and 4.1.

    Raises:
        DataError: when counts are negative or successes exceed n.
    """
    k, n = _counts(successes, n)
    low, high = beta_posterior(k, n, level, (0.5, 0.5))
    return np.where(k == 0, 0.0, low), np.where(k == n, 1.0, high)


PROPORTION_METHODS = {
    "wilson": wilson,
    "clopper-pearson": clopper_pearson,
    "jeffreys": jeffreys,
    "beta": beta_posterior,
}


def proportion(successes: int, n: int, *, level: float = 0.95, method: str = "wilson") -> Estimate:
    """Return a success rate with its interval; of n = 0 the value is None and the interval [0, 1].

    Raises:
        DataError: when counts are negative or successes exceed n.
        SpecError: when the method is unknown.
    """
    if method not in PROPORTION_METHODS:
        raise SpecError(
            f"there is no interval '{method}' of a proportion",
            expected=f"one of: {', '.join(PROPORTION_METHODS)}",
            nearest=nearest(method, PROPORTION_METHODS),
        )
    low, high = PROPORTION_METHODS[method](successes, n, level)
    value = None if n == 0 else float(successes) / float(n)
    return Estimate(value=value, low=float(low), high=float(high), n=int(n), level=level, method=method)


def bootstrap_mean(
    values: ArrayLike,
    *,
    level: float = 0.95,
    method: BootstrapMethod = "bca",
    resamples: int = 10_000,
    seed: int = 0,
) -> Bounds:
    """Return bootstrap intervals of column means; the columns share their resamples.

    `bca` corrects the percentile interval for bias and skewness; both cover less than `level` when n is
    small. A column whose values are all equal gives a point. Columns do not influence each other bitwise.

    Args:
        values: (n,) or (n, m), finite, one row an episode, n >= 2.
        level: confidence level.
        method: `bca` or `percentile`.
        resamples: how many resamples of the rows.
        seed: names the random stream.

    Raises:
        DataError: when there are fewer than two rows or a value is not finite.

    Source: B. Efron, Better Bootstrap Confidence Intervals, J. Am. Stat. Assoc. 82 (1987) 171-185; the
    acceleration of a mean is a sixth of its sample skewness over sqrt(n).
    """
    check_level(level)
    values = np.asarray(values, np.float64)
    columns = values[:, None] if values.ndim == 1 else values
    n = len(columns)
    if n < 2 or not np.isfinite(columns).all():
        raise DataError(
            "a bootstrap interval cannot be made of these values",
            got=f"{n} rows" if n < 2 else "values that are not finite",
            expected="at least two finite rows",
        )
    means = _resampled_means(columns, resamples, seed)
    centre = _ordered_mean(columns)
    tails = np.array([0.5 * (1.0 - level), 0.5 + 0.5 * level])
    low, high = np.empty(columns.shape[1]), np.empty(columns.shape[1])
    for j in range(columns.shape[1]):
        if np.all(columns[:, j] == columns[0, j]):
            low[j] = high[j] = columns[0, j]
            continue
        at = _bca_tails(columns[:, j], means[:, j], centre[j], tails) if method == "bca" else tails
        low[j], high[j] = np.quantile(means[:, j], at)
    return (low[0], high[0]) if values.ndim == 1 else (low, high)


def mean(
    values: ArrayLike,
    *,
    level: float = 0.95,
    method: BootstrapMethod = "bca",
    resamples: int = 10_000,
    seed: int = 0,
    unit: str | None = "1",
) -> Estimate:
    """Return the mean over episodes with its bootstrap interval; of fewer than two values without one.

    Raises:
        DataError: when a value is not finite.
    """
    values = np.asarray(values, np.float64)
    label = _bootstrap_label(method, resamples, seed)
    if len(values) >= 2:
        low, high = bootstrap_mean(values, level=level, method=method, resamples=resamples, seed=seed)
        value, bounds = float(_ordered_mean(values[:, None])[0]), (float(low), float(high))
    else:
        value, bounds = (float(values[0]) if len(values) else None), (None, None)
        label = "none: fewer than two episodes"
    return Estimate(value=value, low=bounds[0], high=bounds[1], n=len(values), level=level, method=label, unit=unit)


def means(
    values: ArrayLike,
    units: Sequence[str | None],
    *,
    level: float = 0.95,
    method: BootstrapMethod = "bca",
    resamples: int = 10_000,
    seed: int = 0,
) -> list[Estimate]:
    """Return `mean` of each column of (n, m) values; the columns share their resamples.

    A NaN says that the episode has no value in that column, which is then estimated from the others.

    Raises:
        DataError: when a value is infinite.
    """
    values = np.asarray(values, np.float64)
    options = {"level": level, "method": method, "resamples": resamples, "seed": seed}
    known = ~np.isnan(values)
    whole = known.all(axis=0)
    label = _bootstrap_label(method, resamples, seed)
    low, high = np.zeros((2, values.shape[1]))
    if len(values) >= 2 and whole.any():
        low[whole], high[whole] = bootstrap_mean(values[:, whole], **options)
    made = []
    for j, unit in enumerate(units):
        if whole[j] and len(values) >= 2:
            centre, ends = float(_ordered_mean(values[:, [j]])[0]), {"low": float(low[j]), "high": float(high[j])}
            made.append(Estimate(value=centre, **ends, n=len(values), level=level, method=label, unit=unit))
        else:
            made.append(mean(values[known[:, j], j], unit=unit, **options))
    return made


def _bootstrap_label(method: str, resamples: int, seed: int) -> str:
    return f"bootstrap {method}, {resamples} resamples of episodes, seed {seed}"


def _counts(successes: ArrayLike, n: ArrayLike) -> tuple[Array, Array]:
    k, n = np.broadcast_arrays(np.asarray(successes, np.float64), np.asarray(n, np.float64))
    if np.any(k < 0) or np.any(k > n):
        raise DataError("successes must lie between 0 and n", got=f"{k.tolist()} of {n.tolist()}")
    return k, n


def _ordered_mean(columns: Array) -> Array:
    """Mean of each column, added row after row, so that a column's bits do not depend on the others."""
    total = np.zeros(columns.shape[1])
    for row in columns:
        total += row
    return total / len(columns)


def _resampled_means(columns: Array, resamples: int, seed: int) -> Array:
    """Means of `resamples` draws of n rows with replacement: (resamples, m)."""
    n, m = columns.shape
    rng = stream(seed, "bootstrap", n)
    means = np.empty((resamples, m))
    block = max(1, _BLOCK_DRAWS // n)
    for start in range(0, resamples, block):
        size = min(block, resamples - start)
        drawn = rng.integers(n, size=(size, n)) + n * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).T.astype(np.float64, order="C")
        total = np.zeros((size, m))
        for i in range(n):
            total += times[i, :, None] * columns[i]
        means[start : start + size] = total / n
    return means


def _bca_tails(values: Array, means: Array, centre: float, tails: Array) -> Array:
    below = (np.sum(means < centre) + 0.5 * np.sum(means == centre)) / len(means)
    bias = normal_quantile(below)
    spread = values - centre
    acceleration = np.sum(spread**3) / (6.0 * np.sum(spread**2) ** 1.5)
    z = bias + normal_quantile(tails)
    return normal_cdf(bias + z / (1.0 - acceleration * z))
