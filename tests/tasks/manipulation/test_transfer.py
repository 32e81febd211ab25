"""A scripted pair of arms hands the cube over: the task can be solved, and success is judged where it is due."""

from __future__ import annotations

import numpy as np
import pytest

from motorium.core import frames
from motorium.core.protocols import SUCCESS
from motorium.robots import ROBOTS
from motorium.sim.control.ik import DifferentialIK
from motorium.sim.kinematics import Chain
from motorium.tasks.make import make_env

SEEDS = np.arange(2)
# Of the right hand, which reaches down to the table: 55 degrees below the horizontal, its fingers closing along y.
PITCH_RAD = np.radians(55.0)
DOWN_LEFT = np.array([-np.cos(PITCH_RAD), 0.0, -np.sin(PITCH_RAD)])
MEETING_M, ASIDE_M = np.array([0.04, 0.0, 0.25]), np.array([-0.10, 0.0, 0.25])


def facing(direction, closing):
    """Return the quaternion of a hand that points along `direction` and closes along `closing`."""
    matrix = np.stack([np.cross(closing, direction), closing, direction], axis=1)
    return frames.quat_from_matrix(matrix[None])[0]


RIGHT, LEFT = (
    facing(DOWN_LEFT, np.array([0.0, -1.0, 0.0])),
    facing(np.array([1.0, 0.0, 0.0]), np.array([0.0, 0.0, 1.0])),
)


def shut(closed):
    """Return a gripper's command."""
    return 1.0 if closed else -1.0


class Side:
    """One arm of the pair."""

    def __init__(self, env, arm, first):
        self._env, self._first = env, first
        model = env._physics.model
        self._q = [int(model.joint(joint).qposadr[0]) for joint in arm.joints]
        self._chain = Chain(model, arm.joints, arm.eef_site)
        self._ik = DifferentialIK(chain=self._chain, posture_rad=np.array(arm.home_rad))

    def drive(self, action, place_m, turn, gripper):
        """Write the arm's part of `action`, towards hands at `place_m` (B, 3) turned by `turn`."""
        q = self._env._physics.qpos[:, self._q]
        target = frames.make_pose(place_m, np.broadcast_to(turn, (len(q), 4)))
        steps = (self._ik.step(q, self._chain.reach(q), target) - q) / self._env._task.spec.joint_step_rad
        steps = steps / np.maximum(1.0, np.abs(steps).max(axis=1, keepdims=True))
        action[:, self._first : self._first + 6], action[:, self._first + 6] = steps, gripper


def hand_over(seeds, lets_go=True):
    """Run the script; return the last step. `lets_go`: whether the right hand opens."""
    env = make_env("viperx/transfer", len(seeds), threads=1, episode_s=12.0)
    pair = ROBOTS.load("viperx")("training")
    left, right = Side(env, pair.left, 0), Side(env, pair.right, 7)
    env.reset(seeds, factors={"cube_yaw_rad": np.zeros(len(seeds)), "cube_y_m": np.zeros(len(seeds))})
    first = int(env._physics.model.joint("cube").qposadr[0])
    for number in range(env.info.max_steps):
        cube = env._physics.qpos[:, first : first + 3].copy()
        action = np.zeros((len(seeds), 14), np.float32)
        if number < 60:
            right.drive(action, cube - 0.08 * DOWN_LEFT * (number < 30), RIGHT, shut(number >= 50))
        elif number < 165 or not lets_go:
            right.drive(action, np.broadcast_to(MEETING_M, cube.shape), RIGHT, shut(number < 155 or not lets_go))
        else:
            right.drive(action, MEETING_M - 0.12 * DOWN_LEFT + 0.0 * cube, RIGHT, -1.0)
        if number < 100:
            left.drive(action, np.broadcast_to(ASIDE_M, cube.shape), LEFT, -1.0)
        else:
            place = cube if number < 140 else np.broadcast_to(MEETING_M, cube.shape)
            left.drive(action, place, LEFT, shut(number >= 135))
        step = env.step(action)
    return step


@pytest.mark.slow
def test_a_pair_of_experts_hands_the_cube_over():
    last = hand_over(SEEDS)
    assert (last.outcome == SUCCESS).all()
    assert (last.info["height_m"] > 0.05).all()


@pytest.mark.slow
def test_a_cube_that_both_hands_hold_is_not_handed_over():
    last = hand_over(SEEDS, lets_go=False)
    assert last.truncated.all() and (last.outcome != SUCCESS).all()
    assert (last.info["height_m"] > 0.05).all()
