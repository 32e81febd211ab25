"""Kinematics of a serial chain: poses and Jacobians of one site as functions of joint positions, batched.

The simulator's own derived fields are one substep old after a step and hold nothing after a restore; these
are of the state as it stands. Every function works element by element, without BLAS, as `core.frames`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import mujoco
import numpy as np
from numpy.typing import NDArray

from motorium.core import frames
from motorium.core.errors import SimError

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Reach:
    """Where a chain's end is.

    Attributes:
        p_WE: (B, 3) position of the site in the world, metres.
        R_WE: (B, 3, 3) its rotation.
        jacobian: (B, 6, n) of the site: three rows of velocity (m), then three of angular velocity (rad), world
            frame, for each radian of a joint.
    """

    p_WE: Array
    R_WE: Array
    jacobian: Array

    @cached_property
    def X_WE(self) -> Array:
        """(B, 7) pose of the site in the world."""
        return frames.make_pose(self.p_WE, frames.quat_from_matrix(self.R_WE))


class Chain:
    """The hinges between the world and a site.

    Args:
        model: the compiled model.
        joints: names of the hinges, from the base outwards.
        site: name of the site.

    Attributes:
        low_rad, high_rad: (n,) range of each joint; infinite where it has none.

    Raises:
        SimError: when a joint between the world and the site is no hinge, or is not in `joints`.
    """

    def __init__(self, model: mujoco.MjModel, joints: tuple[str, ...], site: str) -> None:
        ids = [model.joint(name).id for name in joints]
        links, tail = _path(model, site, ids)
        self.size = len(ids)
        self.low_rad, self.high_rad = (
            np.where(model.jnt_limited[ids], model.jnt_range[ids, side], infinite)
            for side, infinite in ((0, -np.inf), (1, np.inf))
        )
        # Rotation of link i by q: K0 + cos(q) K1 + sin(q) K2, with the fixed rotation before the hinge in it.
        # Source: Rodrigues' formula, R = a a^T + cos(q) (1 - a a^T) + sin(q) [a].
        self._K, self._offset, self._axis = (
            np.zeros((3, len(ids), 3, 3, 1)),
            np.zeros((len(ids), 3)),
            np.zeros((len(ids), 3)),
        )
        for i, (X_before, axis) in enumerate(links):
            R, outer = frames.matrix_from_quat(X_before[3:]), np.outer(axis, axis)
            skew = frames.cross(np.broadcast_to(axis, (3, 3)), np.eye(3)).T
            self._K[:, i, ..., 0] = _matmul(R, outer), _matmul(R, np.eye(3) - outer), _matmul(R, skew)
            self._offset[i], self._axis[i] = X_before[:3], axis
        self._tail = frames.matrix_from_quat(tail[3:])[..., None]
        self._tail_offset = tail[:3]

    def reach(self, q_rad: Array) -> Reach:
        """Return pose and Jacobian of the site at joint positions `q_rad` (B, n)."""
        # Batch last: NumPy's inner loops then run over the worlds instead of over three numbers.
        q = np.ascontiguousarray(np.asarray(q_rad, np.float64).T)
        cosine, sine = np.cos(q)[:, None, None], np.sin(q)[:, None, None]
        local = self._K[0] + cosine * self._K[1] + sine * self._K[2]
        size = q.shape[1]
        rotation, position = np.broadcast_to(np.eye(3)[..., None], (3, 3, size)), np.zeros((3, size))
        anchors, axes = np.empty((self.size, 3, size)), np.empty((self.size, 3, size))
        for i in range(self.size):
            position = position + _turn(rotation, self._offset[i])
            rotation = _matmul(rotation, local[i])
            anchors[i], axes[i] = position, _turn(rotation, self._axis[i])
        position = position + _turn(rotation, self._tail_offset)
        rotation = _matmul(rotation, self._tail)
        jacobian = np.empty((6, self.size, size))
        jacobian[3:] = axes.swapaxes(0, 1)
        jacobian[:3] = _cross(jacobian[3:], position[:, None] - anchors.swapaxes(0, 1))
        return Reach(
            p_WE=np.ascontiguousarray(position.T),
            R_WE=np.ascontiguousarray(rotation.transpose(2, 0, 1)),
            jacobian=jacobian.transpose(2, 0, 1),
        )


def _path(model: mujoco.MjModel, site: str, ids: list[int]) -> tuple[list[tuple[Array, Array]], Array]:
    """Return for each joint (X_before (7,), axis (3,)): the pose of its hinge in the frame of the hinge before; and the
    pose of the site in the frame of the last hinge."""
    site_id = model.site(site).id
    bodies, body = [], int(model.site_bodyid[site_id])
    while body:
        bodies.append(body)
        body = int(model.body_parentid[body])
    links, X, found = [], np.array([0.0, 0, 0, 1, 0, 0, 0]), []
    for body in reversed(bodies):
        X = frames.pose_multiply(X, np.concatenate([model.body_pos[body], model.body_quat[body]]))
        for joint in range(model.body_jntadr[body], model.body_jntadr[body] + model.body_jntnum[body]):
            if model.jnt_type[joint] != mujoco.mjtJoint.mjJNT_HINGE:
                raise SimError(f"joint '{model.joint(joint).name}' is no hinge", where=f"chain to site '{site}'")
            anchor = model.jnt_pos[joint]
            links.append((frames.pose_multiply(X, frames.make_pose(anchor, [1.0, 0, 0, 0])), model.jnt_axis[joint]))
            X = frames.make_pose(-anchor, [1.0, 0, 0, 0])
            found.append(joint)
    if found != list(ids):
        raise SimError(
            "the joints are not those between the world and the site",
            where=f"chain to site '{site}'",
            got=[model.joint(i).name for i in ids],
            expected=[model.joint(i).name for i in found],
            remedy="name every hinge of the chain, from the base outwards",
        )
    return links, frames.pose_multiply(X, np.concatenate([model.site_pos[site_id], model.site_quat[site_id]]))


def _matmul(a: Array, b: Array) -> Array:
    """Return the product of (3, 3, ...) matrices, summed in one order whatever the batch."""
    return a[:, 0, None] * b[0] + (a[:, 1, None] * b[1] + a[:, 2, None] * b[2])


def _turn(rotation: Array, v: Array) -> Array:
    """Return `rotation` (3, 3, ...) times one vector (3,)."""
    return rotation[:, 0] * v[0] + (rotation[:, 1] * v[1] + rotation[:, 2] * v[2])


def _cross(a: Array, b: Array) -> Array:
    """Return the cross product of vectors (3, ...)."""
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]])
