"""What velocity tasks tell about themselves: names, units, bounds, and their mirror image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from motorium.core.features import vector
from motorium.core.protocols import Mirror
from motorium.robots.legged import Legged
from motorium.tasks.mdp.task import PRIVILEGED, STATE, About

COMMANDS = ("command_x_m_s", "command_y_m_s", "command_yaw_rad_s")
FACTORS = (*COMMANDS, "standing", "clock", "friction", "added_mass_kg", "strength", "push_m_s")
FACTOR_UNITS = ("m/s", "m/s", "rad/s", "1", "1", "1", "kg", "1", "m/s")

# A part of an observation: element names, units, and its mirror image: order and signs.
Part = tuple[Sequence[str], Sequence[str], Sequence[int], Sequence[float]]


def describe(robot: Legged, spec: Any, instruction: str, failures: tuple[str, ...]) -> About:
    """Return what a velocity task of `robot` is; `spec` has the ranges of the factors and `base_velocity`."""
    state, privileged = _state(robot, spec.base_velocity), _privileged(robot)
    joints = _joints(robot, "target", "normalized")
    return About(
        instruction=instruction,
        observation={STATE: _vector(state), PRIVILEGED: _vector(privileged)},
        action=_vector([joints]),
        factors={name: getattr(spec, name, (0.0, 1.0)) for name in FACTORS},
        failures=failures,
        mirrors={STATE: _mirror(state), PRIVILEGED: _mirror(privileged), "action": _mirror([joints])},
        conventions={
            "world": "z up, metres; the ground at z = 0",
            "base": f"body {robot.base}: x to the front, y to the left, z up",
            "control": "joint positions from home, times action_scale_rad",
            "action_scale_rad": ", ".join(f"{scale:g}" for scale in robot.scale_rad),
            "home_rad": ", ".join(f"{angle:g}" for angle in robot.home_rad),
            "robot": robot.name,
        },
        versions=robot.versions,
    )


def _state(robot: Legged, base_velocity: bool) -> list[Part]:
    parts = [
        _axes("base.velocity", "m/s", (1, -1, 1)),
        # An axial vector: its mirror image turns the other way.
        _axes("base.angular_velocity", "rad/s", (-1, 1, -1)),
        _axes("base.gravity", "1", (1, -1, 1)),
        _joints(robot, "position", "rad"),
        _joints(robot, "velocity", "rad/s"),
        (("command.x", "command.y", "command.yaw"), ("m/s", "m/s", "rad/s"), range(3), (1, -1, -1)),
        _joints(robot, "last_target", "normalized"),
        _clock(robot),
    ]
    return parts if base_velocity else parts[1:]


def _privileged(robot: Legged) -> list[Part]:
    signs = [-1 if name in ("command_y_m_s", "command_yaw_rad_s") else 1 for name in FACTORS]
    return [
        _axes("base.true_velocity", "m/s", (1, -1, 1)),
        _feet(robot, "height", "m"),
        _feet(robot, "force", "100 N"),
        (FACTORS, FACTOR_UNITS, range(len(FACTORS)), signs),
    ]


def _axes(name: str, unit: str, signs: Sequence[float]) -> Part:
    return [f"{name}.{axis}" for axis in "xyz"], [unit] * 3, range(3), signs


def _joints(robot: Legged, what: str, unit: str) -> Part:
    return [f"{joint}.{what}" for joint in robot.joints], [unit] * len(robot.joints), robot.mirrored, robot.mirror_signs


def _feet(robot: Legged, what: str, unit: str) -> Part:
    count = len(robot.feet)
    return [f"{foot}.{what}" for foot in robot.feet], [unit] * count, robot.mirrored_feet, [1] * count


def _clock(robot: Legged) -> Part:
    # The legs of the other side move half a cycle later: sine and cosine change sign.
    return ("clock.sin", "clock.cos"), ("1", "1"), range(2), (-1, -1)


def _vector(parts: Sequence[Part]):
    names = [name for part in parts for name in part[0]]
    return vector(names, tuple(unit for part in parts for unit in part[1]))


def _mirror(parts: Sequence[Part]) -> Mirror:
    order, signs, start = [], [], 0
    for names, _, own, own_signs in parts:
        order += [start + i for i in own]
        signs += [float(sign) for sign in own_signs]
        start += len(names)
    return Mirror(order=tuple(order), signs=tuple(signs))
