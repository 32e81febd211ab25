"""limits: joints beyond their stated position or speed, and motion far faster than the group's.

Stated limits come by pattern of element names from the option `limits` (`{limits: {"*elbow*": [-2.9, 2.9, 3.1]}}`:
lowest and highest position, largest speed, each or null) or from the dataset's conventions
(`limits.<pattern>: "[-2.9, 2.9, 3.1]"`); the first pattern that matches holds. Where none is stated, a speed is
unusual relative to the group; positions relative to the group are the check `range`'s.
Speed is taken across 3 steps, and its 99th percentile is compared, so that one digit of a sensor is not fast.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from motorium.core.errors import DataError
from motorium.core.spec import Spec
from motorium.data.curate.finding import ERROR, MISSING, WARNING, Check, Finding, Measures, robust_z, table
from motorium.data.curate.recording import STATE, Recording

CONVENTION = "limits."
ACROSS = 3
# Standard deviations a second, below which an element may be as much faster as it likes.
LEAST, LEAST_MEAN = 1.5, 0.01

Bounds = tuple[float | None, float | None, float | None]


class LimitsLimits(Spec):
    """Thresholds of `limits`."""

    limits: dict[str, Bounds] = Field(
        {}, description="[lowest, highest, largest speed] by pattern of element names, in the element's unit"
    )
    slack: float = Field(0.01, ge=0, description="share by which a stated limit may be passed: rounding, calibration")
    z: float = Field(6.0, gt=0, description="robust z-score of an element's speed; there are many elements")
    mean_z: float = Field(3.0, gt=0, description="robust z-score of the mean speed of all elements together")


def nested(given: Any) -> Any:
    """Return options of this check with the limits of joints, which may stand beside its thresholds, in `limits`."""
    if not isinstance(given, Mapping):
        return given
    joints = {key: value for key, value in given.items() if isinstance(value, list | tuple)}
    inner = given.get("limits", {})
    if not joints or not isinstance(inner, Mapping):
        return given
    return {**{key: value for key, value in given.items() if key not in joints}, "limits": {**inner, **joints}}


def measure(recording: Recording, limits: LimitsLimits) -> dict:
    """Return the speed of each element (standard deviations a second) with its step, and what broke stated limits."""
    state, scaled = recording.series(STATE), recording.scaled(STATE)
    if state is None or scaled is None:
        return {MISSING: "no finite state"}
    if len(state) <= ACROSS:
        return {MISSING: f"shorter than {ACROSS + 1} steps"}
    names = recording.element_names(STATE)
    speed = np.abs(scaled[ACROSS:] - scaled[:-ACROSS]) * (recording.fps / ACROSS)
    own = np.abs(state[ACROSS:] - state[:-ACROSS]) * (recording.fps / ACROSS)
    return {
        "mean": float(recording.motion().mean()),
        "speed": np.quantile(speed, 0.99, axis=0).tolist(),
        "step": speed.argmax(axis=0).tolist(),
        "names": names,
        "broken": [found for element, name in enumerate(names) for found in _stated(element, name, state, own, limits)],
    }


def judge(measures: Sequence[Measures], limits: LimitsLimits) -> list[list[Finding]]:
    """Return an error for each stated limit that is broken, a warning for motion far faster than the group's."""
    findings: list[list[Finding]] = [[] for _ in measures]
    speed = table(measures, "speed")
    z = robust_z(np.log10(np.maximum(speed, LEAST)), 0.12)
    mean = table(measures, "mean")
    together = robust_z(np.log10(np.maximum(mean, LEAST_MEAN)), 0.05)
    for i, one in enumerate(measures):
        if MISSING in one:
            continue
        for message, value, threshold, steps in one["broken"]:
            fields = {"value": value, "threshold": threshold, "unit": "1", "message": message, "steps": tuple(steps)}
            findings[i].append(Finding(check="limits", severity=ERROR, **fields))
        element = int(np.argmax(np.nan_to_num(z[i], nan=-1.0)))
        step = one["step"][element]
        if z[i, element] > limits.z:
            message = f"{one['names'][element]} moves at {speed[i, element]:.1f} standard deviations a second at step"
            steps = (step, step + ACROSS + 1)
            findings[i].append(_unusual(z[i, element], limits.z, f"{message} {step}", steps))
        elif together[i] > limits.mean_z:
            message = f"moves at {mean[i]:.2f} standard deviations a second, in the group {np.nanmedian(mean):.2f}"
            findings[i].append(_unusual(together[i], limits.mean_z, message, None))
    return findings


def _unusual(value: float, threshold: float, message: str, steps: tuple[int, int] | None) -> Finding:
    fields = {"value": float(value), "threshold": threshold, "unit": "MAD", "message": message, "steps": steps}
    return Finding(check="limits", severity=WARNING, **fields)


def stated_limits(conventions: Mapping[str, str]) -> dict[str, list[float | None]]:
    """Return the limits that a dataset's conventions state, by pattern.

    Raises:
        DataError: when one is not a list of three numbers or nulls.
    """
    found = {}
    for key, text in conventions.items():
        if not key.startswith(CONVENTION):
            continue
        try:
            value = json.loads(text)
        except ValueError:
            value = None
        numbers = (int, float, type(None))
        if not (isinstance(value, list) and len(value) == 3 and all(isinstance(one, numbers) for one in value)):
            raise DataError(
                "a limit in the conventions is not valid",
                where=key,
                got=text,
                expected="[lowest, highest, largest speed], each a number or null",
            )
        found[key.removeprefix(CONVENTION)] = value
    return found


def _stated(element: int, name: str, state: NDArray, speed: NDArray, limits: LimitsLimits) -> Iterator[list]:
    """[message, value, threshold, steps] of each stated limit that an element breaks."""
    low, high, fastest = next((b for pattern, b in limits.limits.items() if fnmatchcase(name, pattern)), (None,) * 3)
    width = high - low if low is not None and high is not None else max(abs(high or 0.0), abs(low or 0.0))
    values, slack = state[:, element], limits.slack * width
    for bound, beyond, word in ((high, 1.0, "above"), (low, -1.0, "below")):
        if bound is None:
            continue
        out = np.flatnonzero(beyond * (values - bound) > slack)
        if len(out):
            worst = float(values[out][np.argmax(beyond * values[out])])
            message = f"{name} is {worst:.3g} in {len(out)} steps, {word} its limit {bound:g}"
            yield [message, worst, bound, [int(out[0]), int(out[-1]) + 1]]
    if fastest is not None:
        out = np.flatnonzero(speed[:, element] > fastest * (1 + limits.slack))
        if len(out):
            worst = float(speed[out, element].max())
            message = f"{name} moves at {worst:.3g} a second, its limit is {fastest:g}"
            yield [message, worst, fastest, [int(out[0]), int(out[-1]) + ACROSS + 1]]


CHECK = Check(name="limits", limits=LimitsLimits, measure=measure, judge=judge)
