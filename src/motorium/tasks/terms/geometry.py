"""Distances and bounds: pure functions of arrays with a leading batch axis, in one order whatever the batch.

Arrays are of any namespace of the array API standard; functions use operators and their arguments' methods only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Array = Any


def total(v: Array) -> Array:
    """Return the sums of the rows of (B, n), one element after another: (B,)."""
    added = v[:, 0]
    for i in range(1, v.shape[1]):
        added = added + v[:, i]
    return added


def squared(v: Array) -> Array:
    """Return the squared lengths of the rows of (B, n): (B,)."""
    return total(v * v)


def length(v: Array) -> Array:
    """Return the Euclidean length of vectors (B, n): (B,)."""
    return squared(v) ** 0.5


def distance(a: Array, b: Array) -> Array:
    """Return the distance between points (B, n): (B,)."""
    return length(a - b)


def inside(p: Array, low: Sequence[float], high: Sequence[float]) -> Array:
    """Return whether points (B, n) are in the box [low, high]: (B,)."""
    within = (p[:, 0] >= low[0]) & (p[:, 0] <= high[0])
    for i in range(1, p.shape[1]):
        within = within & (p[:, i] >= low[i]) & (p[:, i] <= high[i])
    return within
