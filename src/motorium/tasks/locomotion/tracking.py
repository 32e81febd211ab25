"""Motion tracking: a humanoid does what a reference motion does, as long as it lasts.

Source: X. B. Peng et al., DeepMimic, arXiv:1804.02717: rewards exp(-error) of joints, speeds, key bodies and base, a
start anywhere in the motion, an early end for who has lost it; Q. Liao et al., BeyondMimic, arXiv:2508.08241: what is
observed, the errors at which a motion is lost, and the layout of clips (`locomotion.clip`).

The motion is the file `clip`, or squats of our own (`locomotion.squat`) when that is empty. An episode begins at a
frame in the clip, so that all of it is before the clip's end where the clip is longer than an episode; past the end
the last frame stays.

Observation `observation.state`: of the frame that the coming action is to reach: joint positions from home (rad),
joint velocities (rad/s), the base's position from the robot's (m, base frame), and the axes x and z of the base's
frame there (base frame); linear and angular velocity of the base (m/s, rad/s, base frame), joint positions from home
(rad), joint velocities (rad/s), the last action; what is measured with the noise of `locomotion.velocity`.
`observation.privileged`, for a critic, without noise: the base's velocities (base frame), positions of the key bodies
(m, base frame), heights of the feet (m), how much of the clip is over, and what is randomised.
Action: joint positions from home, a command of 1 is the robot's `scale_rad` times `reach`; position servos follow.

Rewards, in reward a second at a term of one (e: error against the present frame; means over joints or bodies):
    joints        1      exp(-mean e^2 / (0.25 rad)^2)
    speeds        0.5    exp(-mean e^2 / (2 rad/s)^2)
    bodies        1      exp(-mean |e|^2 / (0.15 m)^2), of the key bodies, base frame
    position      0.5    exp(-|e|^2 / (0.3 m)^2), of the base
    orientation   0.5    exp(-e^2 / (0.4 rad)^2), of the base
    rate         -0.02   sum of squared changes of the action
    torque       -2e-5   sum of squared torques, (N m)^2

Outcomes: `lost` (termination): the base's height off by more than 0.25 m, or its direction of gravity by more than 0.8,
or its place by more than 1 m, or the key bodies by more than 0.25 m on average; `timeout` or success (truncation):
success where the key bodies' mean distance over the episode is at most 0.1 m.
Metrics: body_error_m, joint_error_rad: means over the episode so far.
Randomised (`EnvInfo.factors`), uniform: `phase`, where in the clip the episode begins; friction of the feet, mass added
to the base, strength of the motors, speed of a push every `push_every_s`, and latency_s from a command to the motors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import mujoco
from pydantic import Field

from motorium.core.protocols import SUCCESS
from motorium.sim.ground import add_ground
from motorium.tasks.locomotion.body import Body
from motorium.tasks.locomotion.clip import read_clip
from motorium.tasks.locomotion.features import axes_part, conventions, factor_part, feet_part, joint_part, vector_of
from motorium.tasks.locomotion.reference import Reference, add_body_sensors, relative
from motorium.tasks.locomotion.setting import FIELDS, pushed, randomised, set_out
from motorium.tasks.locomotion.squat import make_squats
from motorium.tasks.locomotion.velocity import NOISE
from motorium.tasks.mdp.state import State
from motorium.tasks.mdp.task import OUTCOMES, PRIVILEGED, STATE, TIMEOUT, About, Start, Task, TaskSpec
from motorium.tasks.ranges import Range
from motorium.tasks.terms.geometry import squared, total
from motorium.tasks.terms.reward import bell

Array = Any

LOST = len(OUTCOMES)
FACTORS = ("phase", "friction", "added_mass_kg", "strength", "push_m_s", "latency_s")
BODIES = tuple(
    f"{side}_{part}_link" for side in ("left", "right") for part in ("knee", "ankle_roll", "elbow", "wrist_yaw")
)
SCALES = {"joints": 0.25, "speeds": 2.0, "bodies": 0.15, "position": 0.3, "orientation": 0.4}
LOST_HEIGHT_M, LOST_GRAVITY, LOST_PLACE_M, LOST_BODIES_M, GOOD_M = 0.25, 0.8, 1.0, 0.25, 0.1


class TrackingSpec(TaskSpec):
    """Options of the tasks `*/tracking`."""

    episode_s: float = Field(10.0, gt=0, description="simulated time until an episode is truncated, in seconds")
    robot: str = Field("g1", description="legged robot of the catalog, or module:attribute of a function making one")
    model: Literal["training", "full"] = Field("training", description="contacts of the robot: feet and base, or all")
    clip: str = Field("", description="npz file of the motion, as mjlab writes them; empty: squats of our own")
    squats_s: float = Field(20.0, ge=4, le=600, description="length of our own squats, in seconds")
    bodies: tuple[str, ...] = Field(BODIES, min_length=1, description="bodies that are to follow the motion")
    reach: float = Field(3.0, gt=0, description="factor on what a command of 1 adds to a joint's position")
    noise: float = Field(1.0, ge=0, description="size of the observation noise; 0 is none")
    push_every_s: float = Field(3.0, gt=0, description="time between pushes, in seconds")
    start_rad: float = Field(0.05, ge=0, description="joints start within this of the clip's")
    phase: Range = Field((0.0, 1.0), description="where in the clip episodes begin")
    friction: Range = Field((0.4, 1.2), description="of the feet with the ground")
    added_mass_kg: Range = Field((-1.0, 1.5), description="on the base")
    strength: Range = Field((0.9, 1.1), description="factor on the motors' gains and limits")
    push_m_s: Range = Field((0.0, 0.2), description="speed that a push gives the base")
    latency_s: Range = Field((0.0, 0.02), description="from a command to the motors, in seconds; at most the upper end")


class Tracking(Task):
    """Motion tracking; the module's text has the conditions."""

    Spec = TrackingSpec
    weights = {
        "joints": 1.0,
        "speeds": 0.5,
        "bodies": 1.0,
        "position": 0.5,
        "orientation": 0.5,
        "rate": -0.02,
        "torque": -2e-5,
    }
    fields = FIELDS

    def scene(self) -> mujoco.MjSpec:
        """Return the robot on flat ground, with sensors of its key bodies."""
        self.robot = set_out(self.spec)
        add_body_sensors(self.robot, self.spec.bodies)
        add_ground(self.robot.spec, self.robot.base)
        return self.robot.spec

    def prepare(self, model: mujoco.MjModel) -> About:
        """Look up the robot in the model, and get the motion; return what the task is."""
        robot, spec = self.robot, self.spec
        self.body = Body(robot, model)
        if spec.clip:
            clip = read_clip(Path(spec.clip), joints=len(robot.joints), bodies=model.nbody - 1)
        else:
            clip = make_squats(robot, model, spec.squats_s, spec.control_hz)
        episode = max(1, round(spec.episode_s * spec.control_hz))
        self.reference = Reference(self.body, clip.resampled(spec.control_hz), spec.bodies, episode)
        return About(
            instruction="move as the clip does",
            observation={STATE: vector_of(self._state_parts()), PRIVILEGED: vector_of(self._privileged_parts())},
            action=vector_of([joint_part(robot, "target", "normalized")]),
            factors={name: getattr(spec, name) for name in FACTORS},
            failures=("lost",),
            conventions={**conventions(robot, spec.reach), "clip": spec.clip or "squats"},
            versions=robot.versions,
        )

    def randomise(self, state: State) -> dict[str, Array]:
        """Return friction of the feet, mass of the base, gains and limits and delay of the motors."""
        return randomised(state, self.body)

    def start(self, state: State) -> Start:
        """Return the robot as it is in the clip, its joints a little off."""
        now = self.reference.frame(state)
        joints = now["joints"] + self.spec.start_rad * state.draw("start", len(self.robot.joints))
        qpos, qvel = self.body.posed(state, self.body.within_limits(state, joints), now["speeds"])
        base = state.xp.concat([now["position"], now["orientation"]], axis=1)
        velocity = state.xp.concat([now["velocity"], now["angular_velocity"]], axis=1)
        return Start(
            qpos=state.xp.concat([base, qpos[:, 7:]], axis=1),
            qvel=state.xp.concat([velocity, qvel[:, 6:]], axis=1),
            ctrl=self.body.held(state, now["joints"]),
        )

    def begin(self, state: State) -> dict[str, Array]:
        """Return no error yet."""
        zero = state.xp.zeros_like(state.qpos[:, 0])
        return {"body_error": zero, "joint_error": zero}

    def disturb(self, state: State) -> Array | None:
        """Return the velocities after a push, every `push_every_s`."""
        return pushed(state, self.spec)

    def control(self, state: State) -> Array:
        """Return the servos' targets."""
        return self.body.targets(state, self.spec.reach)

    def advance(self, state: State) -> dict[str, Array]:
        """Return the sums of the errors."""
        errors, memory = self._errors(state), state.memory
        return {
            "body_error": memory["body_error"] + errors["bodies"] ** 0.5,
            "joint_error": memory["joint_error"] + errors["joints"] ** 0.5,
        }

    def rewards(self, state: State) -> dict[str, Array]:
        """Return the terms that the module's text lists."""
        errors = self._errors(state)
        followed = {name: bell(errors[name], scale) for name, scale in SCALES.items()}
        rate, torque = squared(state.action - state.last_action), squared(self.body.torques(state))
        return {**followed, "rate": rate, "torque": torque}

    def outcome(self, state: State) -> Array:
        """Return which robots lost the motion."""
        now, errors = self.reference.frame(state), self._errors(state)
        off = state.qpos[:, :3] - now["position"]
        tilted = squared(self.body.gravity(state) - now["gravity"])
        lost = (abs(off[:, 2]) > LOST_HEIGHT_M) | (squared(off[:, :2]) > LOST_PLACE_M**2)
        lost = lost | (tilted > LOST_GRAVITY**2) | (errors["bodies"] > LOST_BODIES_M**2)
        return state.xp.astype(lost, state.xp.int8) * LOST

    def verdict(self, state: State) -> Array:
        """Return success where the key bodies were near those of the clip on average."""
        good = self.metrics(state)["body_error_m"] <= GOOD_M
        return state.xp.astype(good, state.xp.int8) * (SUCCESS - TIMEOUT) + TIMEOUT

    def metrics(self, state: State) -> dict[str, Array]:
        """Return the mean errors of the episode so far."""
        steps = state.xp.clip(state.steps, 1, None)
        sums = state.memory
        return {"body_error_m": sums["body_error"] / steps, "joint_error_rad": sums["joint_error"] / steps}

    def observe(self, state: State) -> dict[str, Array]:
        """Return what the policy sees, with noise, and what a critic may see besides."""
        body, xp, aim = self.body, state.xp, self.reference.frame(state, ahead=1)
        measured = {
            "velocity": body.velocity(state),
            "gyro": body.angular_velocity(state),
            "position": body.joints(state),
            "speed": body.speeds(state),
        }
        seen = [
            value + self.spec.noise * NOISE[name] * state.draw(f"noise {name}", value.shape[1])
            for name, value in measured.items()
        ]
        known = xp.stack(list(state.factors.values()), axis=1)
        truly = [measured["velocity"], measured["gyro"], self.reference.measured(state), body.foot_heights(state)]
        return {
            STATE: xp.concat([aim["joints"], aim["speeds"], *relative(state, aim), *seen, state.action], axis=1),
            PRIVILEGED: xp.concat([*truly, self.reference.over(state)[:, None], known], axis=1),
        }

    def _errors(self, state: State) -> dict[str, Array]:
        """Return squared errors against the present frame {term: (B,)}: means over joints and bodies."""
        now, body = self.reference.frame(state), self.body
        joints = 1.0 / len(self.robot.joints)
        # Of unit quaternions: 4 (1 - (q . r)^2) is (2 sin(angle / 2))^2, the squared angle where it is small.
        along = total(state.qpos[:, 3:7] * now["orientation"])
        return {
            "joints": joints * squared(body.joints(state) - now["joints"]),
            "speeds": joints * squared(body.speeds(state) - now["speeds"]),
            "bodies": squared(self.reference.measured(state) - now["bodies"]) * (1.0 / len(self.spec.bodies)),
            "position": squared(state.qpos[:, :3] - now["position"]),
            "orientation": 4.0 * (1.0 - along * along),
        }

    def _state_parts(self) -> list:
        robot, plain = self.robot, (1, 1, 1)
        return [
            joint_part(robot, "aim", "rad"),
            joint_part(robot, "aim_velocity", "rad/s"),
            axes_part("aim.position", "m", plain),
            axes_part("aim.axis_x", "1", plain),
            axes_part("aim.axis_z", "1", plain),
            axes_part("base.velocity", "m/s", plain),
            axes_part("base.angular_velocity", "rad/s", plain),
            joint_part(robot, "position", "rad"),
            joint_part(robot, "velocity", "rad/s"),
            joint_part(robot, "last_target", "normalized"),
        ]

    def _privileged_parts(self) -> list:
        plain = (1, 1, 1)
        return [
            axes_part("base.true_velocity", "m/s", plain),
            axes_part("base.true_angular_velocity", "rad/s", plain),
            *(axes_part(name, "m", plain) for name in self.spec.bodies),
            feet_part(self.robot, "height", "m"),
            (("clip.over",), ("1",), (0,), (1,)),
            factor_part(FACTORS, ()),
        ]
