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
    for foot, geom in zip(robot.feet, robot.foot_geoms):
        add_contact(robot.spec, f"{foot}.force", geom)
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
        grounds: ids of the geoms that touch the ground, one a foot.

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
        self.radii_m = model.geom_size[self.grounds, 0]
        self._q = [int(model.joint(name).qposadr[0]) for name in robot.joints]
        self._v = [int(model.joint(name).dofadr[0]) for name in robot.joints]
        self._torques = [self._address(f"{name}.torque") for name in robot.actuators]
        self._order = np.argsort([model.actuator(name).id for name in robot.actuators])
        self._positions, self._velocities, self._forces = (
            [self._address(f"{foot}.{kind}") for foot in robot.feet] for kind in ("position", "velocity", "force")
        )

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
        """Return the heights of the feet's lowest points above flat ground: (B, feet) m."""
        return state.physics.sensordata[:, [a + 2 for a in self._positions]] - state.constant(self.radii_m)

    def foot_speeds_squared(self, state: State) -> Array:
        """Return squared horizontal speeds of the feet: (B, feet) (m/s)^2."""
        x, y = (state.physics.sensordata[:, [a + i for a in self._velocities]] for i in (0, 1))
        return x * x + y * y

    def foot_forces(self, state: State) -> Array:
        """Return the forces that the feet press with: (B, feet) N."""
        forces = [state.physics.sensordata[:, a : a + 3] for a in self._forces]
        return state.xp.stack([squared(force) ** 0.5 for force in forces], axis=1)

    def targets(self, state: State) -> Array:
        """Return the servos' controls (B, nu) for `state.action`: home and the action times the robot's scale."""
        robot = self.robot
        targets = state.constant(robot.home_rad) + state.constant(robot.scale_rad) * state.action
        return targets[:, self._order]

    def standing(self, state: State, offsets_rad: Array) -> tuple[Array, Array, Array]:
        """Return positions (B, nq), velocities (B, nv) and controls (B, nu) of the robot standing.

        Args:
            offsets_rad: (B, n) of the joints from home.
        """
        xp, robot = state.xp, self.robot
        home = state.constant(robot.home_rad)
        base = state.constant((0.0, 0.0, robot.height_m, 1.0, 0.0, 0.0, 0.0))
        rows = xp.zeros_like(offsets_rad[:, :1])
        qpos = xp.concat([rows + base, offsets_rad + home], axis=1)
        return qpos, xp.zeros_like(state.qvel), (rows + home)[:, self._order]

    def _address(self, sensor: str) -> int:
        return int(self.model.sensor(sensor).adr[0])
