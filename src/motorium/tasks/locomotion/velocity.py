"""Velocity tracking: a legged robot walks as it is commanded, forward, sideways, turning, or stands still.

Source: the task as N. Rudin et al., Learning to Walk in Minutes Using Massively Parallel Deep Reinforcement Learning,
arXiv:2109.11978, describe it (tracking terms, penalties, pushes, friction), with a gait clock in place of the reward
for air time: J. Siekmann et al., Sim-to-Real Learning of All Common Bipedal Gaits via Periodic Reward Composition,
arXiv:2011.01387.

Observation `observation.state`: linear velocity of the base (m/s, base frame; left out with `base_velocity: false`),
angular velocity (rad/s, base frame), direction of gravity (base frame), joint positions from home (rad), joint
velocities (rad/s), the command (m/s, m/s, rad/s), the last action, sine and cosine of the gait's clock. With uniform
noise: 0.1 m/s, 0.2 rad/s, 0.05, 0.01 rad, 1.5 rad/s, times `noise`.
`observation.privileged`, for a critic, without noise: linear velocity (m/s, base frame), heights of the feet (m),
forces on the feet (100 N), and what is randomised.
Action: joint positions from home, a command of 1 is the robot's `scale_rad` times `reach`; position servos follow.

Rewards, in reward a second at a term of one (v, w: of the base in its frame; e: error against the command):
    track_linear    2      exp(-|e_xy|^2 / (0.5 m/s)^2)
    track_angular   1      exp(-e_yaw^2 / (0.5 rad/s)^2)
    gait            2      mean over the feet of exp(-(height - target)^2 / (0.04 m)^2 - slip); target: half a sine in
                           the foot's swing, the ground else, and for a robot that is to stand still; slip: squared
                           horizontal speed of a foot that is to be on the ground, over (0.5 m/s)^2
    upright        -3      squared horizontal part of the direction of gravity
    vertical       -0.5    v_z^2, (m/s)^2
    roll_pitch     -0.02   w_x^2 + w_y^2, (rad/s)^2
    pose           -0.3    sum of squared joint positions from home, rad^2
    rate           -0.01   sum of squared changes of the action
    torque         -1e-4   sum of squared torques, (N m)^2
The sum of a step is not below zero, so that falling is never a relief.

Outcomes: `fell` (termination): the base lower than the robot's `fallen_m` above the ground, or tilted by more than 60
degrees; `timeout` or success (truncation): success where the mean error of linear velocity over the episode is at
most 0.25 m/s and that of the yaw rate at most 0.25 rad/s.
Metrics: velocity_error_m_s, yaw_error_rad_s: means over the episode so far.
Randomised (`EnvInfo.factors`), uniform: the command (again every `resample_s`), `standing` (below `standing_share`, the
first command is zero), the clock's start, the feet's friction, the mass added to the base, the motors' strength
(gains and limits), the speed of a push every `push_every_s`, in a random direction, and the time that a command takes
to reach the motors.
"""

from __future__ import annotations

from typing import Any, Literal

import mujoco
import numpy as np
from pydantic import Field

from motorium.core.protocols import SUCCESS
from motorium.sim.ground import add_ground
from motorium.tasks.locomotion.body import Body
from motorium.tasks.locomotion.features import CLOCK, COMMANDS, More, describe
from motorium.tasks.locomotion.setting import FIELDS, pushed, randomised, set_out
from motorium.tasks.mdp.state import State
from motorium.tasks.mdp.task import OUTCOMES, PRIVILEGED, STATE, TIMEOUT, About, Start, Task, TaskSpec
from motorium.tasks.ranges import Range
from motorium.tasks.terms import gait
from motorium.tasks.terms.geometry import squared, total
from motorium.tasks.terms.reward import bell

Array = Any

FELL = len(OUTCOMES)
SCALE_M_S, SCALE_RAD_S, SCALE_FOOT_M, SCALE_SLIP_M_S = 0.5, 0.5, 0.04, 0.5
LEAST_UPRIGHT, GOOD_M_S, GOOD_RAD_S = 0.5, 0.25, 0.25
NOISE = {"velocity": 0.1, "gyro": 0.2, "gravity": 0.05, "position": 0.01, "speed": 1.5}
FORCE_SCALE_N = 100.0
ON_GROUND_M = 1e-6


class VelocitySpec(TaskSpec):
    """Options of the tasks `*/velocity`."""

    robot: str = Field("go1", description="legged robot of the catalog, or module:attribute of a function making one")
    model: Literal["training", "full"] = Field("training", description="contacts of the robot: feet and base, or all")
    reach: float = Field(1.0, gt=0, description="factor on what a command of 1 adds to a joint's position")
    base_velocity: bool = Field(True, description="whether the policy sees the base's linear velocity")
    noise: float = Field(1.0, ge=0, description="size of the observation noise; 0 is none")
    resample_s: float = Field(0.0, ge=0, description="a new command every so many seconds; 0 is never")
    standing_share: float = Field(0.1, ge=0, le=1, description="share of commands that are to stand still")
    push_every_s: float = Field(5.0, gt=0, description="time between pushes, in seconds")
    command_x_m_s: Range = Field((-1.0, 1.0), description="commanded speed to the front")
    command_y_m_s: Range = Field((-0.4, 0.4), description="commanded speed to the left")
    command_yaw_rad_s: Range = Field((-0.8, 0.8), description="commanded turn to the left")
    friction: Range = Field((0.4, 1.2), description="of the feet with the ground")
    added_mass_kg: Range = Field((-0.5, 1.5), description="on the base")
    strength: Range = Field((0.9, 1.1), description="factor on the motors' gains and limits")
    push_m_s: Range = Field((0.0, 0.3), description="speed that a push gives the base")
    latency_s: Range = Field((0.0, 0.02), description="from a command to the motors, in seconds; at most the upper end")
    start_rad: float = Field(0.1, ge=0, description="joints start within this of home")
    action_limit: float = Field(1.0, gt=0, description="largest command of a joint; beyond it commands are clipped")


class Velocity(Task):
    """Velocity tracking; the module's text has the conditions."""

    Spec = VelocitySpec
    weights = {
        "track_linear": 2.0,
        "track_angular": 1.0,
        "gait": 2.0,
        "upright": -3.0,
        "vertical": -0.5,
        "roll_pitch": -0.02,
        "pose": -0.3,
        "rate": -0.01,
        "torque": -1e-4,
    }
    floor = 0.0
    fields = FIELDS

    def scene(self) -> mujoco.MjSpec:
        """Return the robot on flat ground."""
        self.robot = set_out(self.spec)
        self.lay_ground(self.robot.spec)
        return self.robot.spec

    def lay_ground(self, scene: mujoco.MjSpec) -> None:
        """Put what the robot walks on into `scene`."""
        add_ground(scene, self.robot.base)

    def height(self, state: State) -> Array:
        """Return the base's height above the ground: (B,) m."""
        return state.qpos[:, 2]

    def foot_heights(self, state: State) -> Array:
        """Return the heights of the feet above the ground: (B, feet) m."""
        return self.body.foot_heights(state)

    def prepare(self, model: mujoco.MjModel) -> About:
        """Look up the robot in the model; return what the task is."""
        self.body = Body(self.robot, model)
        return describe(self.robot, self.spec, failures=("fell",), more=self.more())

    def more(self) -> More:
        """Return what a subclass adds to observations and factors."""
        return More()

    def randomise(self, state: State) -> dict[str, Array]:
        """Return friction of the feet, mass of the base, gains and limits and delay of the motors."""
        return randomised(state, self.body)

    def start(self, state: State) -> Start:
        """Return the robot standing, its joints near home."""
        offsets = self.spec.start_rad * state.draw("start", len(self.robot.joints))
        qpos, qvel, ctrl = self.body.standing(state, offsets)
        return Start(qpos=qpos, qvel=qvel, ctrl=ctrl)

    def begin(self, state: State) -> dict[str, Array]:
        """Return the first command, and no error yet."""
        command = state.xp.stack([state.factors[name] for name in COMMANDS], axis=1)
        moving = state.factors["standing"] >= self.spec.standing_share
        zero = state.xp.zeros_like(command[:, 0])
        return {"command": command * moving[:, None], "error": zero, "yaw_error": zero}

    def disturb(self, state: State) -> Array | None:
        """Return the velocities after a push, every `push_every_s`."""
        return pushed(state, self.spec)

    def control(self, state: State) -> Array:
        """Return the servos' targets."""
        return self.body.targets(state, self.spec.reach)

    def advance(self, state: State) -> dict[str, Array]:
        """Return the command, drawn again when it is time, and the sums of the errors."""
        error, yaw_error = self._errors(state)
        memory = state.memory
        sums = {"error": memory["error"] + squared(error) ** 0.5, "yaw_error": memory["yaw_error"] + abs(yaw_error)}
        if not self.spec.resample_s:
            return sums
        now = state.steps % max(1, round(self.spec.resample_s * self.spec.control_hz)) == 0
        unit = state.draw("command", 4, 0.0, 1.0)
        low, high = (state.constant([getattr(self.spec, name)[i] for name in COMMANDS]) for i in (0, 1))
        fresh = (low + (high - low) * unit[:, :3]) * (unit[:, 3] >= self.spec.standing_share)[:, None]
        return {**sums, "command": state.xp.where(now[:, None], fresh, memory["command"])}

    def rewards(self, state: State) -> dict[str, Array]:
        """Return the terms that the module's text lists."""
        body, xp = self.body, state.xp
        error, yaw_error = self._errors(state)
        target = self._swing(state)
        off = (self.foot_heights(state) - target) * (1.0 / SCALE_FOOT_M)
        slip = (target <= ON_GROUND_M) * body.foot_speeds_squared(state) * (1.0 / SCALE_SLIP_M_S**2)
        return {
            "track_linear": bell(squared(error), SCALE_M_S),
            "track_angular": bell(yaw_error * yaw_error, SCALE_RAD_S),
            "gait": total(xp.exp(-off * off - slip)) * (1.0 / len(self.robot.feet)),
            "upright": squared(body.gravity(state)[:, :2]),
            "vertical": body.velocity(state)[:, 2] ** 2,
            "roll_pitch": squared(body.angular_velocity(state)[:, :2]),
            "pose": squared(body.joints(state)),
            "rate": squared(state.action - state.last_action),
            "torque": squared(body.torques(state)),
        }

    def outcome(self, state: State) -> Array:
        """Return which robots fell."""
        fell = (self.height(state) < self.robot.fallen_m) | (self.body.gravity(state)[:, 2] > -LEAST_UPRIGHT)
        return state.xp.astype(fell, state.xp.int8) * FELL

    def verdict(self, state: State) -> Array:
        """Return success where the commands were followed on average."""
        measured = self.metrics(state)
        good = (measured["velocity_error_m_s"] <= GOOD_M_S) & (measured["yaw_error_rad_s"] <= GOOD_RAD_S)
        return state.xp.astype(good, state.xp.int8) * (SUCCESS - TIMEOUT) + TIMEOUT

    def metrics(self, state: State) -> dict[str, Array]:
        """Return the mean errors of the episode so far."""
        steps = state.xp.clip(state.steps, 1, None)
        return {
            "velocity_error_m_s": state.memory["error"] / steps,
            "yaw_error_rad_s": state.memory["yaw_error"] / steps,
        }

    def observe(self, state: State) -> dict[str, Array]:
        """Return what the policy sees, with noise, and what a critic may see besides."""
        body, xp = self.body, state.xp
        velocity = body.velocity(state)
        measured = {
            "velocity": velocity,
            "gyro": body.angular_velocity(state),
            "gravity": body.gravity(state),
            "position": body.joints(state),
            "speed": body.speeds(state),
        }
        if not self.spec.base_velocity:
            del measured["velocity"]
        seen = [
            value + self.spec.noise * NOISE[name] * state.draw(f"noise {name}", value.shape[1])
            for name, value in measured.items()
        ]
        angle = 2.0 * np.pi * self._clock(state)
        clock = xp.stack([xp.sin(angle), xp.cos(angle)], axis=1)
        known = xp.stack([value for name, value in state.factors.items() if name != CLOCK], axis=1)
        forces = body.foot_forces(state) * (1.0 / FORCE_SCALE_N)
        return {
            STATE: xp.concat([*seen, state.memory["command"], state.action, clock], axis=1),
            PRIVILEGED: xp.concat([velocity, self.foot_heights(state), forces, known], axis=1),
        }

    def _errors(self, state: State) -> tuple[Array, Array]:
        """Return the errors of linear velocity (B, 2) m/s and of the yaw rate (B,) rad/s."""
        command = state.memory["command"]
        linear = self.body.velocity(state)[:, :2] - command[:, :2]
        return linear, self.body.angular_velocity(state)[:, 2] - command[:, 2]

    def _clock(self, state: State) -> Array:
        return gait.phase(state.steps * (1.0 / self.spec.control_hz), self.robot.gait_hz, state.factors["clock"])

    def _swing(self, state: State) -> Array:
        """Return the heights that the feet should have: (B, feet) m."""
        phases = gait.feet_phases(self._clock(state), self.robot.phases)
        height = gait.swing_height(phases, self.robot.stance_share, self.robot.swing_m)
        moving = squared(state.memory["command"]) > 0
        return height * moving[:, None]
