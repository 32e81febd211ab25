"""Reference: the frames of a clip as arrays that a task of a batch of robots looks up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np

from motorium.core import frames
from motorium.core.errors import SimError, nearest
from motorium.robots.legged import Legged
from motorium.tasks.locomotion.body import Body
from motorium.tasks.locomotion.clip import Clip
from motorium.tasks.mdp.state import State
from motorium.tasks.terms import rotation

Array = Any

AXES = ((1.0, 0.0, 0.0), (0.0, 0.0, 1.0))


def add_body_sensors(robot: Legged, bodies: Sequence[str]) -> None:
    """Add to the robot's model the sensors that `Reference.measured` reads: bodies' positions in the base's frame.

    Raises:
        SimError: when the robot has no such body.
    """
    known = [body.name for body in robot.spec.bodies]
    for name in bodies:
        if name not in known:
            raise SimError(
                f"robot '{robot.name}' has no body '{name}'",
                where="bodies",
                expected=f"one of: {', '.join(known)}",
                nearest=nearest(name, known),
            )
        sensor = robot.spec.add_sensor(name=f"{name}.in_base", type=mujoco.mjtSensor.mjSENS_FRAMEPOS)
        sensor.objtype, sensor.objname = mujoco.mjtObj.mjOBJ_XBODY, name
        sensor.reftype, sensor.refname = mujoco.mjtObj.mjOBJ_XBODY, robot.base


class Reference:
    """A clip, of which every world is at a frame of its own.

    Args:
        body: the robot, with the sensors of `add_body_sensors`.
        clip: at the task's control rate.
        bodies: names of key bodies.
        episode: steps in an episode.
    """

    def __init__(self, body: Body, clip: Clip, bodies: Sequence[str], episode: int) -> None:
        model, robot = body.model, body.robot
        names = [model.joint(i).name for i in range(model.njnt)]
        # The clip's joints are in the model's order, without the free joint.
        order = [names.index(name) - 1 for name in robot.joints]
        base = body.base - 1
        position, orientation = clip.body_pos_w[:, base], clip.body_quat_w[:, base]
        ids = [model.body(name).id - 1 for name in bodies]
        out = clip.body_pos_w[:, ids] - position[:, None]
        turn = frames.matrix_from_quat(orientation)
        columns = {
            "joints": clip.joint_pos[:, order] - np.array(robot.home_rad),
            "speeds": clip.joint_vel[:, order],
            "position": position,
            "orientation": orientation,
            "velocity": clip.body_lin_vel_w[:, base],
            # As in a free joint's velocity: in the base's frame.
            "angular_velocity": np.einsum("tji,tj->ti", turn, clip.body_ang_vel_w[:, base]),
            "gravity": -turn[:, 2],
            "bodies": np.einsum("tji,tbj->tbi", turn, out).reshape(clip.frames, -1),
        }
        self._columns: dict[str, slice] = {}
        start = 0
        for name, values in columns.items():
            self._columns[name] = slice(start, start + values.shape[1])
            start += values.shape[1]
        self._table = np.concatenate(list(columns.values()), axis=1)
        self._tables: dict[Any, Array] = {}
        self._last, self._starts = clip.frames - 1, max(clip.frames - episode, 1)
        addresses = [int(model.sensor(f"{name}.in_base").adr[0]) for name in bodies]
        self._sensors = [address + i for address in addresses for i in range(3)]

    def frame(self, state: State, ahead: int = 0) -> dict[str, Array]:
        """Return the frame that each world is at, or is to be at in `ahead` steps.

        joints, speeds: (B, n) from home, rad, and rad/s, in the robot's order; position, orientation, velocity of the
        base: (B, 3 or 4), world frame; angular_velocity, gravity: (B, 3), base frame; bodies: (B, 3 n), m, positions
        of the key bodies, one after another, base frame.
        """
        xp, table = state.xp, self._placed(state)
        row = table[xp.clip(self._frame(state) + ahead, 0, self._last)]
        return {name: row[:, columns] for name, columns in self._columns.items()}

    def over(self, state: State) -> Array:
        """Return how much of the clip is behind each world, from 0 to 1: (B,)."""
        return state.xp.clip(state.xp.astype(self._frame(state), state.qpos.dtype) * (1.0 / self._last), 0.0, 1.0)

    def measured(self, state: State) -> Array:
        """Return the positions of the robots' key bodies: (B, 3 n) m, base frame."""
        return state.physics.sensordata[:, self._sensors]

    def _frame(self, state: State) -> Array:
        xp = state.xp
        first = xp.clip(xp.floor(state.factors["phase"] * self._starts), 0, self._starts - 1)
        return xp.astype(first, xp.int64) + state.steps

    def _placed(self, state: State) -> Array:
        """Return the table in the namespace, type and place of the state."""
        key = (state.qpos.dtype, str(state.qpos.device))
        if key not in self._tables:
            self._tables[key] = state.constant(self._table)
        return self._tables[key]


def relative(state: State, aim: dict[str, Array]) -> list[Array]:
    """Return where a frame's base is, in the base's own frame: position (B, 3) m, its x and z axes (B, 3) each."""
    own = state.qpos[:, 3:7]
    there = [rotation.into_body(own, aim["position"] - state.qpos[:, :3])]
    for axis in AXES:
        world = rotation.rotate(aim["orientation"], state.each(axis))
        there.append(rotation.into_body(own, world))
    return there
