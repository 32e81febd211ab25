"""Conditions: pure functions of arrays with a leading batch axis, each (B,) bool, and for how long they have held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from array_api_compat import array_namespace

from motorium.tasks.terms.geometry import distance, inside, length

Array = Any
Flags = Any


def at_rest(velocity: Array, linear_m_s: float, angular_rad_s: float) -> Flags:
    """Return whether bodies with `velocity` (B, 6), linear then angular, are slower than both bounds."""
    return (length(velocity[:, :3]) < linear_m_s) & (length(velocity[:, 3:]) < angular_rad_s)


def within(p: Array, goal: Array, radius_m: float) -> Flags:
    """Return whether points (B, n) are nearer than `radius_m` to goals (B, n)."""
    return distance(p, goal) < radius_m


def off_table(p_W: Array, low_m: Sequence[float], high_m: Sequence[float], below_m: float) -> Flags:
    """Return whether points (B, 3) are beyond the table's edges, or more than `below_m` under its top."""
    return ~inside(p_W[:, :2], low_m, high_m) | (p_W[:, 2] < -below_m)


def streak(count: Array, holds: Flags) -> Array:
    """Return for how many steps in a row a condition has held: `count` (B,) before, whether it `holds` (B,) now."""
    return (count + 1.0) * holds


def lasted(count: Array, steps: float, yes: int, no: int) -> Array:
    """Return the outcome code `yes` where a streak `count` (B,) is at least `steps` long, else `no`: (B,) int8."""
    xp = array_namespace(count)
    return xp.astype(count >= steps - 1e-6, xp.int8) * (yes - no) + no
