"""Transfer: the right arm picks a cube from the table and hands it to the left arm, which keeps it in the air.

Source: the task as `Transfer Cube` of T. Zhao et al., Learning Fine-Grained Bimanual Manipulation with Low-Cost
Hardware, arXiv:2304.13705: touched, lifted, both at it, handed over. Scales and weights are ours; so is the smooth
reward in place of theirs, which counts stages.

Observation `observation.state` (no noise), left arm before right: joint positions from home (rad), joint velocities
(rad/s), opening of the gripper (m); then of each hand its position (m, world frame) and rotation (6-D); the cube (m,
world frame), its rotation (6-D), the cube from the left and from the right hand (m); the last action.
`observation.privileged`, for a critic: linear and angular velocity of the cube, and what is randomised.
Action, left arm before right: a step of each joint, a command of 1 is `joint_step_rad`, and the gripper, from -1,
open, to 1, closed; 20 a second. The arms are not relieved of their weight: the steps are from their last
targets.

Rewards, in reward a second at a term of one (r, l: distances of the cube from the right and the left hand; h: height of
the cube above where it lies; given: 1 where the left hand alone has it, else 0):
    reach      1      1 - tanh(r / 0.1 m), or 1 where given
    grasp      1      1 where the cube is between the fingers of the right hand, or given
    lift       3      h / 10 cm, within 0 and 1, times the greater of 1 - tanh(r / 0.1 m) and 1 - tanh(l / 0.1 m)
    meet       3      1 - tanh(l / 0.1 m), where h is over 5 cm
    take       3      1 where the cube is between the fingers of the left hand and h is over 5 cm
    release    6      1 where given and h is over 5 cm
    rate      -0.01   sum of squared changes of the action
    speed     -0.01   sum of squared joint velocities, (rad/s)^2

Outcomes: `cube_off_table` (termination): beyond an edge or under the top; `success` (truncation after 8 s) where, at
every step of the last half second, the cube was between the fingers of the left hand, more than 6 cm from the right
hand, and h was over 5 cm; else `timeout`. Metrics: height_m.
Randomised (`EnvInfo.factors`), uniform: where the cube starts, on the right arm's side, and how it is turned, its size,
mass and friction; joints start within `start_rad` of home.
"""

from __future__ import annotations

from typing import Any

import mujoco
from pydantic import Field

from motorium.tasks.manipulation import cube as things
from motorium.tasks.manipulation.arm import ROTATION_NAMES
from motorium.tasks.manipulation.cube import Cube, CubeSpec
from motorium.tasks.manipulation.task import ArmTask, axes
from motorium.tasks.mdp.state import State
from motorium.tasks.mdp.task import OUTCOMES, PRIVILEGED, STATE, About, Start
from motorium.tasks.ranges import Range
from motorium.tasks.terms.geometry import distance
from motorium.tasks.terms.reward import close, share

Array = Any

CUBE_OFF_TABLE = len(OUTCOMES)
GOAL_M, IN_AIR_M, APART_M, REACH_M = 0.10, 0.05, 0.06, 0.1


class TransferSpec(CubeSpec):
    """Options of the tasks `*/transfer`."""

    robot: str = Field("viperx", description="pair of arms of the catalog, or module:attribute of a function")
    timestep_s: float = Field(0.005, gt=0, le=0.02, description="physics step, in seconds")
    episode_s: float = Field(8.0, gt=0, description="simulated time until an episode is truncated, in seconds")
    cube_x_m: Range = Field((0.0, 0.15), description="where the cube starts, from midway between the arms to the right")
    cube_y_m: Range = Field((-0.10, 0.10), description="where the cube starts")


class Transfer(ArmTask):
    """Handing a cube over; the module's text has the conditions."""

    Spec = TransferSpec
    weights = {
        "reach": 1.0,
        "grasp": 1.0,
        "lift": 3.0,
        "meet": 3.0,
        "take": 3.0,
        "release": 6.0,
        "rate": -0.01,
        "speed": -0.01,
    }
    fields = things.FIELDS
    hands = 2
    commands_gripper = True

    def furnish(self, scene: mujoco.MjSpec) -> None:
        """Add the cube."""
        things.furnish(scene, self.spec)

    def prepare(self, model: mujoco.MjModel) -> About:
        """Look up arms and cube in the model; return what the task is."""
        self.look_up(model)
        self.left, self.right = self.bodies
        self.cube = Cube(model, self.spec)
        turns = {what: ([f"{what}.{name}" for name in ROTATION_NAMES], ["1"] * 6) for what in ("left", "right", "cube")}
        hands = [axes("left"), turns["left"], axes("right"), turns["right"]]
        cube = [axes("cube"), turns["cube"], axes("cube_from_left"), axes("cube_from_right")]
        return self.describe(
            "hand the cube from the right arm to the left",
            {STATE: [*self.own_parts(), *hands, *cube, self.last_part()], PRIVILEGED: things.privileged_parts()},
            self.cube.factors(0.0, 0.0),
            ("cube_off_table",),
        )

    def randomise(self, state: State) -> dict[str, Array]:
        """Return what differs between the cubes."""
        return self.cube.randomise(state)

    def start(self, state: State) -> Start:
        """Return the arms near home, and the cube on the table."""
        start = self.at_home(state)
        self.cube.place(state, start.qpos)
        return start

    def achieved(self, state: State) -> Array:
        """Return whether the left hand alone holds the cube in the air."""
        return self._given(state) & (self.cube.height(state) > IN_AIR_M)

    def rewards(self, state: State) -> dict[str, Array]:
        """Return the terms that the module's text lists."""
        xp, height = state.xp, self.cube.height(state)
        to_left, to_right = (close(apart, REACH_M) for apart in self._distances(state))
        number = to_left.dtype
        given, air = xp.astype(self._given(state), number), xp.astype(height > IN_AIR_M, number)
        has_right, has_left = (xp.astype(self.cube.between(state, arm), number) for arm in (self.right, self.left))
        return {
            "reach": xp.maximum(to_right, given),
            "grasp": xp.maximum(has_right, given),
            "lift": share(height, GOAL_M) * xp.maximum(to_right, to_left),
            "meet": to_left * air,
            "take": has_left * air,
            "release": given * air,
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
        left, right, cube = self.left.hand(state), self.right.hand(state), self.cube.position(state)
        hands = [left, self.left.turn(state), right, self.right.turn(state)]
        seen = [*self.own(state), *hands, cube, self.cube.turn(state), cube - left, cube - right, state.action]
        return {STATE: state.xp.concat(seen, axis=1), PRIVILEGED: self.cube.privileged(state)}

    def _distances(self, state: State) -> tuple[Array, Array]:
        """Return how far the cube is from the left and from the right hand: (B,) m each."""
        cube = self.cube.position(state)
        return distance(self.left.hand(state), cube), distance(self.right.hand(state), cube)

    def _given(self, state: State) -> Array:
        """Return whether the left hand alone has the cube: (B,) bool."""
        return self.cube.between(state, self.left) & (self._distances(state)[1] > APART_M)
