"""Stand up: a robot on legs lies as it fell, gets up, and stands.

Source: the getup task of K. Zakka et al., MuJoCo Playground, arXiv:2502.08844: start by falling, and rewards for being
upright, high, and then in the home pose and still.

Before an episode the robot is dropped from just above its standing height, tilted anyhow, its servos holding joints
near home, and falls for 1.2 s; the model is the full one: it touches the ground, and itself, with all its parts.

Observation `observation.state`: angular velocity (rad/s, base frame), direction of gravity (base frame), joint
positions from home (rad), joint velocities (rad/s), the last action; with the noise of `locomotion.velocity`.
`observation.privileged`, for a critic, without noise: linear velocity (m/s, base frame), height of the base (m),
heights of the feet (m), and what is randomised.
Action: joint positions from home, a command of 1 is the robot's `scale_rad` times `reach`, as who lies on the back
needs more of a joint's range than who walks; position servos follow.

Rewards, in reward a second at a term of one; `up` is 1 for who is upright (tilt below 15 degrees) and at least 85 % as
high as at home, else 0:
    upright    1      exp(-2 d^2), d the distance of gravity's direction in the base frame from straight down
    height     1      height of the base over its height at home, from 0 to 1
    pose       1      up times exp(-mean squared joint position from home / (0.5 rad)^2)
    still      0.5    up times exp(-(v^2 + w^2) / 0.5^2), of the base's velocities in m/s and rad/s
    rate      -0.005  sum of squared changes of the action
    torque    -1e-5   sum of squared torques, (N m)^2

Outcomes: none before the time is up (falling down again is no end); then success for who has been `up` for the last
second, else `timeout`; both truncations.
Metrics: standing_s: for how long it has been up, until now.
Randomised (`EnvInfo.factors`), uniform: tilt_rad from upright, tilt_to_rad the direction it leans to, drop_m, friction
of the feet, mass added to the base, strength of the motors, and latency_s from a command to the motors.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import mujoco
from pydantic import Field

from motorium.core.protocols import SUCCESS
from motorium.sim.ground import add_ground
from motorium.tasks.locomotion.body import Body
from motorium.tasks.locomotion.features import (
    axes_part,
    conventions,
    factor_part,
    feet_part,
    joint_part,
    mirror,
    vector_of,
)
from motorium.tasks.locomotion.setting import FIELDS, randomised, set_out
from motorium.tasks.locomotion.velocity import NOISE
from motorium.tasks.mdp.state import State
from motorium.tasks.mdp.task import PRIVILEGED, STATE, TIMEOUT, About, Start, Task, TaskSpec
from motorium.tasks.ranges import Range
from motorium.tasks.terms.geometry import squared
from motorium.tasks.terms.reward import bell

Array = Any

FACTORS = ("tilt_rad", "tilt_to_rad", "drop_m", "friction", "added_mass_kg", "strength", "latency_s")
LEAST_UPRIGHT, LEAST_HIGH, LEAST_S = math.cos(math.radians(15.0)), 0.85, 1.0
POSE_RAD, STILL = 0.5, 0.5
DROP_HEIGHTS = 1.3


class StandUpSpec(TaskSpec):
    """Options of the tasks `*/stand-up`."""

    episode_s: float = Field(8.0, gt=0, description="simulated time until an episode is truncated, in seconds")
    robot: str = Field("go1", description="legged robot of the catalog, or module:attribute of a function making one")
    model: Literal["full", "training"] = Field(
        "full", description="contacts of the robot: all, or the training model's"
    )
    noise: float = Field(1.0, ge=0, description="size of the observation noise; 0 is none")
    reach: float = Field(1.5, gt=0, description="factor on what a command of 1 adds to a joint's position")
    start_rad: float = Field(0.5, ge=0, description="joints fall within this of home")
    tilt_rad: Range = Field((0.0, math.pi), description="from upright, as it is dropped")
    tilt_to_rad: Range = Field((-math.pi, math.pi), description="direction that it leans to, from the front")
    drop_m: Range = Field((0.0, 0.2), description="how much higher than it needs to be it is dropped from")
    friction: Range = Field((0.4, 1.2), description="of the feet with the ground")
    added_mass_kg: Range = Field((-0.5, 1.5), description="on the base")
    strength: Range = Field((0.9, 1.1), description="factor on the motors' gains and limits")
    latency_s: Range = Field((0.0, 0.02), description="from a command to the motors, in seconds; at most the upper end")


class StandUp(Task):
    """Standing up after a fall; the module's text has the conditions."""

    Spec = StandUpSpec
    weights = {"upright": 1.0, "height": 1.0, "pose": 1.0, "still": 0.5, "rate": -0.005, "torque": -1e-5}
    fields = FIELDS
    settle_s = 1.2

    def scene(self) -> mujoco.MjSpec:
        """Return the robot on flat ground."""
        self.robot = set_out(self.spec)
        add_ground(self.robot.spec, self.robot.base)
        return self.robot.spec

    def prepare(self, model: mujoco.MjModel) -> About:
        """Look up the robot in the model; return what the task is."""
        robot = self.robot
        self.body = Body(robot, model)
        joints, turned = joint_part(robot, "target", "normalized"), ("tilt_to_rad",)
        state = [
            axes_part("base.angular_velocity", "rad/s", (-1, 1, -1)),
            axes_part("base.gravity", "1", (1, -1, 1)),
            joint_part(robot, "position", "rad"),
            joint_part(robot, "velocity", "rad/s"),
            joint_part(robot, "last_target", "normalized"),
        ]
        privileged = [
            axes_part("base.velocity", "m/s", (1, -1, 1)),
            (("base.height",), ("m",), range(1), (1,)),
            feet_part(robot, "height", "m"),
            factor_part(FACTORS, turned),
        ]
        return About(
            instruction="stand up",
            observation={STATE: vector_of(state), PRIVILEGED: vector_of(privileged)},
            action=vector_of([joints]),
            factors={name: getattr(self.spec, name) for name in FACTORS},
            mirrors={STATE: mirror(state), PRIVILEGED: mirror(privileged), "action": mirror([joints])},
            conventions=conventions(robot, self.spec.reach),
            versions=robot.versions,
        )

    def randomise(self, state: State) -> dict[str, Array]:
        """Return friction of the feet, mass of the base, gains and limits and delay of the motors."""
        return randomised(state, self.body)

    def start(self, state: State) -> Start:
        """Return the robot in the air, tilted, its servos holding their joints."""
        xp, factors = state.xp, state.factors
        offsets = self.body.within_limits(state, self.spec.start_rad * state.draw("start", len(self.robot.joints)))
        qpos, qvel, _ = self.body.standing(state, offsets)
        half, to = 0.5 * factors["tilt_rad"], factors["tilt_to_rad"]
        high = DROP_HEIGHTS * self.robot.height_m + factors["drop_m"]
        # The axis that leaning to the front turns about is y.
        turn = [xp.cos(half), -xp.sin(half) * xp.sin(to), xp.sin(half) * xp.cos(to), xp.zeros_like(half)]
        base = xp.stack([xp.zeros_like(high), xp.zeros_like(high), high, *turn], axis=1)
        return Start(qpos=xp.concat([base, qpos[:, 7:]], axis=1), qvel=qvel, ctrl=self.body.held(state, offsets))

    def begin(self, state: State) -> dict[str, Array]:
        """Return that nobody has stood yet."""
        return {"standing_s": state.xp.zeros_like(state.qpos[:, 0])}

    def control(self, state: State) -> Array:
        """Return the servos' targets."""
        return self.body.targets(state, self.spec.reach)

    def advance(self, state: State) -> dict[str, Array]:
        """Return for how long each robot has been up."""
        return {"standing_s": (state.memory["standing_s"] + 1.0 / self.spec.control_hz) * self._up(state)}

    def rewards(self, state: State) -> dict[str, Array]:
        """Return the terms that the module's text lists."""
        body, xp, up = self.body, state.xp, self._up(state)
        off = body.gravity(state) - state.constant((0.0, 0.0, -1.0))
        moving = squared(body.velocity(state)) + squared(body.angular_velocity(state))
        return {
            "upright": xp.exp(-2.0 * squared(off)),
            "height": xp.clip(state.qpos[:, 2] * (1.0 / self.robot.height_m), 0.0, 1.0),
            "pose": up * bell(squared(body.joints(state)) * (1.0 / len(self.robot.joints)), POSE_RAD),
            "still": up * bell(moving, STILL),
            "rate": squared(state.action - state.last_action),
            "torque": squared(body.torques(state)),
        }

    def outcome(self, state: State) -> Array:
        """Return that everybody goes on."""
        return state.xp.astype(0 * state.steps, state.xp.int8)

    def verdict(self, state: State) -> Array:
        """Return success for who has stood for the last second."""
        # Sums of steps: half a step is not to decide.
        stood = state.memory["standing_s"] >= LEAST_S - 0.5 / self.spec.control_hz
        return state.xp.astype(stood, state.xp.int8) * (SUCCESS - TIMEOUT) + TIMEOUT

    def metrics(self, state: State) -> dict[str, Array]:
        """Return for how long each robot has been up."""
        return {"standing_s": state.memory["standing_s"]}

    def observe(self, state: State) -> dict[str, Array]:
        """Return what the policy sees, with noise, and what a critic may see besides."""
        body, xp = self.body, state.xp
        measured = {
            "gyro": body.angular_velocity(state),
            "gravity": body.gravity(state),
            "position": body.joints(state),
            "speed": body.speeds(state),
        }
        seen = [
            value + self.spec.noise * NOISE[name] * state.draw(f"noise {name}", value.shape[1])
            for name, value in measured.items()
        ]
        known = xp.stack(list(state.factors.values()), axis=1)
        return {
            STATE: xp.concat([*seen, state.action], axis=1),
            PRIVILEGED: xp.concat([body.velocity(state), state.qpos[:, 2:3], body.foot_heights(state), known], axis=1),
        }

    def _up(self, state: State) -> Array:
        """Return whether each robot is upright and high: (B,) 1.0 or 0.0."""
        upright = self.body.gravity(state)[:, 2] < -LEAST_UPRIGHT
        up = upright & (state.qpos[:, 2] > LEAST_HIGH * self.robot.height_m)
        return state.xp.astype(up, state.qpos.dtype)


class G1StandUpSpec(StandUpSpec):
    """Options of the task `g1/stand-up`."""

    robot: str = Field("g1", description="legged robot of the catalog, or module:attribute of a function making one")
    reach: float = Field(2.5, gt=0, description="factor on what a command of 1 adds to a joint's position")
    added_mass_kg: Range = Field((-1.0, 3.0), description="on the base")


class G1StandUp(StandUp):
    """Standing up with the G1; the module's text has the conditions."""

    Spec = G1StandUpSpec
