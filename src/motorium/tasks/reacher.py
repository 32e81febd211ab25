"""Reacher: an arm of two links in a plane brings its finger to a target, and keeps it there.

Source: Y. Tassa et al., DeepMind Control Suite, arXiv:1801.00690, section 4, `reacher (hard)`: the target's size, the
rate, the reward at the target. Ours are the model (`robots/reacher`), the reward on the way, and episodes of 4 s.

Observation `observation.state`: cosine and sine of shoulder and elbow (1), their speeds (rad/s), the finger, the
target, and the target from the finger (m, x and y). Action: `shoulder.torque` and `elbow.torque`, -1 to 1 of 0.05 N m.
50 steps a second.

Rewards (a second, at a term of one; d: distance of finger and target):
    at_target   1       1 where d is at most `target_m`: 2.5 cm, the radii of the target (1.5 cm) and the finger
    near        0.5     1 - tanh(d / 0.1 m)
    rate       -0.005   sum of squared changes of the action

Outcomes (truncation after 4 s): `success` where the finger was at the target at every step of the last second, else
`timeout`. Nothing ends an episode before. Metrics: distance_m.
Start (`EnvInfo.factors`), uniform: target_m_from_base, target_angle_rad, shoulder_rad, elbow_rad.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from pydantic import Field

from motorium.core.features import vector
from motorium.core.protocols import SUCCESS
from motorium.robots.reacher import model as reacher
from motorium.tasks.mdp.state import State
from motorium.tasks.mdp.task import STATE, TIMEOUT, About, Start, Task, TaskSpec
from motorium.tasks.ranges import Range
from motorium.tasks.terms.geometry import distance, squared
from motorium.tasks.terms.reward import close
from motorium.tasks.terms.termination import lasted, streak

Array = Any

NEAR_M, HELD_S = 0.1, 1.0


class ReacherSpec(TaskSpec):
    """Options of the task `reacher/reach`."""

    timestep_s: float = Field(0.01, gt=0, le=0.05, description="physics step, in seconds")
    episode_s: float = Field(4.0, gt=0, description="simulated time until an episode is truncated, in seconds")
    target_m: float = Field(0.025, gt=0, description="distance of finger and target that counts as reached")
    target_m_from_base: Range = Field((0.06, 0.22), description="how far from the shoulder the target is")
    target_angle_rad: Range = Field((-np.pi, np.pi), description="in which direction from the shoulder the target is")
    shoulder_rad: Range = Field((-np.pi, np.pi), description="where the shoulder starts")
    elbow_rad: Range = Field((-2.6, 2.6), description="where the elbow starts")


class Reach(Task):
    """Reaching in a plane; the module's text has the conditions."""

    Spec = ReacherSpec
    weights = {"at_target": 1.0, "near": 0.5, "rate": -0.005}

    def scene(self) -> mujoco.MjSpec:
        """Return arm, target and floor."""
        spec = reacher.make(self.spec.target_m - reacher.RADIUS_M)
        spec.option.timestep = self.spec.timestep_s
        return spec

    def prepare(self, model: mujoco.MjModel) -> About:
        """Return what the task is."""
        angles = ("shoulder.cos", "shoulder.sin", "elbow.cos", "elbow.sin", "shoulder.velocity", "elbow.velocity")
        points = [f"{what}.{axis}" for what in ("finger", "target", "target_from_finger") for axis in "xy"]
        factors = ("target_m_from_base", "target_angle_rad", "shoulder_rad", "elbow_rad")
        units = ("1",) * 4 + ("rad/s",) * 2 + ("m",) * 6
        return About(
            instruction="bring the finger to the target",
            observation={STATE: vector((*angles, *points), units, frame="world")},
            action=vector(("shoulder.torque", "elbow.torque"), "normalized"),
            factors={name: getattr(self.spec, name) for name in factors},
            conventions={
                "world": "the plane of x and y, metres; the shoulder at the origin",
                "control": f"torque: a command of 1 is {reacher.TORQUE_NM:g} N m",
            },
        )

    def start(self, state: State) -> Start:
        """Return the arm at rest, and the target."""
        f, xp = state.factors, state.xp
        radius, angle = f["target_m_from_base"], f["target_angle_rad"]
        target = xp.stack([radius * xp.cos(angle), radius * xp.sin(angle), 0.0 * radius], axis=1)
        return Start(qpos=xp.stack([f["shoulder_rad"], f["elbow_rad"]], axis=1), mocap_pos=target[:, None])

    def begin(self, state: State) -> dict[str, Array]:
        """Return that the target has not been reached yet."""
        return {"held": state.xp.zeros_like(state.qpos[:, 0])}

    def control(self, state: State) -> Array:
        """Return the motors' commands."""
        return state.action

    def advance(self, state: State) -> dict[str, Array]:
        """Return for how many steps the finger has been at the target."""
        return {"held": streak(state.memory["held"], self._distance(state) <= self.spec.target_m)}

    def rewards(self, state: State) -> dict[str, Array]:
        """Return the terms that the module's text lists."""
        apart = self._distance(state)
        return {
            "at_target": state.xp.astype(apart <= self.spec.target_m, apart.dtype),
            "near": close(apart, NEAR_M),
            "rate": squared(state.action - state.last_action),
        }

    def outcome(self, state: State) -> Array:
        """Return that it runs on."""
        return state.xp.zeros_like(state.steps, dtype=state.xp.int8)

    def verdict(self, state: State) -> Array:
        """Return success where the finger was at the target to the end."""
        return lasted(state.memory["held"], HELD_S * self.spec.control_hz, SUCCESS, TIMEOUT)

    def metrics(self, state: State) -> dict[str, Array]:
        """Return how far the finger is from the target."""
        return {"distance_m": self._distance(state)}

    def observe(self, state: State) -> dict[str, Array]:
        """Return angles as points on the circle, speeds, and where finger and target are."""
        xp, q = state.xp, state.qpos
        angles = [xp.cos(q[:, 0]), xp.sin(q[:, 0]), xp.cos(q[:, 1]), xp.sin(q[:, 1])]
        finger, target = self._finger(state), self._target(state)
        return {STATE: xp.concat([xp.stack(angles, axis=1), state.qvel, finger, target, target - finger], axis=1)}

    def _finger(self, state: State) -> Array:
        """Return the end of the second link: (B, 2) m."""
        xp, first, second = state.xp, state.qpos[:, 0], state.qpos[:, 0] + state.qpos[:, 1]
        x, y = xp.cos(first) + xp.cos(second), xp.sin(first) + xp.sin(second)
        return reacher.LINK_M * xp.stack([x, y], axis=1)

    def _target(self, state: State) -> Array:
        return state.physics.mocap_pos[:, 0, :2]

    def _distance(self, state: State) -> Array:
        return distance(self._finger(state), self._target(state))
