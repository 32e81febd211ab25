"""Control modes: what the numbers of an arm's action mean, and how they become joint targets.

Every mode works relative to the *measured* state, so that a command's effect is a function of the observation
alone. `arm` is the part of an action (B, n) without the gripper.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from motorium.core import frames
from motorium.core.catalog import Catalog
from motorium.sim.control.ik import DifferentialIK, pose_error
from motorium.sim.kinematics import Reach

Array = NDArray[np.float64]

CONTROL_MODES = Catalog(
    "control mode",
    [
        ("eef_delta", "motorium.sim.control.modes:EefDelta"),
        ("joint_delta", "motorium.sim.control.modes:JointDelta"),
        ("joint_position", "motorium.sim.control.modes:JointPosition"),
    ],
)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How much a command of 1 asks for in one control step.

    Attributes:
        linear_m, angular_rad: of the end effector.
        joint_rad: of a joint.
    """

    linear_m: float
    angular_rad: float
    joint_rad: float


class ControlMode(Protocol):
    """One meaning of the arm's part of an action."""

    meaning: str
    names: tuple[str, ...]
    units: tuple[str, ...]
    low: Array
    high: Array

    def joint_target(self, arm: Array, q_rad: Array, reach: Reach) -> Array:
        """Return the joint positions (B, n) that `arm` asks for; within limits and one step's reach."""

    def target(self, arm: Array, q_rad: Array, reach: Reach) -> Array:
        """Return the end-effector poses X_WT (B, 7) that `arm` asks for."""

    def command(self, X_WT: Array, q_rad: Array, reach: Reach) -> Array:
        """Return the `arm` that asks for X_WT (B, 7): the inverse of `target` where nothing is clipped."""


class EefDelta:
    """`[x, y, z, rx, ry, rz]` in [-1, 1]: a step from the measured end-effector pose, axes of the world.

    The rotation is a rotation vector that turns the measured orientation. A far target is approached in a straight
    line: translation and rotation are each scaled down as a whole.
    """

    def __init__(self, ik: DifferentialIK, joints: tuple[str, ...], scale: Scale) -> None:
        self._ik = ik
        self._scale = np.array([scale.linear_m] * 3 + [scale.angular_rad] * 3)
        self.meaning = (
            f"1 is {scale.linear_m:g} m along, or {scale.angular_rad:g} rad about, a world axis, "
            "from the measured end-effector pose"
        )
        self.names = tuple(f"eef.{axis}" for axis in ("x", "y", "z", "rx", "ry", "rz"))
        self.units = ("normalized",) * 6
        self.low, self.high = -np.ones(6), np.ones(6)

    def joint_target(self, arm: Array, q_rad: Array, reach: Reach) -> Array:
        """Return the joint positions (B, n), rad, that bring the end effector as far as the step `arm` (B, 6) says."""
        return self._ik.move(q_rad, reach, arm * self._scale)

    def target(self, arm: Array, q_rad: Array, reach: Reach) -> Array:
        """Return the pose X_WT (B, 7), m and w first: the measured one moved, and turned, by the step."""
        move = arm * self._scale
        return frames.make_pose(
            reach.X_WE[:, :3] + move[:, :3],
            frames.quat_multiply(frames.quat_from_axis_angle(move[:, 3:]), reach.X_WE[:, 3:]),
        )

    def command(self, X_WT: Array, q_rad: Array, reach: Reach) -> Array:
        """Return the step (B, 6) towards X_WT (B, 7), translation and rotation each scaled down where too far."""
        wanted = pose_error(reach.X_WE, X_WT) / self._scale
        return np.concatenate([_shrink(wanted[:, :3]), _shrink(wanted[:, 3:])], axis=1)


class JointDelta:
    """One number a joint in [-1, 1]: a step from the measured joint position."""

    def __init__(self, ik: DifferentialIK, joints: tuple[str, ...], scale: Scale) -> None:
        self._ik, self._step = ik, scale.joint_rad
        self.meaning = f"1 is {scale.joint_rad:g} rad from the measured joint position"
        self.names, self.units = joints, ("normalized",) * len(joints)
        self.low, self.high = -np.ones(len(joints)), np.ones(len(joints))

    def joint_target(self, arm: Array, q_rad: Array, reach: Reach) -> Array:
        """Return the measured joint positions moved by the step `arm` (B, n): (B, n), rad, within limits."""
        return np.clip(q_rad + arm * self._step, self._ik.chain.low_rad, self._ik.chain.high_rad)

    def target(self, arm: Array, q_rad: Array, reach: Reach) -> Array:
        """Return the pose X_WT (B, 7), m and w first, at the joint positions that the step leads to."""
        return self._ik.chain.reach(q_rad + arm * self._step).X_WE

    def command(self, X_WT: Array, q_rad: Array, reach: Reach) -> Array:
        """Return the step (B, n) towards a solution for X_WT (B, 7), scaled down as a whole where it is too far."""
        return _shrink((self._ik.solve(q_rad, X_WT) - q_rad) / self._step)


class JointPosition:
    """One number a joint: the position to go to, in radians, within the joint's limits.

    The servo is given at most one step's reach from the measured position, so that a far target is approached at the
    speed of the other modes instead of at the motors' limits.
    """

    def __init__(self, ik: DifferentialIK, joints: tuple[str, ...], scale: Scale) -> None:
        self._ik, self._step = ik, scale.joint_rad
        self.meaning = f"joint positions, approached by at most {scale.joint_rad:g} rad a step"
        self.names, self.units = joints, ("rad",) * len(joints)
        self.low, self.high = ik.chain.low_rad, ik.chain.high_rad

    def joint_target(self, arm: Array, q_rad: Array, reach: Reach) -> Array:
        """Return the joint positions (B, n), rad, on the way to `arm` (B, n), at most one step away."""
        return q_rad + _shrink((arm - q_rad) / self._step) * self._step

    def target(self, arm: Array, q_rad: Array, reach: Reach) -> Array:
        """Return the pose X_WT (B, 7), m and w first, at the joint positions `arm`."""
        return self._ik.chain.reach(arm).X_WE

    def command(self, X_WT: Array, q_rad: Array, reach: Reach) -> Array:
        """Return the joint positions (B, n), rad, that reach X_WT (B, 7)."""
        return self._ik.solve(q_rad, X_WT)


def _shrink(wanted: Array) -> Array:
    """Scale rows (B, n) down, as a whole, until every element is in [-1, 1]."""
    return wanted / np.maximum(1.0, np.abs(wanted).max(axis=1, keepdims=True))
