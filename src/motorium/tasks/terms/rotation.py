"""Rotations of bodies: pure functions of quaternions (B, 4), w first, unit length, and vectors (B, 3)."""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace

Array = Any


def into_body(q_WB: Array, v_W: Array) -> Array:
    """Return vectors v_W (B, 3) of the world in the body's frame: (B, 3)."""
    return rotate(_conjugate(q_WB), v_W)


def rotate(q: Array, v: Array) -> Array:
    """Return vectors v (B, 3) turned by q (B, 4): v + 2 w (u x v) + 2 u x (u x v)."""
    u, w = q[:, 1:], q[:, :1]
    once = 2.0 * cross(u, v)
    return v + w * once + cross(u, once)


def cross(a: Array, b: Array) -> Array:
    """Return the cross products of the rows of (B, 3) and (B, 3): (B, 3)."""
    xp = array_namespace(a)
    return xp.stack(
        [
            a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1],
            a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2],
            a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0],
        ],
        axis=1,
    )


def gravity_direction(q_WB: Array) -> Array:
    """Return the world's downward direction in the body's frame: (B, 3), unit length; (0, 0, -1) when upright."""
    xp = array_namespace(q_WB)
    w, x, y, z = (q_WB[:, i] for i in range(4))
    return xp.stack([2.0 * (w * y - x * z), -2.0 * (w * x + y * z), 2.0 * (x * x + y * y) - 1.0], axis=1)


def yaw(q_WB: Array) -> Array:
    """Return the heading of the body's x axis in the world's x-y plane: (B,) rad."""
    w, x, y, z = (q_WB[:, i] for i in range(4))
    return array_namespace(q_WB).atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))


def heading(yaw_rad: Array) -> Array:
    """Return the quaternions of turns by `yaw_rad` (B,) about the vertical: (B, 4)."""
    xp = array_namespace(yaw_rad)
    zero = xp.zeros_like(yaw_rad)
    return xp.stack([xp.cos(0.5 * yaw_rad), zero, zero, xp.sin(0.5 * yaw_rad)], axis=1)


def two_columns(q_WB: Array) -> Array:
    """Return the first two columns of the rotation matrices, column after column: (B, 6)."""
    xp = array_namespace(q_WB)
    w, x, y, z = (q_WB[:, i] for i in range(4))
    first = [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y)]
    second = [2.0 * (x * y - w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z + w * x)]
    return xp.stack([*first, *second], axis=1)


def third_column(q_WB: Array) -> Array:
    """Return the body's z axis in the world: (B, 3), unit length."""
    xp = array_namespace(q_WB)
    w, x, y, z = (q_WB[:, i] for i in range(4))
    return xp.stack([2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y)], axis=1)


def _conjugate(q: Array) -> Array:
    xp = array_namespace(q)
    return xp.concat([q[:, :1], -q[:, 1:]], axis=1)
