"""What velocity tasks tell about themselves: names, units, bounds, and their mirror image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from motorium.core.features import Feature, vector
from motorium.core.protocols import Mirror
from motorium.robots.legged import Legged
from motorium.tasks.mdp.task import PRIVILEGED, STATE, About

COMMANDS = ("command_x_m_s", "command_y_m_s", "command_yaw_rad_s")
FACTORS = (*COMMANDS, "standing", "clock", "friction", "added_mass_kg", "strength", "push_m_s", "latency_s")
TURNING = ("command_y_m_s", "command_yaw_rad_s")
# The clock's start has no mirror image by sign: it moves on by half a cycle. The clock itself is seen as sine and
# cosine.
CLOCK = "clock"

# A part of an observation: element names, units, and its mirror image: order and signs.
Part = tuple[Sequence[str], Sequence[str], Sequence[int], Sequence[float]]


@dataclass(frozen=True, kw_only=True)
class More:
    """What a task has beyond the velocity task on flat ground.

    Attributes:
        factors: name -> range; ends with its unit, or has none.
        state, privileged: parts that follow those of the observations.
        curriculum: as in `EnvInfo`.
    """

    factors: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    state: Sequence[Part] = ()
    privileged: Sequence[Part] = ()
    curriculum: Mapping[str, str] = field(default_factory=dict)


def describe(robot: Legged, spec: Any, failures: tuple[str, ...], more: More) -> About:
    """Return what a velocity task of `robot` is; `spec` has the ranges of the factors and `base_velocity`."""
    factors = {**{name: getattr(spec, name, (0.0, 1.0)) for name in FACTORS}, **more.factors}
    state = [*_state(robot, spec.base_velocity), *more.state]
    privileged = [*_privileged(robot, tuple(name for name in factors if name != CLOCK)), *more.privileged]
    joints = joint_part(robot, "target", "normalized")
    return About(
        instruction="walk as commanded",
        observation={STATE: vector_of(state), PRIVILEGED: vector_of(privileged)},
        action=vector_of([joints]),
        action_low=np.full(len(robot.joints), -spec.action_limit),
        action_high=np.full(len(robot.joints), spec.action_limit),
        factors=factors,
        failures=failures,
        mirrors={STATE: mirror(state), PRIVILEGED: mirror(privileged), "action": mirror([joints])},
        curriculum=more.curriculum,
        conventions=conventions(robot, spec.reach),
        versions=robot.versions,
    )


def conventions(robot: Legged, reach: float) -> dict[str, str]:
    """Return frames and orders in words, for metadata."""
    return {
        "world": "z up, metres; the ground at z = 0",
        "base": f"body {robot.base}: x to the front, y to the left, z up",
        "control": "joint positions from home, times action_scale_rad",
        "action_scale_rad": ", ".join(f"{reach * scale:g}" for scale in robot.scale_rad),
        "home_rad": ", ".join(f"{angle:g}" for angle in robot.home_rad),
        "robot": robot.name,
    }


def _state(robot: Legged, base_velocity: bool) -> list[Part]:
    parts = [
        axes_part("base.velocity", "m/s", (1, -1, 1)),
        # An axial vector: its mirror image turns the other way.
        axes_part("base.angular_velocity", "rad/s", (-1, 1, -1)),
        axes_part("base.gravity", "1", (1, -1, 1)),
        joint_part(robot, "position", "rad"),
        joint_part(robot, "velocity", "rad/s"),
        (("command.x", "command.y", "command.yaw"), ("m/s", "m/s", "rad/s"), range(3), (1, -1, -1)),
        joint_part(robot, "last_target", "normalized"),
        _clock(robot),
    ]
    return parts if base_velocity else parts[1:]


def _privileged(robot: Legged, factors: tuple[str, ...]) -> list[Part]:
    return [
        axes_part("base.true_velocity", "m/s", (1, -1, 1)),
        feet_part(robot, "height", "m"),
        feet_part(robot, "force", "100 N"),
        factor_part(factors, TURNING),
    ]


def _unit(factor: str) -> str:
    """Return the unit that a factor's name ends with: rad/s of command_yaw_rad_s."""
    endings = {"_rad_s": "rad/s", "_m_s": "m/s", "_kg": "kg", "_rad": "rad", "_s": "s", "_m": "m"}
    return next((unit for ending, unit in endings.items() if factor.endswith(ending)), "1")


def factor_part(factors: Sequence[str], turning: Sequence[str]) -> Part:
    """Return the factors in force; those in `turning` change sign in a mirror."""
    signs = [-1 if name in turning else 1 for name in factors]
    return factors, [_unit(name) for name in factors], range(len(factors)), signs


def axes_part(name: str, unit: str, signs: Sequence[float]) -> Part:
    """Return a vector along the base's axes."""
    return [f"{name}.{axis}" for axis in "xyz"], [unit] * 3, range(3), signs


def joint_part(robot: Legged, what: str, unit: str) -> Part:
    """Return a number for each joint."""
    return [f"{joint}.{what}" for joint in robot.joints], [unit] * len(robot.joints), robot.mirrored, robot.mirror_signs


def feet_part(robot: Legged, what: str, unit: str) -> Part:
    """Return a number for each foot."""
    count = len(robot.feet)
    return [f"{foot}.{what}" for foot in robot.feet], [unit] * count, robot.mirrored_feet, [1] * count


def _clock(robot: Legged) -> Part:
    # The legs of the other side move half a cycle later: sine and cosine change sign.
    return ("clock.sin", "clock.cos"), ("1", "1"), range(2), (-1, -1)


def vector_of(parts: Sequence[Part]) -> Feature:
    """Return the parts in a row as one feature."""
    names = [name for part in parts for name in part[0]]
    return vector(names, tuple(unit for part in parts for unit in part[1]))


def mirror(parts: Sequence[Part]) -> Mirror:
    """Return the mirror image of the parts in a row."""
    order, signs, start = [], [], 0
    for names, _, own, own_signs in parts:
        order += [start + i for i in own]
        signs += [float(sign) for sign in own_signs]
        start += len(names)
    return Mirror(order=tuple(order), signs=tuple(signs))
