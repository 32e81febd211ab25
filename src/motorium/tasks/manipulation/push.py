"""Push: an arm pushes a cube over the table into a zone.

Source: the task as `PushCube` of S. Tao et al., ManiSkill3, arXiv:2410.00425: reach the point behind the cube, then
bring the cube to the goal. Here the zone may lie in any direction; scales and weights are ours.

Observation `observation.state` (no noise): joint positions from home (rad), joint velocities (rad/s), hand (m, world
frame), direction in which the hand points (1, world frame), cube (m, world frame), its rotation (6-D), zone (m, x and
y), cube from hand (m), zone from cube (m, x and y), the last action. `observation.privileged`, for a critic: linear and
angular velocity of the cube, and what is randomised of it.
Action: a step of each joint from where it is, a command of 1 is `joint_step_rad`; 20 a second. The gripper is closed.

Rewards, in reward a second at a term of one (g: distance of cube and zone on the table):
    behind   1      1 - tanh(distance of the hand and the point 1.5 cm behind the cube, seen from the zone / 0.1 m); 1
                    where the cube is in the zone
    push     3      1 - tanh(g / 0.15 m)
    zone     3      1 - tanh(g / 0.03 m)
    rate    -0.01   sum of squared changes of the action
    speed   -0.01   sum of squared joint velocities, (rad/s)^2

Outcomes: `cube_off_table` (termination): beyond an edge or under the top; `success` (truncation after 6 s) where the
cube's centre was within 3 cm of the zone's, and less than 1 cm above the table, at every step of the last half second;
else `timeout`. Metrics: apart_m, of cube and zone.
Randomised (`EnvInfo.factors`), uniform: where the cube starts and how it is turned, its size, mass and friction; where
the zone is, `zone_distance_m` from the cube in the direction `zone_angle_rad` from the front. Joints start within
`start_rad` of home.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import mujoco
import numpy as np
from pydantic import Field

from motorium.sim.scene import add_zone
from motorium.tasks.manipulation import cube as things
from motorium.tasks.manipulation.arm import ROTATION_NAMES
from motorium.tasks.manipulation.cube import Cube, CubeSpec
from motorium.tasks.manipulation.task import ArmTask, axes
from motorium.tasks.mdp.state import State
from motorium.tasks.mdp.task import OUTCOMES, PRIVILEGED, STATE, About, Start
from motorium.tasks.ranges import Range
from motorium.tasks.terms.geometry import distance, squared
from motorium.tasks.terms.reward import close
from motorium.tasks.terms.termination import within

Array = Any

CUBE_OFF_TABLE = len(OUTCOMES)
ZONE_M, LIFTED_M, HALF_ZONE_M = 0.03, 0.01, 0.045
BEHIND_M, REACH_M, PUSH_M, FINE_M = 0.015, 0.1, 0.15, 0.03
ZONE = ("zone_distance_m", "zone_angle_rad")


class PushSpec(CubeSpec):
    """Options of the tasks `*/push`."""

    episode_s: float = Field(6.0, gt=0, description="simulated time until an episode is truncated, in seconds")
    cube_y_m: Range = Field((-0.10, 0.10), description="where the cube starts, from the point under the hand at home")
    zone_distance_m: Range = Field((0.08, 0.16), description="how far from the cube the zone is")
    zone_angle_rad: Range = Field((-np.pi, np.pi), description="in which direction from the cube the zone is")


class Push(ArmTask):
    """Pushing a cube; the module's text has the conditions."""

    Spec = PushSpec
    weights = {"behind": 1.0, "push": 3.0, "zone": 3.0, "rate": -0.01, "speed": -0.01}
    fields = things.FIELDS
    gripper = 1.0

    def furnish(self, scene: mujoco.MjSpec) -> None:
        """Add cube and zone."""
        things.furnish(scene, self.spec)
        add_zone(scene, "zone", HALF_ZONE_M)

    def prepare(self, model: mujoco.MjModel) -> About:
        """Look up arm and cube in the model; return what the task is."""
        home = self.look_up(model).home_m
        self.cube = Cube(model, self.spec)
        turn = [f"cube.{name}" for name in ROTATION_NAMES], ["1"] * 6
        state = [axes("hand"), axes("hand.approach", "1"), axes("cube"), turn, axes("zone", which="xy")]
        apart = [axes("cube_from_hand"), axes("zone_from_cube", which="xy")]
        return self.describe(
            "push the cube into the zone",
            {STATE: [*self.own_parts(), *state, *apart, self.last_part()], PRIVILEGED: things.privileged_parts()},
            {**self.cube.factors(home[0], home[1]), **{name: getattr(self.spec, name) for name in ZONE}},
            ("cube_off_table",),
        )

    def randomise(self, state: State) -> dict[str, Array]:
        """Return what differs between the cubes."""
        return self.cube.randomise(state)

    def start(self, state: State) -> Start:
        """Return the arm near home, the cube on the table, and the zone."""
        xp, f, start = state.xp, state.factors, self.at_home(state)
        self.cube.place(state, start.qpos)
        far, angle = f["zone_distance_m"], f["zone_angle_rad"]
        zone = [f["cube_x_m"] + far * xp.cos(angle), f["cube_y_m"] + far * xp.sin(angle), 0.0 * far]
        return replace(start, mocap_pos=xp.stack(zone, axis=1)[:, None])

    def achieved(self, state: State) -> Array:
        """Return whether the cube lies in the zone."""
        inside = within(self.cube.position(state)[:, :2], self._zone(state), ZONE_M)
        return inside & (abs(self.cube.height(state)) < LIFTED_M)

    def rewards(self, state: State) -> dict[str, Array]:
        """Return the terms that the module's text lists."""
        xp, cube, zone = state.xp, self.cube.position(state), self._zone(state)
        apart = distance(cube[:, :2], zone)
        behind = close(distance(self.body.hand(state), self._behind(state)), REACH_M)
        return {
            "behind": xp.where(apart < ZONE_M, xp.ones_like(apart), behind),
            "push": close(apart, PUSH_M),
            "zone": close(apart, FINE_M),
            "rate": self.rate(state),
            "speed": self.speed(state),
        }

    def outcome(self, state: State) -> Array:
        """Return which cubes are off the table."""
        return state.xp.astype(self.cube.lost(state), state.xp.int8) * CUBE_OFF_TABLE

    def metrics(self, state: State) -> dict[str, Array]:
        """Return how far the cubes are from their zones."""
        return {"apart_m": distance(self.cube.position(state)[:, :2], self._zone(state))}

    def observe(self, state: State) -> dict[str, Array]:
        """Return what the module's text lists."""
        hand, cube, zone = self.body.hand(state), self.cube.position(state), self._zone(state)
        seen = [hand, self.body.approach(state), cube, self.cube.turn(state), zone]
        apart = [cube - hand, zone - cube[:, :2], state.action]
        return {
            STATE: state.xp.concat([*self.own(state), *seen, *apart], axis=1),
            PRIVILEGED: self.cube.privileged(state),
        }

    def _zone(self, state: State) -> Array:
        return state.physics.mocap_pos[:, 0, :2]

    def _behind(self, state: State) -> Array:
        """Return the point that pushes the cube to the zone: (B, 3) m, world frame."""
        xp, cube = state.xp, self.cube.position(state)
        way = cube[:, :2] - self._zone(state)
        # A length of at least a millimetre: a cube in the middle of the zone has no behind.
        direction = way / xp.clip(squared(way), 1e-6, None)[:, None] ** 0.5
        back = (state.factors["cube_half_m"] + BEHIND_M)[:, None] * direction
        return xp.concat([cube[:, :2] + back, cube[:, 2:]], axis=1)
