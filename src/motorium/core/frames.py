"""Poses, quaternions and rotations, batched over leading axes.

A quaternion is `[w, x, y, z]` (w first, as MuJoCo), unit length. A pose is `[x, y, z, qw, qx, qy, qz]`,
metres, float64. `X_WB` is the pose of frame B in frame W: `p_W = X_WB * p_B`, and `X_WC = X_WB * X_BC`.

Every function works element by element, without BLAS: a row's result does not depend on the batch
around it, which is what makes rollouts bitwise equal for any batch size.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def quat_multiply(q_ab: ArrayLike, q_bc: ArrayLike) -> Array:
    """Return the product `q_ac` of quaternions: (..., 4)."""
    a, b = np.asarray(q_ab, np.float64), np.asarray(q_bc, np.float64)
    aw, ax, ay, az = a[..., 0], a[..., 1], a[..., 2], a[..., 3]
    bw, bx, by, bz = b[..., 0], b[..., 1], b[..., 2], b[..., 3]
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        axis=-1,
    )


def quat_conjugate(q: ArrayLike) -> Array:
    """Return the inverse of unit quaternions: (..., 4)."""
    return np.asarray(q, np.float64) * np.array([1.0, -1.0, -1.0, -1.0])


def quat_normalize(q: ArrayLike) -> Array:
    """Return quaternions of unit length with w >= 0: (..., 4)."""
    q = np.asarray(q, np.float64)
    unit = q / _norm(q)
    return np.where(unit[..., :1] < 0, -unit, unit)


def quat_rotate(q_ab: ArrayLike, v_b: ArrayLike) -> Array:
    """Return vectors `v_b` (..., 3) expressed in frame a."""
    q, v = np.asarray(q_ab, np.float64), np.asarray(v_b, np.float64)
    w, u = q[..., :1], q[..., 1:]
    t = 2.0 * cross(u, v)
    return v + w * t + cross(u, t)


def cross(a: ArrayLike, b: ArrayLike) -> Array:
    """Return the cross product of vectors: (..., 3)."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.stack(
        [
            a[..., 1] * b[..., 2] - a[..., 2] * b[..., 1],
            a[..., 2] * b[..., 0] - a[..., 0] * b[..., 2],
            a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0],
        ],
        axis=-1,
    )


def quat_from_axis_angle(rotation: ArrayLike) -> Array:
    """Return the quaternions of rotation vectors (axis times angle, rad): (..., 3) to (..., 4)."""
    rotation = np.asarray(rotation, np.float64)
    angle = _norm(rotation)
    # sin(a/2)/a, by its series near zero, where the quotient is 0/0.
    scale = np.where(angle < 1e-8, 0.5 - angle**2 / 48.0, np.sin(0.5 * angle) / np.maximum(angle, 1e-300))
    return np.concatenate([np.cos(0.5 * angle), rotation * scale], axis=-1)


def axis_angle_from_quat(q: ArrayLike) -> Array:
    """Return rotation vectors (rad, angle at most pi) of quaternions: (..., 4) to (..., 3)."""
    q = np.asarray(q, np.float64)
    q = np.where(q[..., :1] < 0, -q, q)
    sine = _norm(q[..., 1:])
    angle = 2.0 * np.arctan2(sine, q[..., :1])
    return q[..., 1:] * np.where(sine < 1e-8, 2.0, angle / np.maximum(sine, 1e-300))


def quat_from_yaw(yaw_rad: ArrayLike) -> Array:
    """Return quaternions of rotations about z: (...,) rad to (..., 4)."""
    half = 0.5 * np.asarray(yaw_rad, np.float64)
    zero = np.zeros_like(half)
    return np.stack([np.cos(half), zero, zero, np.sin(half)], axis=-1)


def quat_slerp(q0: ArrayLike, q1: ArrayLike, t: ArrayLike) -> Array:
    """Interpolate along the shorter arc: (..., 4), (..., 4) and t (...,) in [0, 1] to (..., 4)."""
    q0 = np.asarray(q0, np.float64)
    turn = axis_angle_from_quat(quat_multiply(quat_conjugate(q0), q1))
    return quat_multiply(q0, quat_from_axis_angle(turn * np.asarray(t, np.float64)[..., None]))


def matrix_from_quat(q: ArrayLike) -> Array:
    """Return rotation matrices: (..., 4) to (..., 3, 3)."""
    q = np.asarray(q, np.float64)
    columns = [quat_rotate(q, np.broadcast_to(axis, (*q.shape[:-1], 3))) for axis in np.eye(3)]
    return np.stack(columns, axis=-1)


def quat_from_matrix(matrix: ArrayLike) -> Array:
    """Return quaternions (w >= 0) of rotation matrices: (..., 3, 3) to (..., 4).

    Source: S. W. Shepperd, Quaternion from Rotation Matrix, 1978 (the largest component is solved first).
    """
    m = np.asarray(matrix, np.float64)
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    zy, xz, yx = m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]
    xy, zx, yz = m[..., 0, 1] + m[..., 1, 0], m[..., 0, 2] + m[..., 2, 0], m[..., 1, 2] + m[..., 2, 1]
    candidates = np.stack(
        [
            np.stack([1 + xx + yy + zz, zy, xz, yx], -1),
            np.stack([zy, 1 + xx - yy - zz, xy, zx], -1),
            np.stack([xz, xy, 1 - xx + yy - zz, yz], -1),
            np.stack([yx, zx, yz, 1 - xx - yy + zz], -1),
        ],
        axis=-2,
    )
    best = np.argmax(np.stack([candidates[..., i, i] for i in range(4)], -1), axis=-1)
    chosen = np.take_along_axis(candidates, best[..., None, None], axis=-2)[..., 0, :]
    return quat_normalize(chosen)


def rotation6d_from_quat(q: ArrayLike) -> Array:
    """Return the first two columns of the rotation matrix, column after column: (..., 4) to (..., 6).

    Source: Zhou et al., On the Continuity of Rotation Representations, arXiv 1812.07035.
    """
    m = matrix_from_quat(q)
    return np.concatenate([m[..., :, 0], m[..., :, 1]], axis=-1)


def make_pose(position_m: ArrayLike, quat: ArrayLike) -> Array:
    """Return poses (..., 7) of positions (..., 3) and quaternions (..., 4), broadcast together."""
    position, quat = np.asarray(position_m, np.float64), np.asarray(quat, np.float64)
    shape = np.broadcast_shapes(position.shape[:-1], quat.shape[:-1])
    return np.concatenate([np.broadcast_to(position, (*shape, 3)), np.broadcast_to(quat, (*shape, 4))], axis=-1)


def pose_multiply(X_AB: ArrayLike, X_BC: ArrayLike) -> Array:
    """Return `X_AC`: (..., 7)."""
    a, b = np.asarray(X_AB, np.float64), np.asarray(X_BC, np.float64)
    return make_pose(a[..., :3] + quat_rotate(a[..., 3:], b[..., :3]), quat_multiply(a[..., 3:], b[..., 3:]))


def pose_inverse(X_AB: ArrayLike) -> Array:
    """Return `X_BA`: (..., 7)."""
    pose = np.asarray(X_AB, np.float64)
    q = quat_conjugate(pose[..., 3:])
    return make_pose(-quat_rotate(q, pose[..., :3]), q)


def pose_interpolate(X0: ArrayLike, X1: ArrayLike, t: ArrayLike) -> Array:
    """Interpolate position linearly and orientation along the shorter arc; t (...,) in [0, 1]: (..., 7)."""
    X0, X1, t = np.asarray(X0, np.float64), np.asarray(X1, np.float64), np.asarray(t, np.float64)
    return make_pose(X0[..., :3] + (X1[..., :3] - X0[..., :3]) * t[..., None], quat_slerp(X0[..., 3:], X1[..., 3:], t))


def _norm(v: Array) -> Array:
    # Summed term by term: np.linalg.norm may reorder the sum with the batch shape.
    total = v[..., :1] * v[..., :1]
    for i in range(1, v.shape[-1]):
        total = total + v[..., i : i + 1] * v[..., i : i + 1]
    return np.sqrt(total)
