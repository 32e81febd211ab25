"""The ObjectCentric and Renderable contracts, over every task that keeps them."""

from __future__ import annotations

import numpy as np
import pytest

from motorium.core import frames
from motorium.core.protocols import ObjectCentric, Renderable
from tests.conformance.worlds import OBJECT_CENTRIC, WORLDS, random_actions

SEEDS = np.array([21, 22, 23])


@pytest.fixture(params=OBJECT_CENTRIC)
def env(request):
    env = WORLDS[request.param](3)
    env.reset(SEEDS)
    for action in random_actions(env, 4):
        env.step(action)
    assert isinstance(env, ObjectCentric)
    return env


def test_segments_name_objects_and_signals_that_exist_and_the_last_has_no_signal(env):
    poses, signals = env.poses(), env.signals()
    assert "eef" in poses
    for segment in env.segments:
        assert segment.object in poses
    assert [segment.signal for segment in env.segments[:-1]] == list(signals)
    assert env.segments[-1].signal is None
    for X in poses.values():
        assert X.shape == (3, 7) and X.dtype == np.float64
        assert np.allclose(np.linalg.norm(X[:, 3:], axis=1), 1.0)
    for value in signals.values():
        assert value.shape == (3,) and value.dtype == bool


def near_targets(env):
    """Poses and grips within one step's reach of the end effector, in every mode."""
    rng = np.random.default_rng(3)
    X = env.poses()["eef"]
    turn = frames.quat_from_axis_angle(rng.uniform(-0.02, 0.02, (3, 3)))
    p = X[:, :3] + rng.uniform(-0.005, 0.005, (3, 3))
    return frames.make_pose(p, frames.quat_multiply(turn, X[:, 3:])), rng.uniform(-1, 1, (3, 1))


def test_target_from_action_undoes_action_from_target(env):
    X_WT, gripper = near_targets(env)
    action = env.action_from_target(X_WT, gripper)
    assert action.shape == (3, env.info.action.size) and action.dtype == np.float32
    X, grip = env.target_from_action(action)
    np.testing.assert_allclose(X[:, :3], X_WT[:, :3], atol=1e-6)
    turn = frames.quat_multiply(X[:, 3:], frames.quat_conjugate(X_WT[:, 3:]))
    np.testing.assert_allclose(frames.axis_angle_from_quat(turn), 0.0, atol=1e-6)
    np.testing.assert_allclose(grip, gripper, atol=1e-6)


def test_action_from_target_undoes_target_from_action(env):
    action = env.action_from_target(*near_targets(env))
    again = env.action_from_target(*env.target_from_action(action))
    np.testing.assert_allclose(again, action, atol=1e-4)


def test_a_far_target_is_asked_for_within_the_bounds(env):
    X_WT = env.poses()["eef"]
    X_WT[:, 0] += 0.3
    action = env.action_from_target(X_WT, np.full((3, 1), 5.0))
    assert (action >= env.info.action_low).all() and (action <= env.info.action_high).all()


def test_following_a_target_arrives_there(env):
    X_WT = env.poses()["eef"]
    X_WT[:, :3] += [0.03, -0.04, 0.02]
    for _ in range(20):
        env.step(env.action_from_target(X_WT, -np.ones((3, 1))))
    # 0.03 mm is the arm's repeatability; a servo that sags or hunts is off by millimetres.
    assert np.abs(env.poses()["eef"][:, :3] - X_WT[:, :3]).max() < 5e-4


@pytest.mark.slow
def test_pictures_show_the_rows_asked_for():
    env = WORLDS["ur5e/pick-place"](4)
    env.reset(np.arange(4))
    assert isinstance(env, Renderable) and env.info.cameras
    for camera in env.info.cameras:
        both = env.render(camera, np.array([2, 0]), 48, 64)
        assert both.shape == (2, 48, 64, 3) and both.dtype == np.uint8
        assert np.ptp(both) > 50 and (both[0] != both[1]).any()
        assert (env.render(camera, np.array([0]), 48, 64)[0] == both[1]).all()
    env.close()
