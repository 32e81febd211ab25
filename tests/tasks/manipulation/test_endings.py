"""How episodes of the arm tasks end when they go wrong, and what a start is."""

from __future__ import annotations

import numpy as np
import pytest

from motorium.core.protocols import SUCCESS
from motorium.robots import ROBOTS
from motorium.sim.kinematics import Chain
from motorium.tasks.make import make_env

CUBE_TASKS = ("panda/lift", "panda/push", "viperx/transfer")


def still(env):
    return np.zeros((env.num_envs, env.info.action.size), np.float32)


@pytest.mark.parametrize("name", CUBE_TASKS)
def test_a_cube_that_leaves_the_table_ends_the_episode_by_name(name):
    env = make_env(name, 3, threads=1)
    env.reset(np.arange(3))
    velocity = int(env._physics.model.joint("cube").dofadr[0])
    # Shot off to the side, in the middle world only.
    env._physics.qvel[1, velocity : velocity + 3] = [0.0, 8.0, 1.0]
    for _ in range(8):
        step = env.step(still(env))
    assert step.terminated.tolist() == [False, True, False]
    assert env.info.outcomes[step.outcome[1]] == "cube_off_table"
    assert (step.outcome[[0, 2]] == 0).all()


def test_a_cube_that_is_thrown_up_is_not_lifted():
    env = make_env("panda/lift", 1, threads=1, episode_s=0.25)
    env.reset(np.zeros(1, np.int64))
    first = int(env._physics.model.joint("cube").qposadr[0])
    for _ in range(env.info.max_steps):
        # Held where it should be, by nobody.
        env._physics.qpos[:, first + 2] = 0.12
        env._physics.qvel[:, -6:] = 0.0
        step = env.step(still(env))
    assert step.truncated.all() and step.outcome[0] != SUCCESS


def test_a_hand_that_was_at_the_target_but_left_it_has_not_reached_it():
    env = make_env("panda/reach", 1, threads=1, start_rad=0.0, episode_s=2.0)
    home = env._task.body.home_m
    names = ("target_x_m", "target_y_m", "target_z_m")
    env.reset(np.zeros(1, np.int64), factors={name: np.array([value]) for name, value in zip(names, home)})
    distances = []
    for number in range(env.info.max_steps):
        action = still(env)
        action[:, 0] = 1.0 if number >= env.info.max_steps - 6 else 0.0
        step = env.step(action)
        distances.append(float(step.info["distance_m"][0]))
    assert max(distances[:-7]) < 0.01 < distances[-1]
    assert step.truncated.all() and env.info.outcomes[step.outcome[0]] == "timeout"


@pytest.mark.parametrize("robot", ["panda", "ur5e", "yam"])
def test_arms_start_at_home_with_their_gripper_as_the_task_wants_it(robot):
    arm = ROBOTS.load(robot)("training")
    for name, widest in (("panda/lift", True), ("panda/push", False)):
        env = make_env(name, 1, threads=1, robot=robot, start_rad=0.0)
        env.reset(np.zeros(1, np.int64))
        opening = float(env._task.body.opening(env._state())[0])
        assert opening == pytest.approx(arm.gripper.stroke_m if widest else 0.0, abs=0.006)
        chain = Chain(env._physics.model, arm.joints, arm.eef_site)
        where = chain.reach(np.array([arm.home_rad])).p_WE[0]
        assert env._task.body.home_m == pytest.approx(where, abs=1e-9)
        assert env._task.body.hand(env._state())[0] == pytest.approx(where, abs=1e-9)


def test_a_gripper_that_is_commanded_opens_and_closes():
    env = make_env("panda/lift", 3, threads=1)
    env.reset(np.arange(3))
    action = still(env)
    action[:, -1] = [-1.0, 0.0, 1.0]
    for _ in range(20):
        env.step(action)
    opening = env._task.body.opening(env._state())
    assert opening[0] == pytest.approx(0.085, abs=0.003) and opening[2] < 0.003
    assert 0.02 < opening[1] < 0.065


def test_an_arm_that_is_not_held_up_by_its_controller_does_not_sink_when_told_nothing():
    env = make_env("viperx/transfer", 1, threads=1, start_rad=0.0)
    env.reset(np.zeros(1, np.int64))
    assert not env._task.left.held_up
    heights = []
    for _ in range(env.info.max_steps - 1):
        env.step(still(env))
        heights.append(float(env._task.left.hand(env._state())[0, 2]))
    # It sags under its weight at once, and stays there.
    assert abs(heights[-1] - heights[20]) < 0.002


def test_the_stiff_hand_reaches_where_the_full_one_does():
    actions = np.random.default_rng(0).uniform(-1, 1, (20, 4, 7)).astype(np.float32)
    ends = []
    for model in ("training", "full"):
        env = make_env("panda/reach", 4, threads=1, model=model, timestep_s=0.005)
        env.reset(np.arange(4))
        for action in actions:
            env.step(action)
        ends.append(env._task.body.hand(env._state()).copy())
    assert np.linalg.norm(ends[0] - ends[1], axis=1).max() < 0.01
