"""Body: a legged robot in a compiled model: what of the state is its base, its joints, its feet."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from motorium.core.errors import SimError
from motorium.robots.legged import Legged
from motorium.sim.ground import add_contact
from motorium.tasks.mdp.state import State
from motorium.tasks.terms import rotation
from motorium.tasks.terms.geometry import squared

Array = Any

# Sensors of each foot and actuator, by kind: what they measure, and on which kind of element.
_FOOT = {"position": mujoco.mjtSensor.mjSENS_FRAMEPOS, "velocity": mujoco.mjtSensor.mjSENS_FRAMELINVEL}


def add_sensors(robot: Legged) -> None:
    """Add to the robot's model the sensors that `Body` reads."""
    for geom in robot.foot_geoms:
        add_contact(robot.spec, f"{geom}.force", geom)
    for foot in robot.feet:
        for kind, what in _FOOT.items():
            sensor = robot.spec.add_sensor(name=f"{foot}.{kind}", type=what)
            sensor.objtype, sensor.objname = mujoco.mjtObj.mjOBJ_SITE, foot
    for actuator in robot.actuators:
        sensor = robot.spec.add_sensor(name=f"{actuator}.torque", type=mujoco.mjtSensor.mjSENS_ACTUATORFRC)
        sensor.objtype, sensor.objname = mujoco.mjtObj.mjOBJ_ACTUATOR, actuator


class Body:
    """A legged robot in a compiled model; the robot is the only thing in it that moves.

    Args:
        robot: with the sensors of `add_sensors`.
        model: compiled from its spec.

    Attributes:
        base: id of the base's body.
        limits_rad: (n, 2) ranges of the joints.
        grounds: ids of the geoms that touch the ground, foot after foot.

    Raises:
        SimError: when the base has no free joint, or not the first.
    """

    def __init__(self, robot: Legged, model: mujoco.MjModel) -> None:
        self.robot, self.model = robot, model
        self.base = model.body(robot.base).id
        joint = int(model.body(robot.base).jntadr[0])
        if joint != 0 or model.jnt_type[joint] != mujoco.mjtJoint.mjJNT_FREE:
            raise SimError(f"the base of '{robot.name}' needs a free joint, the model's first", where=robot.base)
        self.grounds = [model.geom(name).id for name in robot.foot_geoms]
        self.limits_rad = np.array([model.joint(name).range for name in robot.joints])
        self._q = [int(model.joint(name).qposadr[0]) for name in robot.joints]
        self._v = [int(model.joint(name).dofadr[0]) for name in robot.joints]
        self._torques = [self._address(f"{name}.torque") for name in robot.actuators]
        self._order = np.argsort([model.actuator(name).id for name in robot.actuators])
        self._positions, self._velocities = (
            [self._address(f"{foot}.{kind}") for foot in robot.feet] for kind in ("position", "velocity")
        )
        each = len(robot.foot_geoms) // len(robot.feet)
        forces = [self._address(f"{geom}.force") for geom in robot.foot_geoms]
        self._forces = [forces[i : i + each] for i in range(0, len(forces), each)]

    def velocity(self, state: State) -> Array:
        """Return the base's linear velocity: (B, 3) m/s, base frame."""
        return rotation.into_body(state.qpos[:, 3:7], state.qvel[:, :3])

    def angular_velocity(self, state: State) -> Array:
        """Return the base's angular velocity: (B, 3) rad/s, base frame."""
        return state.qvel[:, 3:6]

    def gravity(self, state: State) -> Array:
        """Return the direction of gravity: (B, 3), base frame; (0, 0, -1) when upright."""
        return rotation.gravity_direction(state.qpos[:, 3:7])

    def joints(self, state: State) -> Array:
        """Return joint positions from home: (B, n) rad."""
        return state.qpos[:, self._q] - state.constant(self.robot.home_rad)

    def speeds(self, state: State) -> Array:
        """Return joint velocities: (B, n) rad/s."""
        return state.qvel[:, self._v]

    def torques(self, state: State) -> Array:
        """Return the motors' torques: (B, n) N m."""
        return state.physics.sensordata[:, self._torques]

    def foot_heights(self, state: State) -> Array:
        """Return the heights of the feet's soles above flat ground: (B, feet) m."""
        return state.physics.sensordata[:, [a + 2 for a in self._positions]] - self.robot.sole_m

    def foot_places(self, state: State) -> tuple[Array, Array]:
        """Return where the feet are: x, y, each (B, feet) m, world frame."""
        x, y = (state.physics.sensordata[:, [a + i for a in self._positions]] for i in (0, 1))
        return x, y

    def foot_speeds_squared(self, state: State) -> Array:
        """Return squared horizontal speeds of the feet: (B, feet) (m/s)^2."""
        x, y = (state.physics.sensordata[:, [a + i for a in self._velocities]] for i in (0, 1))
        return x * x + y * y

    def foot_forces(self, state: State) -> Array:
        """Return the forces that the feet press with: (B, feet) N."""
        measured = state.physics.sensordata
        forces = [sum(measured[:, a : a + 3] for a in geoms) for geoms in self._forces]
        return state.xp.stack([squared(force) ** 0.5 for force in forces], axis=1)

    def targets(self, state: State, reach: float) -> Array:
        """Return the servos' controls (B, nu) for `state.action`: home and the action times scale and `reach`."""
        return self.held(state, reach * state.constant(self.robot.scale_rad) * state.action)

    def held(self, state: State, offsets_rad: Array) -> Array:
        """Return the servos' controls (B, nu) that ask for joints at `offsets_rad` (B, n) from home."""
        return (state.constant(self.robot.home_rad) + offsets_rad)[:, self._order]

    def posed(self, state: State, offsets_rad: Array, speeds_rad_s: Array) -> tuple[Array, Array]:
        """Return positions (B, nq) and velocities (B, nv) with joints at `offsets_rad` from home; the base as it is."""
        qpos, qvel = (state.xp.asarray(values, copy=True) for values in (state.qpos, state.qvel))
        qpos[:, self._q] = offsets_rad + state.constant(self.robot.home_rad)
        qvel[:, self._v] = speeds_rad_s
        return qpos, qvel

    def within_limits(self, state: State, offsets_rad: Array) -> Array:
        """Return offsets from home (B, n) that keep every joint within its range."""
        home = state.constant(self.robot.home_rad)
        low, high = (state.constant(self.limits_rad[:, i]) for i in (0, 1))
        return state.xp.clip(offsets_rad, low - home, high - home)

    def standing(self, state: State, offsets_rad: Array) -> tuple[Array, Array, Array]:
        """Return positions (B, nq), velocities (B, nv) and controls (B, nu) of the robot standing.

        Args:
            offsets_rad: (B, n) of the joints from home.
        """
        xp, robot = state.xp, self.robot
        home = state.constant(robot.home_rad)
        base = state.constant((0.0, 0.0, robot.height_m, 1.0, 0.0, 0.0, 0.0))
        rows = xp.zeros_like(offsets_rad[:, :1])
        qpos, _ = self.posed(state, offsets_rad, 0.0 * offsets_rad)
        qpos[:, :7] = rows + base
        return qpos, xp.zeros_like(state.qvel), (rows + home)[:, self._order]

    def _address(self, sensor: str) -> int:
        return int(self.model.sensor(sensor).adr[0])
