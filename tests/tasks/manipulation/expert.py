"""A scripted expert of the arm tasks: inverse kinematics turns poses of the hand into the tasks' joint steps."""

from __future__ import annotations

import numpy as np

from motorium.core import frames
from motorium.robots import ROBOTS
from motorium.sim.control.ik import DifferentialIK
from motorium.sim.kinematics import Chain
from motorium.tasks.make import make_env

DOWN = np.array([0.0, 1.0, 0.0, 0.0])


class Expert:
    """Drives the hand of every world of a task to poses.

    Args:
        name: of the task.
        num_envs: B.
        fields: of the task's spec.
    """

    def __init__(self, name: str, num_envs: int, **fields) -> None:
        self.env = make_env(name, num_envs, threads=1, **fields)
        self.task, self._physics = self.env._task, self.env._physics
        arm, model = ROBOTS.load(self.task.spec.robot)("training"), self._physics.model
        self._q = [int(model.joint(joint).qposadr[0]) for joint in arm.joints]
        self._chain = Chain(model, arm.joints, arm.eef_site)
        self._ik = DifferentialIK(chain=self._chain, posture_rad=np.array(arm.home_rad))

    def action(
        self, place_m: np.ndarray, yaw_rad: np.ndarray | float = 0.0, gripper: float | None = None
    ) -> np.ndarray:
        """Return actions (B, A) towards a hand that points down at `place_m` (B, 3)."""
        q = self._physics.qpos[:, self._q]
        yaw = np.broadcast_to(np.asarray(yaw_rad, np.float64), (len(q),))
        target = frames.make_pose(place_m, frames.quat_multiply(frames.quat_from_yaw(yaw), DOWN))
        steps = (self._ik.step(q, self._chain.reach(q), target) - q) / self.task.spec.joint_step_rad
        largest = np.abs(steps).max(axis=1, keepdims=True)
        steps = steps / np.maximum(1.0, largest)
        last = [] if gripper is None else [np.full((len(q), 1), gripper)]
        return np.concatenate([steps, *last], axis=1).astype(np.float32)

    def seen(self, observation, name: str, size: int = 3) -> np.ndarray:
        """Return the `size` elements of `observation.state` from `name` on: (B, size)."""
        first = self.env.info.observation["observation.state"].names.index(name)
        return np.asarray(observation["observation.state"][:, first : first + size], np.float64)
