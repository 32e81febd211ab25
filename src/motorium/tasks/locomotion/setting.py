"""Setting: a robot on legs in a scene, and what is randomised of both, for every task of this folder."""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np

from motorium.robots.choose import make_robot
from motorium.robots.legged import Legged
from motorium.sim.delay import add_delay
from motorium.tasks.locomotion.body import Body, add_sensors
from motorium.tasks.mdp.state import State

Array = Any

# Model fields that `randomised` sets for each world.
FIELDS = (
    "geom_friction",
    "body_mass",
    "actuator_gainprm",
    "actuator_biasprm",
    "actuator_forcerange",
    "actuator_delay",
)
MOTORS = FIELDS[2:5]


def set_out(spec: Any) -> Legged:
    """Return the robot of a task's `spec`, with sensors, delay lines and the physics of the task; without ground."""
    robot = make_robot(spec.robot, spec.model, Legged)
    option = robot.spec.option
    option.timestep, option.integrator = spec.timestep_s, mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    if spec.model == "training":
        option.iterations, option.ls_iterations = 10, 10
    add_sensors(robot)
    add_delay(robot.spec, spec.latency_s[1])
    return robot


def randomised(state: State, body: Body) -> dict[str, Array]:
    """Return `FIELDS` {name: (B, ...)} that follow from the factors.

    These are friction, added_mass_kg, strength, latency_s: of the feet, on the base, of the motors' gains and limits,
    and from a control to the motors.
    """
    factors = state.factors
    made = {name: state.each(getattr(body.model, name)) for name in FIELDS}
    made["geom_friction"][:, body.grounds, 0] = factors["friction"][:, None]
    made["body_mass"][:, body.base] += factors["added_mass_kg"]
    for name in MOTORS:
        made[name] *= factors["strength"][:, None, None]
    # Without delay lines the delay is zero, whatever the factor.
    delayed = float(body.model.nhistory > 0)
    delay = delayed * state.xp.clip(factors["latency_s"], 0.0, None)
    made["actuator_delay"] = 0.0 * made["actuator_delay"] + delay[:, None]
    return made


def pushed(state: State, spec: Any) -> Array | None:
    """Return the velocities (B, nv) after a push of `push_m_s` in a random direction, every `push_every_s`, or None."""
    xp, every = state.xp, max(1, round(spec.push_every_s * spec.control_hz))
    now = state.steps % every == every - 1
    if not now.any():
        return None
    angle = state.draw("push", 1, -np.pi, np.pi)[:, 0]
    speed = state.factors["push_m_s"] * now
    after = xp.asarray(state.qvel, copy=True)
    after[:, 0] += speed * xp.cos(angle)
    after[:, 1] += speed * xp.sin(angle)
    return after
