"""Legged robots whose left and right are exact mirror images: the wheel's, with the inertias of both sides averaged.

The real models are a little lopsided (the Go1's trunk has its centre of mass 2 mm off the middle): on them a wrong sign
could hide behind what is really different.
"""

from __future__ import annotations

import mujoco
import numpy as np

from motorium.robots.g1.model import make_g1 as real_g1
from motorium.robots.go1.model import make_go1 as real_go1
from motorium.robots.legged import Legged

FLIP = np.diag([1.0, -1.0, 1.0])
GO1 = {"FR": "FL", "FL": "FR", "RR": "RL", "RL": "RR"}
G1 = {"left": "right", "right": "left"}


def make_go1(detail: str) -> Legged:
    return symmetric(real_go1(detail), GO1)


def make_g1(detail: str) -> Legged:
    return symmetric(real_g1(detail), G1)


def symmetric(robot: Legged, sides: dict[str, str]) -> Legged:
    """Return the robot with each body's place and inertia averaged with those of its mirror image."""
    model = robot.spec.compile()
    for body in robot.spec.bodies[1:]:
        side, _, part = body.name.partition("_")
        mate = f"{sides[side]}_{part}" if side in sides else body.name
        centre, inertia, place = (
            (one + two) / 2 for one, two in zip(_inertial(model, body.name), _flipped(_inertial(model, mate)))
        )
        turn, moments, quat = np.zeros(9), np.zeros(3), np.zeros(4)
        mujoco.mju_eig3(moments, turn, quat, inertia.ravel())
        body.ipos, body.iquat, body.inertia, body.fullinertia = centre, quat, moments, [np.nan] * 6
        body.pos = place
    return robot


def _inertial(model, name):
    body, turn = model.body(name), np.zeros(9)
    mujoco.mju_quat2Mat(turn, body.iquat)
    R = turn.reshape(3, 3)
    return body.ipos, R @ np.diag(body.inertia) @ R.T, body.pos


def _flipped(inertial):
    centre, inertia, place = inertial
    return FLIP @ centre, FLIP @ inertia @ FLIP, FLIP @ place
