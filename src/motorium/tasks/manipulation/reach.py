"""Reach: an arm brings its hand to a point, and keeps it there.

Source: the task as `Reach` of M. Mittal et al., Orbit: A Unified Simulation Framework for Interactive Robot Learning
Environments, arXiv:2301.04195, for positions: a coarse and a fine distance, penalties on changes of the action. Sizes,
scales and weights are ours.

Observation `observation.state` (no noise): joint positions from home (rad), joint velocities (rad/s), hand, target, and
target from hand (m, world frame), the last action. `observation.privileged`, for a critic: the motors' strength (1).
Action: a step of each joint from where it is, a command of 1 is `joint_step_rad`; 20 a second. The gripper stays
open; in the training model it is one rigid hand.

Rewards, in reward a second at a term of one (d: distance of hand and target):
    reach      1      1 - tanh(d / 0.2 m)
    precise    2      1 - tanh(d / 0.03 m)
    rate      -0.01   sum of squared changes of the action
    speed     -0.01   sum of squared joint velocities, (rad/s)^2

Outcomes (truncation after 3 s): `success` where the hand was within `within_m`, 1 cm, of the target at every step of
the last half second, else `timeout`. Nothing ends an episode before. Metrics: distance_m.
Randomised (`EnvInfo.factors`), uniform: the target, `target_x_m`, `target_y_m`, `target_z_m`, in a box around where the
hand is at home (not all of it is in reach of an arm smaller than the Panda), and `strength`, a factor on the servos'
gains. Joints start within `start_rad` of home.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import mujoco
from pydantic import Field

from motorium.tasks.manipulation.arm import GAINS
from motorium.tasks.manipulation.task import ArmSpec, ArmTask, around, axes
from motorium.tasks.mdp.state import State
from motorium.tasks.mdp.task import PRIVILEGED, STATE, About, Start
from motorium.tasks.ranges import Range
from motorium.tasks.terms.geometry import distance
from motorium.tasks.terms.reward import close
from motorium.tasks.terms.termination import within

Array = Any

COARSE_M, FINE_M = 0.2, 0.03
TARGET = ("target_x_m", "target_y_m", "target_z_m")


class ReachSpec(ArmSpec):
    """Options of the tasks `*/reach` of an arm."""

    timestep_s: float = Field(0.01, gt=0, le=0.02, description="physics step, in seconds")
    episode_s: float = Field(3.0, gt=0, description="simulated time until an episode is truncated, in seconds")
    within_m: float = Field(0.01, gt=0, description="distance of hand and target that counts as reached")
    target_x_m: Range = Field((-0.15, 0.15), description="where the target is, from the hand at home")
    target_y_m: Range = Field((-0.25, 0.25), description="where the target is, from the hand at home")
    target_z_m: Range = Field((-0.15, 0.20), description="where the target is, from the hand at home")
    strength: Range = Field((0.9, 1.1), description="factor on the servos' gains")


class Reach(ArmTask):
    """Reaching; the module's text has the conditions."""

    Spec = ReachSpec
    weights = {"reach": 1.0, "precise": 2.0, "rate": -0.01, "speed": -0.01}
    fields = GAINS
    stiff_gripper = True

    def furnish(self, scene: mujoco.MjSpec) -> None:
        """Add a marker of the target, seen but not felt."""
        body = scene.worldbody.add_body(name="target", mocap=True)
        size, red = [self.spec.within_m, 0, 0], [0.85, 0.25, 0.2, 0.7]
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=size, rgba=red, contype=0, conaffinity=0)

    def prepare(self, model: mujoco.MjModel) -> About:
        """Look up the arm in the model; return what the task is."""
        home = self.look_up(model).home_m
        ranges = {name: around(getattr(self.spec, name), centre) for name, centre in zip(TARGET, home)}
        parts = [*self.own_parts(), axes("hand"), axes("target"), axes("target_from_hand"), self.last_part()]
        return self.describe(
            "bring the hand to the target",
            {STATE: parts, PRIVILEGED: [(["strength"], ["1"])]},
            {**ranges, "strength": self.spec.strength},
        )

    def randomise(self, state: State) -> dict[str, Array]:
        """Return the gains of the arm's servos."""
        return self.body.strengthened(state, state.factors["strength"])

    def start(self, state: State) -> Start:
        """Return the arm near home, and the target."""
        target = state.xp.stack([state.factors[name] for name in TARGET], axis=1)
        return replace(self.at_home(state), mocap_pos=target[:, None])

    def achieved(self, state: State) -> Array:
        """Return whether the hand is at the target."""
        return within(self.body.hand(state), self._target(state), self.spec.within_m)

    def rewards(self, state: State) -> dict[str, Array]:
        """Return the terms that the module's text lists."""
        apart = distance(self.body.hand(state), self._target(state))
        return {
            "reach": close(apart, COARSE_M),
            "precise": close(apart, FINE_M),
            "rate": self.rate(state),
            "speed": self.speed(state),
        }

    def metrics(self, state: State) -> dict[str, Array]:
        """Return how far the hand is from the target."""
        return {"distance_m": distance(self.body.hand(state), self._target(state))}

    def observe(self, state: State) -> dict[str, Array]:
        """Return what the module's text lists."""
        hand, target = self.body.hand(state), self._target(state)
        seen = [*self.own(state), hand, target, target - hand, state.action]
        return {STATE: state.xp.concat(seen, axis=1), PRIVILEGED: state.factors["strength"][:, None]}

    def _target(self, state: State) -> Array:
        return state.physics.mocap_pos[:, 0]
