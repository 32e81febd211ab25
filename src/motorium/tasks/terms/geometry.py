"""Distances and bounds: pure functions of arrays with a leading batch axis, in one order whatever the batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def length(v: Array) -> Array:
    """Return the Euclidean length of vectors (B, n): (B,)."""
    total = v[:, 0] * v[:, 0]
    for i in range(1, v.shape[1]):
        total = total + v[:, i] * v[:, i]
    return np.sqrt(total)


def distance(a: Array, b: Array) -> Array:
    """Return the distance between points (B, n): (B,)."""
    return length(a - b)


def inside(p: Array, low: Sequence[float], high: Sequence[float]) -> NDArray[np.bool_]:
    """Return whether points (B, n) are in the box [low, high]: (B,)."""
    return ((p >= np.asarray(low)) & (p <= np.asarray(high))).all(axis=1)
