"""A clip of our own for humanoids: squats, arms to the front, hips turning and swaying, on feet that do not move.

Made by kinematics, and slowly enough to be nearly at rest all the time, so that what is balanced at rest can be done:
the pelvis goes down as half a cosine, turning, leaning and swaying a little; the legs follow by Newton's method on both
feet's poses, and the pelvis is put where the centre of mass is as far in front of the feet as in the home pose.
"""

from __future__ import annotations

import math

import mujoco
import numpy as np
from numpy.typing import NDArray

from motorium.robots.legged import Legged
from motorium.tasks.locomotion.clip import Clip, record

Array = NDArray[np.float64]

PERIOD_S, DOWN_M, SWAY_M, TURN_RAD, LEAN_RAD = 4.0, 0.08, 0.02, 0.1, 0.1
# Of the upper body's joints from home: with how far down it is, and with the sine of the period.
WITH_DOWN = {"shoulder_pitch": -0.8, "elbow": -0.3, "wrist_pitch": 0.2, "waist_pitch": 0.1}
WITH_SINE = {"waist_yaw": 0.25, "waist_roll": 0.05, "wrist_roll": 0.2, "wrist_yaw": 0.15}
# The same to both sides: the signs of these joints change from one side to the other.
OUTWARDS = {"shoulder_roll": 0.15, "shoulder_yaw": 0.1}
SIDES = {"left": 1.0, "right": -1.0}
# Newton's method: turns, and what it stops at, metres and radians.
TURNS, CLOSE = 50, 1e-7


def make_squats(robot: Legged, model: mujoco.MjModel, seconds: float, fps: float) -> Clip:
    """Return squats of the G1, or of a robot with its names of joints, from standing.

    Args:
        robot: the robot.
        model: compiled from its spec.
        seconds: of the clip; in whole periods it ends as it began.
        fps: frames in a second.
    """
    squat = _Squat(robot, model)
    period, count = max(2, round(fps * PERIOD_S)), max(2, round(seconds * fps))
    frames = [squat.at(i / period) for i in range(period)]
    # With the neighbours of its ends, as one period follows another.
    one = record(model, np.array([frames[-1], *frames, frames[0]]), fps)
    repeated = np.arange(count) % period + 1
    return Clip(fps=fps, **{name: values[repeated] for name, values in one.arrays().items()})


class _Squat:
    """Solves the robot's pose at a part of a period."""

    def __init__(self, robot: Legged, model: mujoco.MjModel) -> None:
        self._model, self._data = model, mujoco.MjData(model)
        self._place = {name.removesuffix("_joint"): int(model.joint(name).qposadr[0]) for name in robot.joints}
        self._feet = [model.site(foot).id for foot in robot.feet]
        self._legs = [self._leg(foot) for foot in self._feet]
        self._home = self._data.qpos.copy()
        for name, angle in zip(robot.joints, robot.home_rad):
            self._home[self._place[name.removesuffix("_joint")]] = angle
        self._home[:7] = (0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0)
        self._data.qpos[:] = self._home
        self._look()
        # The soles on the ground, below the middle of the two.
        at = self._data.site_xpos[self._feet].mean(axis=0) - (0.0, 0.0, robot.sole_m)
        self._home[:3] -= at
        self._data.qpos[:] = self._home
        self._look()
        self._aims = [
            (self._data.site_xpos[f].copy(), self._data.site_xmat[f].reshape(3, 3).copy()) for f in self._feet
        ]
        self._ahead = self._data.subtree_com[0, :2].copy()

    def at(self, part: float) -> Array:
        """Return positions (nq,) at `part` of a period, 0 to 1."""
        turn, data = 2.0 * math.pi * part, self._data
        down, sine = 0.5 * (1.0 - math.cos(turn)), math.sin(turn)
        legs = [data.qpos[q].copy() for q, _ in self._legs]
        data.qpos[:] = self._home
        for (q, _), angles in zip(self._legs, legs):
            data.qpos[q] = angles
        for name, place in self._place.items():
            side, _, joint = name.partition("_")
            joint, sign = (joint, SIDES[side]) if side in SIDES else (name, 1.0)
            data.qpos[place] += WITH_DOWN.get(joint, 0.0) * down + WITH_SINE.get(joint, 0.0) * sine
            data.qpos[place] += OUTWARDS.get(joint, 0.0) * sign * down
        yaw, lean = 0.5 * TURN_RAD * sine, 0.5 * LEAN_RAD * down
        mujoco.mju_mulQuat(
            data.qpos[3:7],
            np.array([math.cos(yaw), 0.0, 0.0, math.sin(yaw)]),
            np.array([math.cos(lean), 0.0, math.sin(lean), 0.0]),
        )
        data.qpos[2] = self._home[2] - DOWN_M * down
        self._solve(self._ahead + np.array([0.0, SWAY_M * sine]))
        return data.qpos.copy()

    def _solve(self, balance: Array) -> None:
        """Move legs and pelvis until the feet are in place and the centre of mass is at `balance` (x, y)."""
        data, model = self._data, self._model
        jacobian = np.zeros((6, model.nv))
        for _ in range(TURNS):
            self._look()
            off = balance - data.subtree_com[0, :2]
            most = np.abs(off).max()
            data.qpos[:2] += off
            self._look()
            for foot, (q, v), (place, turned) in zip(self._feet, self._legs, self._aims):
                mujoco.mj_jacSite(model, data, jacobian[:3], jacobian[3:], foot)
                error = np.concatenate(
                    [place - data.site_xpos[foot], _turn(turned, data.site_xmat[foot].reshape(3, 3))]
                )
                most = max(most, np.abs(error).max())
                data.qpos[q] += np.linalg.solve(jacobian[:, v], error)
            if most < CLOSE:
                return

    def _look(self) -> None:
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_comPos(self._model, self._data)

    def _leg(self, foot: int) -> tuple[list[int], list[int]]:
        """Return places in positions and velocities of the joints between pelvis and foot."""
        model, body, joints = self._model, int(self._model.site_bodyid[foot]), []
        while model.body_dofnum[body] == 1:
            joints.insert(0, int(model.body_jntadr[body]))
            body = int(model.body_parentid[body])
        return [int(model.jnt_qposadr[j]) for j in joints], [int(model.jnt_dofadr[j]) for j in joints]


def _turn(aim: Array, now: Array) -> Array:
    """Return the small rotation (3,), world frame, from one rotation matrix to the other."""
    return 0.5 * np.cross(now.T, aim.T).sum(axis=0)
