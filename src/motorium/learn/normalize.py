"""Normalisation: shift and scale of every number a policy reads or writes, measured on the training split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# A spread this small, relative to the magnitude, is rounding of float32, not signal.
CONSTANT = 1e-6


@dataclass(frozen=True)
class Scaling:
    """`normal = (x - shift) * inverse` and `x = shift + normal * scale`, element by element, float32.

    Where a number is constant, `scale` and `inverse` are zero: as an input it then says nothing, whatever
    it becomes later, and as an output it is exactly that constant.
    """

    shift: NDArray[np.float32]
    scale: NDArray[np.float32]
    inverse: NDArray[np.float32]

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Which numbers are constant."""
        return self.scale == 0


def measure(values: NDArray, mode: str) -> Scaling:
    """Return the scaling of `values` (n, D) that `mode` asks for: shift, scale, inverse (D,).

    `mean_std`: zero mean, unit variance. `quantile`: 1 % and 99 % quantiles to -1 and 1; where those
    coincide though the number varies (a gripper that opens once), its minimum and maximum take their place.
    """
    values = np.asarray(values, np.float64)
    low, high = values.min(axis=0), values.max(axis=0)
    if mode == "quantile":
        q_low, q_high = np.quantile(values, [0.01, 0.99], axis=0)
        narrow = _constant(q_low, q_high)
        low_end, high_end = np.where(narrow, low, q_low), np.where(narrow, high, q_high)
        shift, scale = (low_end + high_end) / 2, (high_end - low_end) / 2
    else:
        shift, scale = values.mean(axis=0), values.std(axis=0)
    constant = _constant(low, high)
    shift = np.where(constant, values[0], shift)
    scale = np.where(constant, 0.0, scale)
    inverse = np.where(constant, 0.0, 1.0 / np.where(constant, 1.0, scale))
    return Scaling(shift.astype(np.float32), scale.astype(np.float32), inverse.astype(np.float32))


def _constant(low: NDArray, high: NDArray) -> NDArray[np.bool_]:
    return high - low <= CONSTANT * np.maximum(np.abs(low), np.abs(high))
