"""Conditions: pure functions of arrays with a leading batch axis, each (B,) bool."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from motorium.tasks.terms.geometry import distance, inside, length

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


def at_rest(velocity: Array, linear_m_s: float, angular_rad_s: float) -> Flags:
    """Return whether bodies with `velocity` (B, 6), linear then angular, are slower than both bounds."""
    return (length(velocity[:, :3]) < linear_m_s) & (length(velocity[:, 3:]) < angular_rad_s)


def within(p: Array, goal: Array, radius_m: float) -> Flags:
    """Return whether points (B, n) are nearer than `radius_m` to goals (B, n)."""
    return distance(p, goal) < radius_m


def off_table(p_W: Array, low_m: Sequence[float], high_m: Sequence[float], below_m: float) -> Flags:
    """Return whether points (B, 3) are beyond the table's edges, or more than `below_m` under its top."""
    return ~inside(p_W[:, :2], low_m, high_m) | (p_W[:, 2] < -below_m)
