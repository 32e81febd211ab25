"""Observation terms: pure functions of arrays with a leading batch axis."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from motorium.core import frames

Array = NDArray[np.float64]

POSE_NAMES = ("x", "y", "z", "r11", "r21", "r31", "r12", "r22", "r32")
POSE_UNITS = ("m",) * 3 + ("1",) * 6


def pose(X_WB: Array) -> Array:
    """Return position (m) and 6-D rotation of poses (B, 7): (B, 9), elements named in `POSE_NAMES`."""
    return np.concatenate([X_WB[:, :3], frames.rotation6d_from_quat(X_WB[:, 3:])], axis=1)


def matrix_pose(p_WB: Array, R_WB: Array) -> Array:
    """Return what `pose` does, of positions (B, 3) and rotation matrices (B, 3, 3)."""
    return np.concatenate([p_WB, R_WB[:, :, 0], R_WB[:, :, 1]], axis=1)


def polynomial(x: Array, coefficients: Sequence[float]) -> Array:
    """Return c0 + c1 x + c2 x^2 + ... of `x` (B,): (B,)."""
    total = 0.0 * x + coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        total = total * x + coefficient
    return total
