"""Finding and Check: what a check says, and how checks that compare episodes are built, in two passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from motorium.core.errors import DataError
from motorium.core.spec import Spec
from motorium.data.curate.recording import Recording

INFO, WARNING, ERROR = "info", "warning", "error"
MISSING = "missing"
FEWEST_TO_COMPARE = 8

Measures = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing a check found in one episode.

    Attributes:
        check: catalog name.
        severity: `info`, `warning`, or `error`: not fit to learn from.
        value, threshold: what was measured and the limit it passed, both in `unit`.
        unit: SI spelled out, `1` where there is none, `MAD` for a robust z-score.
        message: one line for people, with numbers.
        steps: (start, stop) of the place, stop exclusive; None when it is the whole episode.
        spans: every place, where the fault is local and an episode may be cut there; an empty one (a, a) is a cut
            between two steps. Empty where cutting does not help.
        others: episodes it is about beside this one, the most important first; numbered as the measures that were
            judged, and in a `Curation` as the dataset.
    """

    check: str
    severity: str
    value: float
    threshold: float
    unit: str
    message: str
    steps: tuple[int, int] | None = None
    spans: tuple[tuple[int, int], ...] = ()
    others: tuple[int, ...] = ()

    def to_plain(self) -> dict[str, Any]:
        """Return JSON-compatible data."""
        plain = {**asdict(self), "steps": None if self.steps is None else list(self.steps)}
        return {**plain, "others": list(self.others), "spans": [list(span) for span in self.spans]}


@dataclass(frozen=True, kw_only=True)
class Check:
    """A check in two passes, so that thresholds can be relative to the dataset.

    Attributes:
        name: catalog name.
        limits: its thresholds.
        measure: `(recording, limits) -> {name: plain number or list}`; each episode by itself, in any order
            and process. `{"missing": reason}` where the episode has not what the check looks at.
        judge: `(measures of every episode of one group, limits) -> findings of each`.
        across: judged once over all groups: what is looked for does not stop at a task.
        overall: `(measures of every episode of the dataset, limits) -> findings on the dataset as a whole`; they
            say something of no single episode and decide nothing.
        repeats: `(measures of every episode, limits, one, candidates) -> a finding, or None, of each candidate`:
            whether it repeats the episode `one`, which stays. Every check whose findings name `others` has it.
    """

    name: str
    limits: type[Spec]
    measure: Callable[[Recording, Any], dict[str, Any]]
    judge: Callable[[Sequence[Measures], Any], list[list[Finding]]]
    across: bool = False
    overall: Callable[[Sequence[Measures], Any], list[Finding]] | None = None
    repeats: Callable[[Sequence[Measures], Any, int, Sequence[int]], list[Finding | None]] | None = None


def judge_each(measures: Sequence[Measures], judge: Callable[[Measures], list[Finding]]) -> list[list[Finding]]:
    """Return `judge` of every episode that was measured, by hard limits alone; none for the others."""
    return [[] if MISSING in one else judge(one) for one in measures]


def robust_z(values: ArrayLike, floor: float) -> NDArray[np.float64]:
    """Return how many scaled median absolute deviations each value is from the group's median: (n, ...).

    Axis 0 is the episodes; NaN values are left out of the median and give NaN. `floor` is the least spread
    that counts, in the values' unit: episodes recorded alike differ by less than matters. Groups of less than
    8 are not compared: all NaN.
    Source: Iglewicz and Hoaglin 1993, modified z-score, 1.4826 MAD for 0.6745.
    """
    values = np.asarray(values, np.float64)
    if len(values) == 0:
        return values
    known = np.isfinite(values)
    enough = known.sum(axis=0) >= FEWEST_TO_COMPARE
    filled = np.where(known | ~enough, values, np.nan)
    with np.errstate(all="ignore"):
        median = _median(filled)
        spread = 1.4826 * _median(np.abs(filled - median))
        z = (filled - median) / np.maximum(spread, floor)
    return np.where(known & enough, z, np.nan)


def _median(values: NDArray) -> NDArray:
    """Median over axis 0 without NaN; NaN, in silence, where nothing is left."""
    order = np.sort(values, axis=0)
    count = np.isfinite(values).sum(axis=0)
    low, high = np.maximum(count - 1, 0) // 2, np.minimum(count // 2, len(values) - 1)
    pick = [np.take_along_axis(order, index[None, ...], axis=0)[0] for index in (low, high)]
    return np.where(count > 0, (pick[0] + pick[1]) / 2, np.nan)


def table(measures: Sequence[Measures], name: str) -> NDArray[np.float64]:
    """Return one measure of every episode, (n,) or (n, k); NaN where it is missing.

    Raises:
        DataError: when episodes of the group have different numbers of elements.
    """
    rows = [None if MISSING in one else np.asarray(one[name], np.float64) for one in measures]
    shape = next((row.shape for row in rows if row is not None), ())
    other = next((row.shape for row in rows if row is not None and row.shape != shape), shape)
    if other != shape:
        remedy = "group the episodes by robot"
        raise DataError("episodes that do not match are compared", where=name, got=other, expected=shape, remedy=remedy)
    return np.stack([np.full(shape, np.nan) if row is None else row for row in rows]) if rows else np.zeros((0, *shape))
