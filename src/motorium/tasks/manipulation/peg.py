"""Peg insertion: an arm puts the round peg that it holds into a hole, with a few millimetres to spare.

Source: the task as `PegInsertionSide` of S. Tao et al., ManiSkill3, arXiv:2410.00425, and the peg-in-hole tasks before
it: align, then insert, judged by depth. Here the hole looks up, and the peg is already in the hand: it is part of the
gripper's body, so that it cannot slip. Sizes, scales and weights are ours: a peg 16 mm thick with a round tip, a square
hole of 16 mm and twice `clearance_m`, 3 mm, in a block 4 cm high that stands on the table and does not give.

Observation `observation.state` (no noise): joint positions from home (rad), joint velocities (rad/s), the peg's tip (m,
world frame), its direction (1, world frame), middle of the hole's mouth (m, x and y), the mouth from the tip (m), the
last action. `observation.privileged`, for a critic: the motors' strength (1).
Action: a step of each joint from where it is, a command of 1 is `joint_step_rad`; 20 a second.

Rewards, in reward a second at a term of one (s: distance of the tip from the hole's axis; e: how far the tip is above
the mouth, 0 below; depth: of the tip under the mouth, where s is less than half the hole's width, else 0):
    reach      1      1 - tanh((s + e) / 0.1 m)
    align      2      exp(-s^2 / (5 mm)^2), times the squared cosine of the peg's tilt
    upright    0.5    cosine of the peg's tilt, not below 0
    insert     6      depth / 3 cm, within 0 and 1
    rate      -0.01   sum of squared changes of the action
    speed     -0.01   sum of squared joint velocities, (rad/s)^2

Outcomes (truncation after 5 s): `success` where the depth was at least 3 cm at every step of the last half second, else
`timeout`. Nothing ends an episode before. Metrics: depth_m.
Randomised (`EnvInfo.factors`), uniform: where the hole is, and `strength`, a factor on the servos' gains. Joints start
within `start_rad` of home.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import mujoco
import numpy as np
from pydantic import Field

from motorium.core import frames
from motorium.tasks.manipulation.arm import GAINS
from motorium.tasks.manipulation.task import ArmSpec, ArmTask, around, axes
from motorium.tasks.mdp.state import State
from motorium.tasks.mdp.task import PRIVILEGED, STATE, About, Start
from motorium.tasks.ranges import Range
from motorium.tasks.terms.geometry import length, squared
from motorium.tasks.terms.reward import bell, close, share

Array = Any

PEG_RADIUS_M, PEG_M, BLOCK_M, WALL_M, DEPTH_M = 0.008, 0.06, 0.04, 0.02, 0.03
REACH_M, ALIGN_M = 0.1, 0.005
TIP = "peg.tip"
# The scene's things are of type 1: the peg meets them and the walls, which are of type 4 too, not the gripper (2).
PEG_TYPE, WALL_TYPE = 4, 5
HOLE = ("hole_x_m", "hole_y_m")


class PegSpec(ArmSpec):
    """Options of the tasks `*/peg-insertion`."""

    episode_s: float = Field(5.0, gt=0, description="simulated time until an episode is truncated, in seconds")
    clearance_m: float = Field(0.003, gt=0, description="between peg and hole, on each side")
    hole_x_m: Range = Field((-0.08, 0.08), description="where the hole is, from the point under the hand at home")
    hole_y_m: Range = Field((-0.12, 0.12), description="where the hole is, from the point under the hand at home")
    strength: Range = Field((0.9, 1.1), description="factor on the servos' gains")


class PegInsertion(ArmTask):
    """Peg insertion; the module's text has the conditions."""

    Spec = PegSpec
    weights = {"reach": 1.0, "align": 2.0, "upright": 0.5, "insert": 6.0, "rate": -0.01, "speed": -0.01}
    fields = GAINS
    stiff_gripper = True

    def furnish(self, scene: mujoco.MjSpec) -> None:
        """Add the block with the hole, and the peg in the hand."""
        _add_block(scene, PEG_RADIUS_M + self.spec.clearance_m)
        _add_peg(scene, self.robot.eef_site)

    def prepare(self, model: mujoco.MjModel) -> About:
        """Look up the arm in the model; return what the task is."""
        home = self.look_up(model).home_m
        self._half_m = PEG_RADIUS_M + self.spec.clearance_m
        ranges = {name: around(getattr(self.spec, name), centre) for name, centre in zip(HOLE, home)}
        parts = [axes("tip"), axes("peg.direction", "1"), axes("hole", which="xy"), axes("hole_from_tip")]
        return self.describe(
            "put the peg into the hole",
            {STATE: [*self.own_parts(), *parts, self.last_part()], PRIVILEGED: [(["strength"], ["1"])]},
            {**ranges, "strength": self.spec.strength},
        )

    def randomise(self, state: State) -> dict[str, Array]:
        """Return the gains of the arm's servos."""
        return self.body.strengthened(state, state.factors["strength"])

    def start(self, state: State) -> Start:
        """Return the arm near home, and the block."""
        x, y = (state.factors[name] for name in HOLE)
        return replace(self.at_home(state), mocap_pos=state.xp.stack([x, y, 0.0 * x], axis=1)[:, None])

    def achieved(self, state: State) -> Array:
        """Return whether the peg is in the hole."""
        return self._depth(state) >= DEPTH_M

    def rewards(self, state: State) -> dict[str, Array]:
        """Return the terms that the module's text lists."""
        xp, offset = state.xp, self._offset(state)
        aside = squared(offset[:, :2])
        upright = xp.clip(-self.body.approach(state)[:, 2], 0.0, None)
        return {
            "reach": close(aside**0.5 + xp.clip(-offset[:, 2], 0.0, None), REACH_M),
            "align": bell(aside, ALIGN_M) * upright * upright,
            "upright": upright,
            "insert": share(self._depth(state), DEPTH_M),
            "rate": self.rate(state),
            "speed": self.speed(state),
        }

    def metrics(self, state: State) -> dict[str, Array]:
        """Return how deep the pegs are in the holes."""
        return {"depth_m": self._depth(state)}

    def observe(self, state: State) -> dict[str, Array]:
        """Return what the module's text lists."""
        seen = [state.sensor(TIP), self.body.approach(state), self._hole(state)[:, :2], self._offset(state)]
        return {
            STATE: state.xp.concat([*self.own(state), *seen, state.action], axis=1),
            PRIVILEGED: state.factors["strength"][:, None],
        }

    def _hole(self, state: State) -> Array:
        """Return the middle of the hole's mouth: (B, 3) m, world frame."""
        return state.physics.mocap_pos[:, 0] + state.constant((0.0, 0.0, BLOCK_M))

    def _offset(self, state: State) -> Array:
        """Return what leads from the peg's tip to the hole's mouth: (B, 3) m, world frame."""
        return self._hole(state) - state.sensor(TIP)

    def _depth(self, state: State) -> Array:
        """Return how far the tip is in the hole: (B,) m; 0 above it and beside it."""
        xp, offset = state.xp, self._offset(state)
        inside = length(offset[:, :2]) < self._half_m
        return xp.clip(offset[:, 2], 0.0, None) * inside


def _add_block(scene: mujoco.MjSpec, half_m: float) -> None:
    """Add a block with a square hole, half of it `half_m` wide; its place is set through mocap."""
    block = scene.worldbody.add_body(name="block", mocap=True, pos=[0.45, 0.0, 0.0])
    outer, middle, half_height = half_m + WALL_M, half_m + WALL_M / 2, BLOCK_M / 2
    walls = {
        "front": ([middle, 0.0], [WALL_M / 2, outer]),
        "back": ([-middle, 0.0], [WALL_M / 2, outer]),
        "left": ([0.0, middle], [half_m, WALL_M / 2]),
        "right": ([0.0, -middle], [half_m, WALL_M / 2]),
    }
    for name, (place, size) in walls.items():
        block.add_geom(
            name=f"block_{name}",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=[*place, half_height],
            size=[*size, half_height],
            contype=WALL_TYPE,
            conaffinity=PEG_TYPE,
            friction=[0.4, 0.005, 0.0001],
            rgba=[0.35, 0.45, 0.6, 1.0],
        )


def _add_peg(scene: mujoco.MjSpec, eef_site: str) -> None:
    """Add the peg to the body that holds the end effector's site, from the site on along its z axis, and its tip."""
    site = scene.site(eef_site)
    axis = frames.matrix_from_quat(np.asarray(site.quat, np.float64))[:, 2]
    start = np.asarray(site.pos, np.float64)
    end = start + (PEG_M - PEG_RADIUS_M) * axis
    site.parent.add_geom(
        name="peg",
        type=mujoco.mjtGeom.mjGEOM_CAPSULE,
        fromto=[*start, *end],
        size=[PEG_RADIUS_M, 0.0, 0.0],
        contype=PEG_TYPE,
        conaffinity=WALL_TYPE,
        friction=[0.4, 0.005, 0.0001],
        mass=0.0,
        rgba=[0.9, 0.75, 0.3, 1.0],
    )
    site.parent.add_site(name=TIP, pos=list(start + PEG_M * axis))
    sensor = scene.add_sensor(name=TIP, type=mujoco.mjtSensor.mjSENS_FRAMEPOS)
    sensor.objtype, sensor.objname = mujoco.mjtObj.mjOBJ_SITE, TIP
