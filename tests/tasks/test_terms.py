"""Observation, reward and termination terms as functions of plain arrays."""

from __future__ import annotations

import numpy as np
import pytest

from motorium.core import frames
from motorium.core.errors import SimError
from motorium.tasks.make import make_env
from motorium.tasks.terms import geometry, observation, reward, rotation, termination


def test_lengths_and_distances_are_euclidean_and_do_not_depend_on_the_batch():
    v = np.random.default_rng(0).normal(size=(33, 3))
    np.testing.assert_allclose(geometry.length(v), np.linalg.norm(v, axis=1), rtol=1e-15)
    assert geometry.distance(np.array([[3.0, 0.0]]), np.array([[0.0, 4.0]])).tolist() == [5.0]
    assert all(geometry.length(v[[i]])[0] == geometry.length(v)[i] for i in range(33))


def test_a_polynomial_is_evaluated_in_rising_powers():
    assert observation.polynomial(np.array([0.0, 2.0]), (1.0, 10.0, 100.0)).tolist() == [1.0, 421.0]
    assert observation.polynomial(np.array([3.0]), (7.0,)).tolist() == [7.0]


def test_a_pose_is_observed_alike_from_quaternion_and_matrix():
    q = frames.quat_normalize(np.random.default_rng(1).normal(size=(9, 4)))
    p = np.random.default_rng(2).normal(size=(9, 3))
    seen = observation.pose(frames.make_pose(p, q))
    np.testing.assert_allclose(seen, observation.matrix_pose(p, frames.matrix_from_quat(q)), atol=1e-15)
    turned = observation.pose(frames.make_pose([[1.0, 2.0, 3.0]], frames.quat_from_yaw(np.array([np.pi / 2]))))
    expected = {"x": 1, "y": 2, "z": 3, "r11": 0, "r21": 1, "r31": 0, "r12": -1, "r22": 0, "r32": 0}
    np.testing.assert_allclose(turned[0], [expected[name] for name in observation.POSE_NAMES], atol=1e-15)


def test_near_is_one_at_the_goal_and_half_at_its_scale():
    p = np.array([[0.0, 0.0], [0.1, 0.0], [0.0, 0.9]])
    np.testing.assert_allclose(reward.near(p, np.zeros((3, 2)), 0.1), [1.0, 0.5, 0.1])


def test_rest_needs_both_velocities_small():
    v = np.array([[0.01, 0, 0, 0.1, 0, 0], [0.05, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0.5, 0]])
    assert termination.at_rest(v, 0.03, 0.3).tolist() == [True, False, False]


def test_off_the_table_is_beyond_an_edge_or_under_the_top():
    p = np.array([[0, 0, 0.02], [1.1, 0, 0.02], [0, -1.1, 0.02], [0, 0, -0.03]], float)
    assert termination.off_table(p, (-1, -1), (1, 1), 0.02).tolist() == [False, True, True, True]


def test_a_snapshot_of_something_else_is_refused():
    env = make_env("ur5e/pick-place", 2)
    env.reset(np.arange(2))
    with pytest.raises(SimError, match="no snapshot"):
        env.restore({"state": np.zeros((2, 3))})
    with pytest.raises(SimError, match="batch size"):
        env.restore(env.snapshot() | {"state": np.zeros((2, 3))})


def test_close_is_steep_up_to_the_goal_and_nothing_far_away():
    found = reward.close(np.array([0.0, 0.01, 0.1, 1.0]), 0.1)
    np.testing.assert_allclose(found, [1.0, 0.900332, 0.238406, 4.1e-9], atol=1e-6)


def test_a_share_is_within_zero_and_one():
    assert reward.share(np.array([-1.0, 0.0, 0.5, 2.0, 3.0]), 2.0).tolist() == [0.0, 0.0, 0.25, 1.0, 1.0]


def test_a_streak_counts_the_steps_since_a_condition_last_failed():
    count = np.zeros(2)
    for holds in ([True, True], [True, False], [True, True]):
        count = termination.streak(count, np.array(holds))
    assert count.tolist() == [3.0, 1.0]
    lasted = termination.lasted(count, 0.3 * 10.0, yes=1, no=2)
    assert lasted.tolist() == [1, 2] and lasted.dtype == np.int8


def test_columns_of_a_rotation_are_those_of_its_matrix():
    q = frames.quat_normalize(np.random.default_rng(3).normal(size=(7, 4)))
    matrix = frames.matrix_from_quat(q)
    two = np.concatenate([matrix[:, :, 0], matrix[:, :, 1]], axis=1)
    np.testing.assert_allclose(rotation.two_columns(q), two, atol=1e-15)
    np.testing.assert_allclose(rotation.third_column(q), matrix[:, :, 2], atol=1e-15)
