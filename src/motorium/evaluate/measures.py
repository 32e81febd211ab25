"""Measures beside success: returns, reward terms a second, and what a task measures of a whole episode.

Means are over episodes, with bootstrap intervals. An episode whose simulation broke down may have no finite measure:
it is left out of that measure, whose n says so.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from motorium.evaluate.episodes import Rollout
from motorium.evaluate.intervals import Estimate, means

RETURN_UNIT, RATE_UNIT = "reward", "reward/s"
RETURN = "return"
# Names carry their unit as their last words.
_UNITS = {"m_s": "m/s", "rad_s": "rad/s", "m_s2": "m/s^2", "n_m": "N m", "m": "m", "rad": "rad", "s": "s", "n": "N"}


def unit_of(name: str) -> str | None:
    """Return the unit that a name ends with: `velocity_error_m_s` is in m/s; None where it names none."""
    words = name.split("_")
    for count in (2, 1):
        if len(words) > count and "_".join(words[-count:]) in _UNITS:
            return _UNITS["_".join(words[-count:])]
    return None


def reward_rates(made: Rollout, *, level: float = 0.95, seed: int = 0) -> dict[str, Estimate]:
    """Return the mean over episodes of what each reward term gave in a second of the episode."""
    seconds = np.maximum(made.length, 1) / made.control_hz
    columns = {name: total / seconds for name, total in made.rewards.items()}
    return _means(columns, dict.fromkeys(columns, RATE_UNIT), level, seed)


def metrics(made: Rollout, *, level: float = 0.95, seed: int = 0) -> dict[str, Estimate]:
    """Return the mean over episodes of each number in `Rollout.info`."""
    columns = _numbers(made)
    return _means(columns, {name: unit_of(name) for name in columns}, level, seed)


def bin_measures(made: Rollout, *, level: float = 0.95, seed: int = 0) -> dict[str, Estimate]:
    """Return `return` and `metrics` of a part of the episodes; nothing for a task without reward terms and measures."""
    columns = _numbers(made)
    if not columns and not made.rewards:
        return {}
    units = {name: unit_of(name) for name in columns}
    return _means({RETURN: made.returns, **columns}, {RETURN: RETURN_UNIT, **units}, level, seed)


def _numbers(made: Rollout) -> dict[str, NDArray[np.float64]]:
    found = {name: np.asarray(values) for name, values in made.info.items()}
    return {
        name: values.astype(np.float64)
        for name, values in found.items()
        if values.ndim == 1 and values.dtype.kind == "f"
    }


def _means(columns: dict[str, NDArray], units: dict[str, str | None], level: float, seed: int) -> dict[str, Estimate]:
    if not columns:
        return {}
    values = np.stack(list(columns.values()), axis=1)
    values = np.where(np.isfinite(values), values, np.nan)
    made = means(values, [units[name] for name in columns], level=level, seed=seed)
    return dict(zip(columns, made))
