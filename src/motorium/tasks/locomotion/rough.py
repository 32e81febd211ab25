"""Velocity tracking over rough ground, slopes and stairs: the task of `locomotion.velocity`, on terrain.

Source: N. Rudin et al., Learning to Walk in Minutes Using Massively Parallel Deep Reinforcement Learning,
arXiv:2109.11978: kinds of terrain, heights around the robot in the observation, and the curriculum.

What `locomotion.velocity` says holds, with heights of the base and of the feet above the ground below them, and:
Ground: `sim.terrain`, one for all worlds; the robot starts near the middle of a tile, in any direction.
Observation `observation.state`: at its end the height scan (left out with `scan: false`): how much higher (m) the
ground is than the robot's soles would be, standing level, at points of a grid in the heading frame of the base, clipped
to 1 m, with uniform noise of 0.02 m, times `noise`. `observation.privileged`: at its end the scan without noise.
Randomised besides (`EnvInfo.factors`): `terrain_kind`, in whole parts the column of the terrain (flat, rough, slope
up, slope down, stairs up, stairs down); `terrain_level`, 0 easiest to 1 hardest, for a curriculum to set.
Metrics besides: `terrain_promotion`, what an episode that ends now says about the level: 1, 0 or -1
(`terms.curriculum`); walked_m, the distance from the start.
Leaving the tiles ends nothing: level ground lies around them, farther than a robot walks in an episode.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from pydantic import Field

from motorium.sim.terrain import KINDS, Terrain, TerrainShape
from motorium.tasks.locomotion.features import More, Part
from motorium.tasks.locomotion.velocity import Velocity, VelocitySpec
from motorium.tasks.mdp.state import State
from motorium.tasks.mdp.task import PRIVILEGED, STATE, Start
from motorium.tasks.ranges import Range
from motorium.tasks.terms import rotation
from motorium.tasks.terms.curriculum import walked_away
from motorium.tasks.terms.geometry import length, squared, total

Array = Any

SCAN_X_M, SCAN_Y_M = np.linspace(-0.8, 0.8, 9), np.linspace(0.5, -0.5, 5)
SCAN_NOISE_M, SCAN_MOST_M = 0.02, 1.0
# A start is within this of the middle of its tile: on the flat part of slopes and stairs.
PLACE_M = 0.4
# Where the ground is looked at for a robot to be put down, from its middle.
STANCE_M = np.linspace(-0.3, 0.3, 5)


class RoughSpec(VelocitySpec):
    """Options of the tasks `*/velocity-rough`."""

    command_yaw_rad_s: Range = Field((-0.5, 0.5), description="commanded turn to the left")
    terrain_kind: Range = Field((0.0, float(len(KINDS))), description=f"in whole parts: {', '.join(KINDS)}")
    terrain_level: Range = Field((0.0, 1.0), description="difficulty, 0 easiest to 1 hardest")
    terrain_levels: int = Field(6, ge=1, le=20, description="number of difficulties that are built")
    terrain_seed: int = Field(0, description="of the ground's random heights")
    scan: bool = Field(True, description="whether the policy sees the heights around the robot")


class Rough(Velocity):
    """Velocity tracking on terrain; the module's text has the conditions."""

    Spec = RoughSpec

    def lay_ground(self, scene: mujoco.MjSpec) -> None:
        """Put the terrain into `scene`."""
        spec = self.spec
        self.terrain = Terrain(TerrainShape(seed=spec.terrain_seed, levels=spec.terrain_levels))
        self.terrain.add_to(scene, self.robot.base)

    def more(self) -> More:
        """Return the place on the terrain and the height scan."""
        scan = _scan_part()
        return More(
            factors={name: getattr(self.spec, name) for name in ("terrain_kind", "terrain_level")},
            state=[scan] if self.spec.scan else [],
            privileged=[scan],
            curriculum={"terrain_level": "terrain_promotion"},
        )

    def start(self, state: State) -> Start:
        """Return the robot standing on its tile, in any direction."""
        start, xp = super().start(state), state.xp
        place = state.draw("place", 3)
        x, y = self.terrain.tile(state.factors["terrain_kind"], state.factors["terrain_level"])
        x, y = x + PLACE_M * place[:, 0], y + PLACE_M * place[:, 1]
        around = [(dx, dy) for dx in STANCE_M for dy in STANCE_M]
        dx, dy = (state.constant([point[i] for point in around]) for i in (0, 1))
        ground = xp.max(self.terrain.height(x[:, None] + dx, y[:, None] + dy), axis=1)
        base = xp.stack([x, y, self.robot.height_m + ground], axis=1)
        turn = rotation.heading(np.pi * place[:, 2])
        return Start(qpos=xp.concat([base, turn, start.qpos[:, 7:]], axis=1), qvel=start.qvel, ctrl=start.ctrl)

    def begin(self, state: State) -> dict[str, Array]:
        """Return the first command, where the robot stands, and no way behind it."""
        zero = state.xp.zeros_like(state.qpos[:, 0])
        place = state.xp.asarray(state.qpos[:, :2], copy=True)
        return {**super().begin(state), "place": place, "followed": zero, "asked": zero}

    def advance(self, state: State) -> dict[str, Array]:
        """Return the sums, and the way along the command that was walked and asked for."""
        command = state.memory["command"][:, :2]
        speed = length(command)
        along = total(self.body.velocity(state)[:, :2] * command) / state.xp.clip(speed, 1e-6, None)
        dt_s = 1.0 / self.spec.control_hz
        ways = {
            "followed": state.memory["followed"] + dt_s * along,
            "asked": state.memory["asked"] + dt_s * speed,
        }
        return {**super().advance(state), **ways}

    def metrics(self, state: State) -> dict[str, Array]:
        """Return the mean errors, and what they say about the level."""
        memory, steps = state.memory, state.xp.clip(state.steps, 1, None)
        walked = squared(state.qpos[:, :2] - memory["place"]) ** 0.5
        whole = memory["asked"] * (self.spec.episode_s * self.spec.control_hz / steps)
        promotion = walked_away(walked, memory["followed"], whole, self.terrain.shape.tile_m)
        return {**super().metrics(state), "walked_m": walked, "terrain_promotion": promotion}

    def height(self, state: State) -> Array:
        """Return the base's height above the ground below it: (B,) m."""
        return state.qpos[:, 2] - self.terrain.height(state.qpos[:, :1], state.qpos[:, 1:2])[:, 0]

    def foot_heights(self, state: State) -> Array:
        """Return the heights of the feet above the ground below them: (B, feet) m."""
        x, y = self.body.foot_places(state)
        return self.body.foot_heights(state) - self.terrain.height(x, y)

    def observe(self, state: State) -> dict[str, Array]:
        """Return what the velocity task does, and the height scan."""
        xp, observed = state.xp, super().observe(state)
        scan = self._scan(state)
        known = xp.concat([observed[PRIVILEGED], scan], axis=1)
        if not self.spec.scan:
            return {STATE: observed[STATE], PRIVILEGED: known}
        noise = self.spec.noise * SCAN_NOISE_M * state.draw("noise scan", scan.shape[1])
        return {STATE: xp.concat([observed[STATE], scan + noise], axis=1), PRIVILEGED: known}

    def _scan(self, state: State) -> Array:
        """Return the heights of the ground around the base from its soles when it stands level: (B, n) m."""
        xp, q = state.xp, state.qpos
        heading = rotation.yaw(q[:, 3:7])[:, None]
        x, y = (state.constant([point[i] for point in _scan_points()]) for i in (0, 1))
        cos, sin = xp.cos(heading), xp.sin(heading)
        ground = self.terrain.height(q[:, :1] + cos * x - sin * y, q[:, 1:2] + sin * x + cos * y)
        return xp.clip(ground - q[:, 2:3] + self.robot.height_m, -SCAN_MOST_M, SCAN_MOST_M)


def _scan_points() -> list[tuple[float, float]]:
    """Return the grid in the heading frame: x from back to front, y from left to right."""
    return [(float(x), float(y)) for x in SCAN_X_M for y in SCAN_Y_M]


def _scan_part() -> Part:
    points, across = _scan_points(), len(SCAN_Y_M)
    mirrored = [i - i % across + across - 1 - i % across for i in range(len(points))]
    return [f"ground.x{x:+.1f}.y{y:+.2f}" for x, y in points], ["m"] * len(points), mirrored, [1] * len(points)
