"""Lift: an arm takes a cube from the table and holds it 10 cm above.

Source: the stages are those of `Lift` in Y. Zhu et al., robosuite, arXiv:2009.12293 (reach, grasp, lift) and of the
lift task of M. Mittal et al., Orbit, arXiv:2301.04195 (coarse and fine distance to the goal, once it is lifted), whose
rewards for the goal outweigh those for reaching several times. Scales and weights are ours.

Observation `observation.state` (no noise): joint positions from home (rad), joint velocities (rad/s), opening of the
gripper (m), hand (m, world frame), its rotation (6-D), cube (m, world frame), its rotation (6-D), cube from hand (m),
the last action. `observation.privileged`, for a critic: linear and angular velocity of the cube, and what is
randomised. Action: a step of each joint from where it is, a command of 1 is `joint_step_rad`; the gripper, from -1,
open, to 1, closed, without a dead part: a policy that keeps it open feels what closing it a little is worth. 20 a
second.

Rewards, in reward a second at a term of one (d: distance of hand and cube; h: height of the cube above where it lies):
    reach    1      1 - tanh(d / 0.2 m)
    near     1      1 - tanh(d / 0.05 m)
    down     0.5    how far the hand points down: the cosine of its tilt, not below 0
    grasp    2      exp(-d^2 / (2 cm)^2), times how much of the way from open to the cube's width the gripper has closed
    lift     5      h / 10 cm, within 0 and 1, times the near term: a cube that is thrown up earns nothing
    hold     5      1 - tanh(|h - 10 cm| / 3 cm) where the cube is between the fingers: d at most 2 cm, and the gripper
                    less than 8 mm wider than the cube; nothing else fits there, as the fingers are longer than 2 cm
    rate    -0.01   sum of squared changes of the action
    speed   -0.01   sum of squared joint velocities, (rad/s)^2

Outcomes: `cube_off_table` (termination): beyond an edge or under the top; `success` (truncation after 5 s) where the
cube was between the fingers and within 2.5 cm of the height of 10 cm at every step of the last half second; else
`timeout`. Metrics: height_m.
Randomised (`EnvInfo.factors`), uniform: where the cube starts and how it is turned, its size, mass and friction; joints
start within `start_rad` of home. The cube is put down from 2 mm, tilted by up to a degree.
"""

from __future__ import annotations

from typing import Any

import mujoco
from pydantic import Field

from motorium.tasks.manipulation import cube as things
from motorium.tasks.manipulation.arm import ROTATION_NAMES
from motorium.tasks.manipulation.cube import GRASP_M, Cube, CubeSpec
from motorium.tasks.manipulation.task import ArmTask, axes
from motorium.tasks.mdp.state import State
from motorium.tasks.mdp.task import OUTCOMES, PRIVILEGED, STATE, About, Start
from motorium.tasks.terms.geometry import distance
from motorium.tasks.terms.reward import bell, close, share

Array = Any

CUBE_OFF_TABLE = len(OUTCOMES)
GOAL_M, WITHIN_M = 0.10, 0.025
REACH_M, NEAR_M, HOLD_M = 0.2, 0.05, 0.03


class LiftSpec(CubeSpec):
    """Options of the tasks `*/lift`."""

    episode_s: float = Field(5.0, gt=0, description="simulated time until an episode is truncated, in seconds")


class Lift(ArmTask):
    """Lifting a cube; the module's text has the conditions."""

    Spec = LiftSpec
    weights = {
        "reach": 1.0,
        "near": 1.0,
        "down": 0.5,
        "grasp": 2.0,
        "lift": 5.0,
        "hold": 5.0,
        "rate": -0.01,
        "speed": -0.01,
    }
    fields = things.FIELDS
    commands_gripper = True

    def furnish(self, scene: mujoco.MjSpec) -> None:
        """Add the cube."""
        things.furnish(scene, self.spec)

    def prepare(self, model: mujoco.MjModel) -> About:
        """Look up arm and cube in the model; return what the task is."""
        home = self.look_up(model).home_m
        self.cube = Cube(model, self.spec)
        rotations = [([f"{what}.{name}" for name in ROTATION_NAMES], ["1"] * 6) for what in ("hand", "cube")]
        state = [axes("hand"), rotations[0], axes("cube"), rotations[1], axes("cube_from_hand")]
        return self.describe(
            "lift the cube",
            {STATE: [*self.own_parts(), *state, self.last_part()], PRIVILEGED: things.privileged_parts()},
            self.cube.factors(home[0], home[1]),
            ("cube_off_table",),
        )

    def randomise(self, state: State) -> dict[str, Array]:
        """Return what differs between the cubes."""
        return self.cube.randomise(state)

    def start(self, state: State) -> Start:
        """Return the arm near home, and the cube on the table."""
        start = self.at_home(state)
        self.cube.place(state, start.qpos)
        return start

    def achieved(self, state: State) -> Array:
        """Return whether the cube is held at its height."""
        return self.cube.between(state, self.body) & (abs(self.cube.height(state) - GOAL_M) <= WITHIN_M)

    def rewards(self, state: State) -> dict[str, Array]:
        """Return the terms that the module's text lists."""
        xp, height = state.xp, self.cube.height(state)
        apart = distance(self.body.hand(state), self.cube.position(state))
        near = close(apart, NEAR_M)
        grasped = xp.astype(self.cube.between(state, self.body), near.dtype)
        stroke = self.robot.gripper.stroke_m
        closed = (stroke - self.body.opening(state)) / (stroke - 2.0 * state.factors["cube_half_m"])
        return {
            "reach": close(apart, REACH_M),
            "near": near,
            "down": xp.clip(-self.body.approach(state)[:, 2], 0.0, None),
            "grasp": bell(apart * apart, GRASP_M) * xp.clip(closed, 0.0, 1.0),
            "lift": share(height, GOAL_M) * near,
            "hold": close(abs(height - GOAL_M), HOLD_M) * grasped,
            "rate": self.rate(state),
            "speed": self.speed(state),
        }

    def outcome(self, state: State) -> Array:
        """Return which cubes are off the table."""
        return state.xp.astype(self.cube.lost(state), state.xp.int8) * CUBE_OFF_TABLE

    def metrics(self, state: State) -> dict[str, Array]:
        """Return how high the cubes are."""
        return {"height_m": self.cube.height(state)}

    def observe(self, state: State) -> dict[str, Array]:
        """Return what the module's text lists."""
        hand, cube = self.body.hand(state), self.cube.position(state)
        seen = [hand, self.body.turn(state), cube, self.cube.turn(state), cube - hand, state.action]
        return {
            STATE: state.xp.concat([*self.own(state), *seen], axis=1),
            PRIVILEGED: self.cube.privileged(state),
        }
