"""Two success rates side by side: paired by seed (McNemar, Tango) and, where seeds differ, unpaired (Fisher, Newcombe).

Of n pairs, `wins` are those where only the candidate succeeded, `losses` those where only the baseline
did. The other pairs say nothing about which is better, only how often the two differ.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from motorium.core.errors import DataError, SpecError
from motorium.evaluate.intervals import Estimate, wilson
from motorium.evaluate.special import half_binomial_tail, z_of

Alternative = Literal["two-sided", "greater", "less"]
ALTERNATIVES = ("two-sided", "greater", "less")

_BISECTIONS = 60
_NUISANCE_GRID = 513


def mcnemar(wins: int, losses: int, alternative: Alternative = "two-sided") -> float:
    """Return the exact McNemar p-value: wins against a fair coin over the discordant pairs.

    `greater` tests against "the candidate is no better", `less` against "no worse". No discordant pair
    gives 1.

    Raises:
        DataError: when a count is negative.
        SpecError: when the alternative is unknown.

    Source: Q. McNemar, Psychometrika 12 (1947) 153-157; the exact conditional form is the sign test.
    """
    _check(wins, losses, wins + losses)
    n = wins + losses
    at_least, at_most = half_binomial_tail(losses, n), half_binomial_tail(wins, n)
    return _of_tails(at_least, at_most, alternative)


def paired_difference(wins: int, losses: int, n: int, level: float = 0.95) -> Estimate:
    """Return candidate minus baseline success rate over n pairs, with Tango's score interval.

    The interval holds every difference whose score test is not rejected; at 0 that test is McNemar's
    asymptotic one. It behaves with few or no discordant pairs, where the Wald interval collapses.

    Raises:
        DataError: when counts are negative or exceed n.

    Source: T. Tango, Statistics in Medicine 17 (1998) 891-908, equations 10 and 13.
    """
    _check(wins, losses, n)
    z = z_of(level)
    if n == 0:
        return Estimate(value=None, low=-1.0, high=1.0, n=0, level=level, method="Tango score")
    value = (wins - losses) / n
    low = -1.0 if losses == n else _crossing(wins, losses, n, z, value, -1.0)
    high = 1.0 if wins == n else _crossing(wins, losses, n, -z, value, 1.0)
    return Estimate(value=value, low=low, high=high, n=n, level=level, method="Tango score")


def tango_score(wins: int, losses: int, n: int, difference: float) -> float:
    """Return the score statistic of "the success rates differ by `difference`"; standard normal under it.

    Source: Tango 1998, equation 10; the nuisance is its maximum likelihood estimate under the hypothesis.
    """
    gap = wins - losses - n * difference
    a = 2.0 * n
    b = -wins - losses + (2.0 * n - wins + losses) * difference
    c = -losses * difference * (1.0 - difference)
    lost = (math.sqrt(max(b * b - 4.0 * a * c, 0.0)) - b) / (2.0 * a)
    variance = n * (2.0 * lost + difference * (1.0 - difference))
    if variance <= 0.0:
        return 0.0 if gap == 0 else math.copysign(math.inf, gap)
    return gap / math.sqrt(variance)


def _crossing(wins: int, losses: int, n: int, z: float, inside: float, outside: float) -> float:
    """Return the difference between `inside` and `outside` at which the score reaches z."""
    for _ in range(_BISECTIONS):
        middle = 0.5 * (inside + outside)
        if abs(tango_score(wins, losses, n, middle)) < abs(z):
            inside = middle
        else:
            outside = middle
    return 0.5 * (inside + outside)


def unpaired_difference(baseline: tuple[int, int], candidate: tuple[int, int], level: float = 0.95) -> Estimate:
    """Return candidate minus baseline success rate of independent runs, with Newcombe's hybrid score interval.

    Args:
        baseline: (successes, n).
        candidate: (successes, n).
        level: confidence level.

    Raises:
        DataError: when counts are negative or exceed n.

    Source: R. G. Newcombe, Statistics in Medicine 17 (1998) 873-890, method 10.
    """
    (k1, n1), (k2, n2) = baseline, candidate
    l1, u1 = (float(v) for v in wilson(k1, n1, level))
    l2, u2 = (float(v) for v in wilson(k2, n2, level))
    n, method = min(n1, n2), "Newcombe hybrid score (unpaired)"
    if n == 0:
        return Estimate(value=None, low=-1.0, high=1.0, n=0, level=level, method=method)
    p1, p2 = k1 / n1, k2 / n2
    low = p2 - p1 - math.hypot(p2 - l2, u1 - p1)
    high = p2 - p1 + math.hypot(u2 - p2, p1 - l1)
    return Estimate(value=p2 - p1, low=max(low, -1.0), high=min(high, 1.0), n=n, level=level, method=method)


def fisher(baseline: tuple[int, int], candidate: tuple[int, int], alternative: Alternative = "two-sided") -> float:
    """Return Fisher's exact p-value for independent runs; two-sided adds all tables no likelier than this one.

    `greater`: the candidate succeeds more often. Integer arithmetic throughout.

    Raises:
        DataError: when counts are negative or exceed n.
        SpecError: when the alternative is unknown.

    Source: R. A. Fisher, J. R. Stat. Soc. 98 (1935) 39-82.
    """
    (k1, n1), (k2, n2) = baseline, candidate
    for k, n in (baseline, candidate):
        _check(k, 0, n)
    _check_alternative(alternative)
    successes = k1 + k2
    first, last = max(0, successes - n1), min(n2, successes)
    weights = {k: math.comb(n2, k) * math.comb(n1, successes - k) for k in range(first, last + 1)}
    keep = {
        "greater": lambda k: k >= k2,
        "less": lambda k: k <= k2,
        "two-sided": lambda k: weights[k] <= weights[k2],
    }[alternative]
    return sum(weight for k, weight in weights.items() if keep(k)) / math.comb(n1 + n2, successes)


def barnard(baseline: tuple[int, int], candidate: tuple[int, int], alternative: Alternative = "two-sided") -> float:
    """Return Barnard's unconditional exact p-value for independent runs (pooled z statistic).

    It rejects more often than Fisher's test at the same false-alarm rate. The nuisance success rate is
    maximised on a grid of 513 points and once more, finer, around the best: costs n1 x n2 x 1026.

    Raises:
        DataError: when counts are negative or exceed n.
        SpecError: when the alternative is unknown.

    Source: G. A. Barnard, Biometrika 34 (1947) 123-138; pooled statistic: S. Suissa and J. J. Shuster,
    J. R. Stat. Soc. A 148 (1985) 317-327.
    """
    (k1, n1), (k2, n2) = baseline, candidate
    for k, n in (baseline, candidate):
        _check(k, 0, n)
    _check_alternative(alternative)
    if n1 == 0 or n2 == 0:
        return 1.0
    x, y = np.arange(n1 + 1)[:, None], np.arange(n2 + 1)[None, :]
    statistic = _pooled_z(x, n1, y, n2)
    observed = statistic[k1, k2]
    signed = {"greater": statistic, "less": -statistic, "two-sided": np.abs(statistic)}[alternative]
    bound = {"greater": observed, "less": -observed, "two-sided": abs(observed)}[alternative]
    extreme = signed >= bound - 1e-9
    grid = np.linspace(0.0, 1.0, _NUISANCE_GRID)[1:-1]
    best = grid[int(np.argmax(_rejection(extreme, n1, n2, grid)))]
    fine = np.clip(np.linspace(best - grid[0], best + grid[0], _NUISANCE_GRID), 1e-12, 1.0 - 1e-12)
    return float(min(1.0, _rejection(extreme, n1, n2, fine).max()))


def _pooled_z(x: np.ndarray, n1: int, y: np.ndarray, n2: int) -> np.ndarray:
    pooled = (x + y) / (n1 + n2)
    variance = pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2)
    return np.where(variance > 0, (y / n2 - x / n1) / np.sqrt(np.where(variance > 0, variance, 1.0)), 0.0)


def _rejection(extreme: np.ndarray, n1: int, n2: int, rates: np.ndarray) -> np.ndarray:
    """Probability of the `extreme` tables at each common success rate: (len(rates),)."""
    first, second = _binomial_table(n1, rates), _binomial_table(n2, rates)
    reached = np.zeros_like(rates)
    for k in range(n1 + 1):
        reached += first[k] * np.sum(second[extreme[k]], axis=0)
    return reached


def _binomial_table(n: int, rates: np.ndarray) -> np.ndarray:
    counts = np.arange(n + 1)
    choose = np.array([math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in counts])
    return np.exp(choose[:, None] + counts[:, None] * np.log(rates) + (n - counts)[:, None] * np.log1p(-rates))


def _of_tails(at_least: float, at_most: float, alternative: str) -> float:
    _check_alternative(alternative)
    if alternative == "greater":
        return at_least
    if alternative == "less":
        return at_most
    return min(1.0, 2.0 * min(at_least, at_most))


def _check_alternative(alternative: str) -> None:
    if alternative not in ALTERNATIVES:
        raise SpecError("unknown alternative", got=alternative, expected=", ".join(ALTERNATIVES))


def _check(wins: int, losses: int, n: int) -> None:
    if wins < 0 or losses < 0 or wins + losses > n:
        raise DataError("counts must be at least 0 and add up to at most n", got=f"{wins} and {losses} of {n}")
