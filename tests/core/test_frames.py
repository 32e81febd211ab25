"""Facts about poses and rotations, against closed forms and against SciPy."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from motorium.core import frames

rng = np.random.default_rng(3)
ROTATIONS = Rotation.random(200, random_state=5)


def wxyz(rotation: Rotation) -> np.ndarray:
    q = rotation.as_quat()[..., [3, 0, 1, 2]]
    return np.where(q[..., :1] < 0, -q, q)


def same_rotation(q, rotation, tolerance=1e-12):
    distance = 1 - np.abs(np.sum(q * wxyz(rotation), axis=-1))
    assert distance.max() < tolerance


def test_product_and_conjugate_agree_with_scipy():
    a, b = ROTATIONS[:100], ROTATIONS[100:]
    same_rotation(frames.quat_multiply(wxyz(a), wxyz(b)), a * b)
    same_rotation(frames.quat_conjugate(wxyz(a)), a.inv())


def test_rotation_of_vectors_and_matrices_agree_with_scipy():
    v = rng.normal(size=(200, 3))
    np.testing.assert_allclose(frames.quat_rotate(wxyz(ROTATIONS), v), ROTATIONS.apply(v), atol=1e-12)
    np.testing.assert_allclose(frames.matrix_from_quat(wxyz(ROTATIONS)), ROTATIONS.as_matrix(), atol=1e-12)
    same_rotation(frames.quat_from_matrix(ROTATIONS.as_matrix()), ROTATIONS)


@pytest.mark.parametrize("axis", range(3))
def test_matrix_of_a_half_turn_converts_back(axis):
    half_turn = Rotation.from_rotvec(np.pi * np.eye(3)[axis])
    same_rotation(frames.quat_from_matrix(half_turn.as_matrix())[None], Rotation.concatenate([half_turn]))


def test_axis_angle_agrees_with_scipy_also_near_zero():
    vectors = ROTATIONS.as_rotvec()
    np.testing.assert_allclose(frames.axis_angle_from_quat(wxyz(ROTATIONS)), vectors, atol=1e-9)
    for scale in (1.0, 1e-4, 1e-9, 0.0):
        back = frames.axis_angle_from_quat(frames.quat_from_axis_angle(vectors * scale))
        np.testing.assert_allclose(back, vectors * scale, rtol=1e-7, atol=1e-15)


def test_negated_quaternion_is_the_same_rotation_vector():
    q = wxyz(ROTATIONS)
    np.testing.assert_allclose(frames.axis_angle_from_quat(-q), frames.axis_angle_from_quat(q), atol=1e-12)


def test_slerp_takes_the_shorter_arc_at_constant_speed():
    q0 = frames.quat_from_yaw(np.array([0.2]))
    q1 = -frames.quat_from_yaw(np.array([1.2]))
    middle = frames.quat_slerp(q0, q1, np.array([0.25]))
    np.testing.assert_allclose(frames.axis_angle_from_quat(middle), [[0, 0, 0.45]], atol=1e-12)


def test_pose_times_inverse_is_identity_and_chains_compose():
    X_AB = frames.make_pose(rng.normal(size=(200, 3)), wxyz(ROTATIONS))
    identity = frames.pose_multiply(X_AB, frames.pose_inverse(X_AB))
    np.testing.assert_allclose(identity, np.tile([0, 0, 0, 1, 0, 0, 0], (200, 1)), atol=1e-12)
    p_B = rng.normal(size=(200, 3))
    X_BC = frames.make_pose(p_B, wxyz(ROTATIONS[::-1]))
    p_A = frames.pose_multiply(X_AB, X_BC)[:, :3]
    np.testing.assert_allclose(p_A, X_AB[:, :3] + ROTATIONS.apply(p_B), atol=1e-12)


def test_interpolation_ends_at_both_poses():
    X0 = frames.make_pose(rng.normal(size=(200, 3)), wxyz(ROTATIONS))
    X1 = X0[::-1]
    zero, one = np.zeros(200), np.ones(200)
    np.testing.assert_allclose(frames.pose_interpolate(X0, X1, zero), X0, atol=1e-12)
    end = frames.pose_interpolate(X0, X1, one)
    np.testing.assert_allclose(end[:, :3], X1[:, :3], atol=1e-12)
    same_rotation(end[:, 3:], ROTATIONS[::-1])


def test_rotation6d_is_the_first_two_columns():
    expected = np.concatenate([ROTATIONS.as_matrix()[..., 0], ROTATIONS.as_matrix()[..., 1]], -1)
    np.testing.assert_allclose(frames.rotation6d_from_quat(wxyz(ROTATIONS)), expected, atol=1e-12)


def test_a_row_does_not_depend_on_its_batch():
    X = frames.make_pose(rng.normal(size=(200, 3)), wxyz(ROTATIONS))
    t = rng.uniform(size=200)
    whole = frames.pose_interpolate(X, X[::-1], t)
    for size in (1, 2, 3, 7, 64):
        part = frames.pose_interpolate(X[:size], X[::-1][:size], t[:size])
        assert part.tobytes() == whole[:size].tobytes()
