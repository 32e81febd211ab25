"""range: values that cannot be, or that are far out of where the group's are.

Hard: elements whose unit has bounds (`normalized` in [-1, 1]) and quaternions that are not of unit length (four
elements named ..w, ..x, ..y, ..z). Relative: the highest and lowest value of each element of state and action,
against those of the group's other episodes: a wrong unit, sign or zero, a sensor that sticks at its end. Extremes
are skewed, so the group's spread is taken on the side of the end: from the median to the ninth decile, as if normal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from motorium.core.spec import Spec
from motorium.data.companions import ENDINGS
from motorium.data.curate.finding import ERROR, FEWEST_TO_COMPARE, MISSING, WARNING, Check, Finding, Measures, table
from motorium.data.curate.recording import ACTION, STATE, Recording

# Tracked objects have slots, which are other things in other episodes, and masks of their own.
OBJECTS = "objects."
# Spread of episodes that counts at least, of the range that an element usually has in an episode.
LEAST_SPREAD = 0.1
DECILE, DECILE_Z = 0.9, 1.2816


class RangeLimits(Spec):
    """Thresholds of `range`."""

    hard: dict[str, tuple[float, float]] = Field(
        {"normalized": (-1.0, 1.0)}, description="[lowest, highest] value by unit, whatever the group"
    )
    slack: float = Field(0.02, ge=0, description="share of a hard range by which it may be left")
    unit_length: float = Field(0.01, gt=0, description="difference of a quaternion's length from 1")
    z: float = Field(6.0, gt=0, description="robust z-score of an episode's highest or lowest value of an element")


def measure(recording: Recording, limits: RangeLimits) -> dict:
    """Return extremes of each element with their steps, and what broke a hard limit: [what, value, limit, steps]."""
    extremes = {}
    for key in (STATE, ACTION):
        series = recording.series(key)
        if series is not None:
            extremes[key] = {
                "low": series.min(axis=0).tolist(),
                "high": series.max(axis=0).tolist(),
                "low_at": series.argmin(axis=0).tolist(),
                "high_at": series.argmax(axis=0).tolist(),
                "names": recording.element_names(key),
            }
    hard, looked = [], bool(extremes)
    for key in sorted(recording.arrays):
        if key.startswith(OBJECTS) or key.endswith(ENDINGS) or recording.arrays[key].dtype.kind != "f":
            continue
        series = recording.series(key)
        if series is None:
            continue
        names, valid = recording.element_names(key), recording.valid(key)
        known = np.ones(series.shape, bool) if valid is None else valid
        units = list(recording.units.get(key) or ())
        quaternions = list(_quaternions(names, key))
        looked |= bool(quaternions) or any(unit in limits.hard for unit in units)
        hard += _units(names, units, series, known, limits)
        hard += _lengths(names, quaternions, series, known, limits)
    return {"extremes": extremes, "hard": hard} if looked else {MISSING: "no finite state, action or known unit"}


def judge(measures: Sequence[Measures], limits: RangeLimits) -> list[list[Finding]]:
    """Return errors for quaternions that are none, warnings for other hard limits and values far from the group."""
    findings: list[list[Finding]] = [[] for _ in measures]
    for i, one in enumerate(measures):
        for what, value, limit, unit, steps in one.get("hard", ()):
            severity = ERROR if unit == "quaternion" else WARNING
            text = f"{what} has length {value:.3g}" if unit == "quaternion" else f"{what} is {value:.3g} ({unit})"
            fields = {"severity": severity, "value": value, "threshold": limit, "unit": "1", "steps": tuple(steps)}
            findings[i].append(Finding(check="range", message=f"{text}, its limit is {limit:g}", **fields))
    for key in (STATE, ACTION):
        have = [i for i, one in enumerate(measures) if key in one.get("extremes", {})]
        if len(have) < FEWEST_TO_COMPARE:
            continue
        for i, finding in _relative(have, [measures[i]["extremes"][key] for i in have], limits):
            findings[i].append(finding)
    return findings


def _relative(have: Sequence[int], extremes: Sequence[Mapping], limits: RangeLimits) -> Iterator[tuple[int, Finding]]:
    """The worst element of each episode that has one out of the group's range."""
    low, high = table(extremes, "low"), table(extremes, "high")
    usual = np.median(high - low, axis=0)
    # What never moves in most episodes has no range to be out of.
    floor = np.where(usual > 0, LEAST_SPREAD * usual, np.inf)
    z = {"high": _outward(high, floor), "low": _outward(-low, floor)}
    for place, i in enumerate(have):
        end = max(("high", "low"), key=lambda name: float(np.max(z[name][place], initial=0.0)))
        element = int(np.argmax(z[end][place]))
        if not z[end][place, element] > limits.z:
            continue
        one, step = extremes[place], extremes[place][f"{end}_at"][element]
        middle = float(np.median((high if end == "high" else low)[:, element]))
        message = f"{one['names'][element]} reaches {one[end][element]:.3g} at step {step}, in the group {middle:.3g}"
        value = float(z[end][place, element])
        fields = {"severity": WARNING, "value": value, "threshold": limits.z, "unit": "MAD", "message": message}
        yield i, Finding(check="range", steps=(step, step + 1), **fields)


def _outward(ends: NDArray[np.float64], floor: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far each episode's end (n, k) is above the group's median, in the spread of the group's on that side."""
    middle = np.median(ends, axis=0)
    spread = (np.quantile(ends, DECILE, axis=0) - middle) / DECILE_Z
    return (ends - middle) / np.maximum(spread, floor)


def _units(
    names: Sequence[str], units: Sequence[str], series: NDArray, known: NDArray[np.bool_], limits: RangeLimits
) -> Iterator[list]:
    """Elements out of the bounds of their unit, each with its farthest value."""
    if len(units) == 1:
        units = list(units) * series.shape[1]
    for element, (name, unit) in enumerate(zip(names, units)):
        if unit not in limits.hard:
            continue
        low, high = limits.hard[unit]
        slack = limits.slack * (high - low)
        values = series[:, element]
        out = np.flatnonzero(((values > high + slack) | (values < low - slack)) & known[:, element])
        if len(out):
            worst = float(values[out][np.argmax(np.abs(values[out] - (low + high) / 2))])
            limit = high if worst > high else low
            yield [name, worst, limit, unit, [int(out[0]), int(out[-1]) + 1]]


def _lengths(
    names: Sequence[str], quaternions: Sequence[int], series: NDArray, known: NDArray[np.bool_], limits: RangeLimits
) -> Iterator[list]:
    """Quaternions (by their first element) that are not of unit length, each with its farthest length."""
    for first in quaternions:
        parts = slice(first, first + 4)
        length = np.sqrt(np.square(series[:, parts]).sum(axis=1))
        out = np.flatnonzero((np.abs(length - 1.0) > limits.unit_length) & known[:, parts].all(axis=1))
        if len(out):
            worst = float(length[out][np.argmax(np.abs(length[out] - 1.0))])
            what = f"quaternion {names[first]}..{names[first + 3]}"
            yield [what, worst, 1.0, "quaternion", [int(out[0]), int(out[-1]) + 1]]


def _quaternions(names: Sequence[str], key: str) -> Iterator[int]:
    """First elements of the quaternions among the elements, by their names: w first or last."""
    ends = [name.rsplit(".", 1)[-1].rsplit("_", 1)[-1].rsplit("/", 1)[-1].lower() for name in names]
    for first in range(len(names) - 3):
        four = ends[first : first + 4]
        bare = [end.removeprefix("q") for end in four]
        told = all(end.startswith("q") for end in four) or any(
            word in (names[first] + key).lower() for word in ("quat", "orientation", "rotation")
        )
        if told and bare in (["w", "x", "y", "z"], ["x", "y", "z", "w"]):
            yield first


CHECK = Check(name="range", limits=RangeLimits, measure=measure, judge=judge)
