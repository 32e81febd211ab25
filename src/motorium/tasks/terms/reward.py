"""Reward terms: pure functions of arrays with a leading batch axis, each in [0, 1]."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from motorium.tasks.terms.geometry import distance

Array = NDArray[np.float64]


def near(p_W: Array, goal_W: Array, scale_m: float) -> Array:
    """Return 1 at the goal, falling with the distance over `scale_m`: points (B, n), (B, n) to (B,)."""
    return 1.0 / (1.0 + distance(p_W, goal_W) / scale_m)
