"""Cube: a free cube on the table whose size, mass and friction differ from world to world."""

from __future__ import annotations

from typing import Any

import mujoco
from pydantic import Field

from motorium.sim.scene import TABLE_HIGH_M, TABLE_LOW_M, add_cube
from motorium.tasks.manipulation.arm import Manipulator
from motorium.tasks.manipulation.task import ArmSpec, Part, around, axes
from motorium.tasks.mdp.state import State
from motorium.tasks.ranges import Range
from motorium.tasks.terms import rotation
from motorium.tasks.terms.termination import off_table, within

Array = Any

NAME = "cube"
POSE = ("cube_x_m", "cube_y_m", "cube_yaw_rad")
PROPERTIES = ("cube_half_m", "cube_kg", "cube_friction")
PROPERTY_UNITS = ("m", "kg", "1")
FIELDS = ("geom_size", "geom_friction", "body_mass", "body_inertia")

# A cube is put down from a little above the table, not quite level.
DROP_M, TILT = 0.002, 0.01
BELOW_TABLE_M = 0.02
GRASP_M, GRASP_WIDTH_M = 0.02, 0.008


class CubeSpec(ArmSpec):
    """Options of tasks with a cube."""

    # Scripted grasps and pushes end as with 5 ms, which cost twice as much.
    timestep_s: float = Field(0.01, gt=0, le=0.02, description="physics step, in seconds")
    cube_x_m: Range = Field((-0.08, 0.08), description="where the cube starts, from the point under the hand at home")
    cube_y_m: Range = Field((-0.15, 0.15), description="where the cube starts, from the point under the hand at home")
    cube_yaw_rad: Range = Field((-0.7854, 0.7854), description="how the cube is turned")
    cube_half_m: Range = Field((0.018, 0.022), description="half the edge of the cube")
    cube_kg: Range = Field((0.03, 0.1), description="mass of the cube")
    cube_friction: Range = Field((0.7, 1.2), description="of the cube with whatever it touches")


def furnish(scene: mujoco.MjSpec, spec: CubeSpec) -> None:
    """Add the cube to the scene."""
    # As large as it may be: MuJoCo derives the bounds of its contact search from it, once, when it compiles.
    add_cube(scene, NAME, spec.cube_half_m[1], spec.cube_kg[1])
    geom = scene.geom(NAME)
    # The cube's friction holds, whatever it touches: that is what is randomised. Its contacts are as hard as those of
    # the 2F-85's pads, which would be its own with the lower priority: softer ones let the pads sink into it.
    geom.priority, geom.solref[:2], geom.solimp[:3] = 2, [0.004, 1.0], [0.95, 0.99, 0.001]


class Cube:
    """The cube in a compiled model.

    Args:
        model: compiled from a scene that `furnish` was called for.
        spec: of the task.
    """

    def __init__(self, model: mujoco.MjModel, spec: CubeSpec) -> None:
        self._model, self._spec = model, spec
        self._geom, self._body = model.geom(NAME).id, model.body(NAME).id
        self._q, self._v = int(model.joint(NAME).qposadr[0]), int(model.joint(NAME).dofadr[0])

    def factors(self, x_m: float, y_m: float) -> dict[str, tuple[float, float]]:
        """Return the ranges of what is drawn, (x_m, y_m) being the point under the hand at home."""
        spec = self._spec
        ranges = {name: getattr(spec, name) for name in (*POSE, *PROPERTIES)}
        return ranges | {"cube_x_m": around(spec.cube_x_m, x_m), "cube_y_m": around(spec.cube_y_m, y_m)}

    def randomise(self, state: State) -> dict[str, Array]:
        """Return the model fields of `FIELDS`."""
        f, geom, body = state.factors, self._geom, self._body
        made = {name: state.each(getattr(self._model, name)) for name in FIELDS}
        half, mass = f["cube_half_m"][:, None], f["cube_kg"]
        made["geom_size"][:, geom] = half
        made["geom_friction"][:, geom, 0] = f["cube_friction"]
        made["body_mass"][:, body] = mass
        # Of a cube with edge 2 h about its centre: m (2 h)^2 / 6.
        made["body_inertia"][:, body] = mass[:, None] * half * half * (2.0 / 3.0)
        return made

    def place(self, state: State, qpos: Array) -> None:
        """Write where the cube starts into `qpos` (B, nq): just above the table, tilted by a hundredth."""
        xp, f = state.xp, state.factors
        half_turn = 0.5 * f["cube_yaw_rad"]
        tilt = TILT * state.draw("tilt", 2)
        q = xp.stack([xp.cos(half_turn), tilt[:, 0], tilt[:, 1], xp.sin(half_turn)], axis=1)
        q = q / (q[:, 0] ** 2 + q[:, 1] ** 2 + q[:, 2] ** 2 + q[:, 3] ** 2)[:, None] ** 0.5
        p = xp.stack([f["cube_x_m"], f["cube_y_m"], f["cube_half_m"] + DROP_M], axis=1)
        qpos[:, self._q : self._q + 7] = xp.concat([p, q], axis=1)

    def position(self, state: State) -> Array:
        """Return the cube's centre: (B, 3) m, world frame."""
        return state.qpos[:, self._q : self._q + 3]

    def turn(self, state: State) -> Array:
        """Return the cube's rotation as its first two columns: (B, 6)."""
        return rotation.two_columns(state.qpos[:, self._q + 3 : self._q + 7])

    def velocity(self, state: State) -> Array:
        """Return linear (m/s, world frame) and angular velocity (rad/s, the cube's): (B, 6)."""
        return state.qvel[:, self._v : self._v + 6]

    def between(self, state: State, hand: Manipulator) -> Array:
        """Return whether the cube is between the fingers of `hand`: (B,) bool.

        Near enough, and the gripper hardly wider than the cube: nothing else fits between its fingers then.
        """
        near = within(hand.hand(state), self.position(state), GRASP_M)
        return near & (hand.opening(state) <= 2.0 * state.factors["cube_half_m"] + GRASP_WIDTH_M)

    def height(self, state: State) -> Array:
        """Return how high the cube is above where it lies on the table: (B,) m."""
        return self.position(state)[:, 2] - state.factors["cube_half_m"]

    def lost(self, state: State) -> Array:
        """Return whether the cube is off the table: (B,) bool."""
        return off_table(self.position(state), TABLE_LOW_M, TABLE_HIGH_M, BELOW_TABLE_M)

    def privileged(self, state: State) -> Array:
        """Return velocity and properties, for a critic: (B, 9), as `privileged_parts` names them."""
        known = state.xp.stack([state.factors[name] for name in PROPERTIES], axis=1)
        return state.xp.concat([self.velocity(state), known], axis=1)


def privileged_parts() -> list[Part]:
    """Return the parts of an observation that `Cube.privileged` returns."""
    speeds = [axes("cube.velocity", "m/s"), axes("cube.angular_velocity", "rad/s")]
    return [*speeds, (PROPERTIES, PROPERTY_UNITS)]
