"""Differential inverse kinematics by damped least squares, batched.

Source: C. W. Wampler, Manipulator Inverse Kinematic Solutions Based on Vector Formulations and Damped
Least-Squares Methods, 1986: dq = J^T (J J^T + d^2)^-1 e. Arms with more than six joints are drawn towards a posture in
the null space of the task (Liegeois, 1977).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from motorium.core import frames
from motorium.sim.kinematics import Chain, Reach

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class DifferentialIK:
    """Joint steps towards end-effector poses.

    Attributes:
        chain: of the arm.
        posture_rad: (n,) joint positions that a redundant arm is drawn to.
        damping: d, in metres and radians alike; an end-effector step along a direction of gain s is carried
            out to s^2 / (s^2 + d^2).
        posture_gain: part of the way to the posture in one call.
        max_step_rad: largest step of a joint in one call; the whole step is scaled down to it.
    """

    chain: Chain
    posture_rad: NDArray[np.float64]
    damping: float = 0.02
    posture_gain: float = 0.1
    max_step_rad: float = 0.3

    def step(self, q_rad: Array, reach: Reach, X_WT: Array) -> Array:
        """Return joint positions (B, n), within their limits, one step from `q_rad` towards targets `X_WT` (B, 7).

        Args:
            q_rad: (B, n) joint positions now.
            reach: of the chain there.
            X_WT: (B, 7) target poses of the end effector, world frame.
        """
        return self.move(q_rad, reach, pose_error(reach.X_WE, X_WT))

    def move(self, q_rad: Array, reach: Reach, move: Array) -> Array:
        """As `step`, for `move` (B, 6): translation (m) and rotation vector (rad) of the end effector, world frame."""
        J = reach.jacobian
        dq = _times(J.swapaxes(1, 2), _solve(_damped(J, self.damping), move))
        if self.chain.size > 6:
            # A projection is never longer than what it projects, so it needs no damping but for rounding; with the
            # task's damping the posture would pull the end effector off its target.
            pull = self.posture_gain * (self.posture_rad - q_rad)
            dq = dq + pull - _times(J.swapaxes(1, 2), _solve(_damped(J, 1e-4), _times(J, pull)))
        largest = np.abs(dq).max(axis=1, keepdims=True)
        dq = dq * np.minimum(1.0, self.max_step_rad / np.maximum(largest, 1e-12))
        return np.clip(q_rad + dq, self.chain.low_rad, self.chain.high_rad)

    def solve(self, q_rad: Array, X_WT: Array, iterations: int = 10) -> Array:
        """Return joint positions (B, n) for targets `X_WT` (B, 7), or as near as `iterations` steps get."""
        q = np.asarray(q_rad, np.float64)
        for _ in range(iterations):
            q = self.step(q, self.chain.reach(q), X_WT)
        return q


def pose_error(X_WE: Array, X_WT: Array) -> Array:
    """Return what leads from poses `X_WE` to `X_WT`: (B, 6), translation (m) and rotation vector (rad), world frame."""
    turn = frames.quat_multiply(X_WT[..., 3:], frames.quat_conjugate(X_WE[..., 3:]))
    return np.concatenate([X_WT[..., :3] - X_WE[..., :3], frames.axis_angle_from_quat(turn)], axis=-1)


def _damped(J: Array, damping: float) -> Array:
    """Return J J^T + damping^2 (B, 6, 6), summed joint after joint."""
    total = np.broadcast_to(damping**2 * np.eye(6), (len(J), 6, 6))
    for i in range(J.shape[2]):
        total = total + J[:, :, None, i] * J[:, None, :, i]
    return total


def _solve(A: Array, b: Array) -> Array:
    # A LAPACK call a row: no row sees another.
    return np.linalg.solve(A, b[..., None])[..., 0]


def _times(A: Array, v: Array) -> Array:
    """Return matrices (B, m, n) times vectors (B, n), summed in one order whatever the batch."""
    total = A[:, :, 0] * v[:, None, 0]
    for i in range(1, A.shape[2]):
        total = total + A[:, :, i] * v[:, None, i]
    return total
