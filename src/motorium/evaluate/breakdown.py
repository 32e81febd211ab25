"""Where a policy succeeds and why it fails: success and measures by start condition, failures by reason."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from motorium.core.errors import SpecError, nearest
from motorium.core.protocols import SUCCESS
from motorium.core.spec import Spec
from motorium.evaluate.episodes import Rollout
from motorium.evaluate.intervals import Estimate, proportion
from motorium.evaluate.measures import bin_measures
from motorium.evaluate.seeds import format_seeds


class Bin(Spec):
    """Episodes whose start condition lies in [low, high), the last bin closed.

    Attributes:
        low, high: bounds; None where the bin is open: values outside the declared range.
        success: of these episodes; value None where there are none.
        failures: how many failed for each reason.
        rates: of each reason for which an episode of any bin failed.
        measures: mean return and mean of each measure at the end of the episode, where the task has such.
    """

    low: float | None
    high: float | None
    success: Estimate
    failures: dict[str, int]
    rates: dict[str, Estimate] = {}
    measures: dict[str, Estimate] = {}


class FactorBreakdown(Spec):
    """Success by one start condition.

    Attributes:
        factor: its name, unit included (`cube_x_m`).
        bins: of equal width over the declared range; one below and one above it only where episodes lie there.
    """

    factor: str
    bins: tuple[Bin, ...]


class Failure(Spec):
    """One way to fail: how often, and in which episodes.

    Attributes:
        reason: name of the outcome.
        rate: of all episodes.
        count: of episodes.
        seeds: all of them, as `parse_seeds` reads.
        command: what shows these episodes again; empty where the caller gave none.
    """

    reason: str
    rate: Estimate
    count: int
    seeds: str
    command: str = ""


def by_factor(
    made: Rollout, factor: str, bounds: tuple[float, float], *, bins: int = 4, level: float = 0.95, seed: int = 0
) -> FactorBreakdown:
    """Return the success rate and the measures in `bins` equal parts of a start condition's range.

    Args:
        made: the episodes.
        factor: a key of `made.factors`.
        bounds: its declared (low, high), from `EnvInfo.factors`; equal ones make one bin.
        bins: number of parts.
        level: of the intervals: Wilson of rates, bootstrap of means.
        seed: of the bootstrap.

    Raises:
        SpecError: when the factor is unknown or the bounds run backwards.
    """
    if factor not in made.factors:
        raise SpecError(
            f"'{factor}' is not a start condition of {made.task}",
            expected=", ".join(made.factors) or "none",
            nearest=nearest(factor, made.factors),
        )
    low, high = (float(bound) for bound in bounds)
    if high < low or bins < 1:
        raise SpecError("a range needs low <= high and one bin at least", got=(low, high, bins))
    edges = np.linspace(low, high, (bins if high > low else 1) + 1)
    values = made.factors[factor]
    part = np.searchsorted(edges, values, side="right") - 1
    part[values == high] = len(edges) - 2
    part[values > high] = len(edges) - 1
    part[values < low] = -1
    spans = {-1: (None, low), len(edges) - 1: (high, None)}
    spans |= {i: (float(edges[i]), float(edges[i + 1])) for i in range(len(edges) - 1)}
    keep = [i for i in sorted(spans) if 0 <= i < len(edges) - 1 or np.any(part == i)]
    reasons = [row.reason for row in failures(made, level=level) if row.count]
    made_bins = []
    for i in keep:
        inside = made.take(part == i)
        row = _bin(inside, *spans[i], level)
        rates = {reason: proportion(row.failures.get(reason, 0), inside.n, level=level) for reason in reasons}
        made_bins.append(row.replace(rates=rates, measures=bin_measures(inside, level=level, seed=seed)))
    return FactorBreakdown(factor=factor, bins=tuple(made_bins))


def by_factors(
    made: Rollout, bounds: Mapping[str, tuple[float, float]], *, bins: int = 4, level: float = 0.95, seed: int = 0
) -> tuple[FactorBreakdown, ...]:
    """Return `by_factor` for every factor in `bounds` (`EnvInfo.factors`)."""
    return tuple(by_factor(made, name, span, bins=bins, level=level, seed=seed) for name, span in bounds.items())


def failures(made: Rollout, *, command: str = "", level: float = 0.95) -> tuple[Failure, ...]:
    """Return the failures by reason, the most frequent first; reasons that never occurred are counted as 0.

    Args:
        made: the episodes.
        command: command line with `{seeds}` in it, which shows given episodes again.
        level: of the Wilson intervals.

    Raises:
        SpecError: when the command has no `{seeds}`.
    """
    if command and "{seeds}" not in command:
        raise SpecError("the command cannot name the episodes", got=command, expected="'{seeds}' somewhere in it")
    rows = []
    for code, reason in enumerate(made.outcomes):
        if code <= SUCCESS:
            continue
        seeds = made.seeds[made.outcome == code]
        text = format_seeds(seeds)
        rows.append(
            Failure(
                reason=reason,
                rate=proportion(len(seeds), made.n, level=level),
                count=len(seeds),
                seeds=text,
                command=command.replace("{seeds}", text) if len(seeds) else "",
            )
        )
    return tuple(sorted(rows, key=lambda row: -row.count))


def _bin(made: Rollout, low: float | None, high: float | None, level: float) -> Bin:
    counts = {row.reason: row.count for row in failures(made, level=level) if row.count}
    return Bin(low=low, high=high, success=made.rate(level), failures=counts)
