"""Lidar and height scans: batched rays into a batch of worlds, on any engine.

Rays meet geoms by their groups, and an engine steps a model without what is only seen of it (`scene.without_looks`):
what collides is what rays meet. Rays against meshes are dear; primitives are cheap.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from pydantic import Field, model_validator

from motorium.core.errors import SimError
from motorium.core.spec import Spec
from motorium.sim.physics import Physics

Array = Any

# Rays of a height scan start so far above the robot, where nothing but the ground is looked for.
ABOVE_M = 10.0


class Lidar(Spec):
    """A lidar: rays in a grid of elevations and azimuths, in its frame: x to the front, y to the left, z up.

    Rays are numbered channel by channel, from the lowest elevation, in each from the first azimuth to the last. Where
    azimuths make a full turn, the last one is one step before the first.
    """

    channels: int = Field(16, ge=1, le=256, description="elevations")
    columns: int = Field(180, ge=1, le=4096, description="azimuths in each channel")
    elevation_rad: tuple[float, float] = Field((-0.2618, 0.2618), description="lowest and highest elevation")
    azimuth_rad: tuple[float, float] = Field((-math.pi, math.pi), description="first and last azimuth, to the left")
    nearest_m: float = Field(0.1, ge=0, description="what is nearer is not seen")
    farthest_m: float = Field(100.0, gt=0, description="what is farther is not seen")
    noise_m: float = Field(0.0, ge=0, description="errors of ranges are within plus or minus this, uniform")

    @model_validator(mode="after")
    def _ordered(self) -> Lidar:
        for name in ("elevation_rad", "azimuth_rad"):
            if getattr(self, name)[0] > getattr(self, name)[1]:
                raise ValueError(f"{name} is (low, high)")
        if self.azimuth_rad[1] - self.azimuth_rad[0] > 2.0 * math.pi + 1e-9:
            raise ValueError("azimuth_rad is at most a full turn")
        if self.nearest_m >= self.farthest_m:
            raise ValueError("nearest_m is below farthest_m")
        return self

    @property
    def rays(self) -> int:
        """Number of rays: n."""
        return self.channels * self.columns

    def directions(self) -> np.ndarray:
        """Return the rays' directions: (n, 3) float64, unit length, the lidar's frame."""
        full = self.azimuth_rad[1] - self.azimuth_rad[0] >= 2.0 * math.pi - 1e-9
        elevation = np.linspace(*self.elevation_rad, self.channels)[:, None]
        azimuth = np.linspace(*self.azimuth_rad, self.columns, endpoint=not full)[None]
        flat = np.cos(elevation)
        made = (flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation) + 0.0 * azimuth)
        return np.stack(made, axis=-1).reshape(-1, 3)


@dataclass(frozen=True, kw_only=True)
class Scan:
    """What a lidar saw.

    Attributes:
        range_m: (B, n) metres; `farthest_m` where nothing was seen.
        seen: (B, n) bool: whether a range is a measurement.
    """

    range_m: Array
    seen: Array


@dataclass(frozen=True, kw_only=True)
class Heights:
    """What a height scan found.

    Attributes:
        height_m: (B, n) metres above the base, so mostly negative; 0 where nothing was met.
        seen: (B, n) bool: whether there was ground.
    """

    height_m: Array
    seen: Array


def scan(
    physics: Physics,
    lidar: Lidar,
    p_WL: Array,
    q_WL: Array,
    *,
    rows: Array | None = None,
    exclude_body: int = -1,
    groups: Sequence[int] | None = None,
    errors: Array | None = None,
) -> Scan:
    """Return what lidars see of the worlds as they stand.

    Args:
        p_WL, q_WL: (B, 3) metres, (B, 4) w first: poses of the lidars, world frame.
        rows: (B,) bool; None is all. The others see nothing.
        exclude_body: id of the body that carries the lidar, whose own geoms are not seen; -1 is none.
        groups: geom groups that are seen; None: those with a geom that collides.
        errors: (B, n) in [-1, 1], times `noise_m` (`State.draw`); None: no noise.
    """
    xp, count = physics.xp, lidar.rays
    own = _constant(physics, lidar.directions())
    u, w = q_WL[:, None, 1:], q_WL[:, None, :1]
    once = 2.0 * _cross(xp, u, own[None])
    directions = own[None] + w * once + _cross(xp, u, once)
    points = xp.tile(p_WL[:, None, :], (1, count, 1))
    groups = colliding_groups(physics.model) if groups is None else groups
    distance, geom = physics.rays(points, directions, rows, exclude_body, groups)
    seen = (geom >= 0) & (distance >= lidar.nearest_m) & (distance <= lidar.farthest_m)
    if errors is not None:
        distance = xp.clip(distance + lidar.noise_m * errors, lidar.nearest_m, lidar.farthest_m)
    return Scan(range_m=xp.where(seen, distance, xp.full_like(distance, lidar.farthest_m)), seen=seen)


def grid(forward_m: float, sideways_m: float, spacing_m: float) -> np.ndarray:
    """Return the points of a grid around a robot: (n, 2) float64 metres, x to the front and y to the left.

    Row by row: from the rearmost to the foremost, in each from the right to the left; both sides are the whole
    lengths of the grid, the robot is in its middle.
    """
    sides = []
    for name, length in (("forward_m", forward_m), ("sideways_m", sideways_m)):
        steps = length / spacing_m
        if abs(steps - round(steps)) > 1e-6:
            raise SimError("a grid's side is a whole number of spacings", where=name, got=length, expected=spacing_m)
        sides.append((np.arange(round(steps) + 1) - round(steps) / 2) * spacing_m)
    x, y = np.meshgrid(*sides, indexing="ij")
    return np.stack([x, y], axis=-1).reshape(-1, 2)


def height_scan(
    physics: Physics,
    points_m: np.ndarray,
    p_WB: Array,
    yaw_rad: Array,
    *,
    rows: Array | None = None,
    groups: Sequence[int] | None = None,
) -> Heights:
    """Return how high the ground is around robots, from above.

    Args:
        points_m: (n, 2) of `grid`, in the robot's heading frame: level, x where the robot heads.
        p_WB: (B, 3) positions of the robots' bases, metres, world frame.
        yaw_rad: (B,) their headings.
        rows: (B,) bool; None is all.
        groups: geom groups of the ground; None: those of geoms that collide and never move.

    Raises:
        SimError: when the ground shares its group with something that moves, the robot's legs say.
    """
    xp = physics.xp
    groups = ground_groups(physics.model) if groups is None else groups
    local = _constant(physics, points_m)
    cos, sin = xp.cos(yaw_rad)[:, None], xp.sin(yaw_rad)[:, None]
    x = p_WB[:, :1] + cos * local[None, :, 0] - sin * local[None, :, 1]
    y = p_WB[:, 1:2] + sin * local[None, :, 0] + cos * local[None, :, 1]
    points = xp.stack([x, y, xp.zeros_like(x) + p_WB[:, 2:] + ABOVE_M], axis=2)
    down = xp.tile(_constant(physics, [0.0, 0.0, -1.0])[None, None], (len(p_WB), len(local), 1))
    distance, geom = physics.rays(points, down, rows, -1, groups)
    seen = geom >= 0
    return Heights(height_m=xp.where(seen, ABOVE_M - distance, xp.zeros_like(distance)), seen=seen)


def colliding_groups(model: mujoco.MjModel) -> tuple[int, ...]:
    """Return the groups with a geom that collides."""
    collides = (model.geom_contype | model.geom_conaffinity) != 0
    return tuple(int(group) for group in np.unique(model.geom_group[collides]))


def ground_groups(model: mujoco.MjModel) -> tuple[int, ...]:
    """Return the groups of geoms that collide and never move.

    Raises:
        SimError: when there are none, or one of them has a moving geom as well.
    """
    collides = (model.geom_contype | model.geom_conaffinity) != 0
    still = model.body_weldid[model.geom_bodyid] == 0
    groups = np.unique(model.geom_group[collides & still])
    both = np.flatnonzero(~still & np.isin(model.geom_group, groups))
    if not len(groups):
        raise SimError("there is no ground in this model", where="height_scan", expected="a geom of the world's body")
    if len(both):
        names = [model.geom(int(i)).name or f"geom {i}" for i in both[:5]]
        raise SimError(
            "the ground shares its group with geoms that move, which rays would meet",
            where=", ".join(names),
            got=f"groups {groups.tolist()}",
            expected="groups of the ground's own",
            remedy="put the moving geoms into another group (MuJoCo: 3 for collision), or name `groups`",
        )
    return tuple(int(group) for group in groups)


def _constant(physics: Physics, values: Any) -> Array:
    return physics.xp.asarray(values, dtype=physics.qpos.dtype, device=physics.qpos.device)


def _cross(xp: Any, a: Array, b: Array) -> Array:
    """Return cross products over the last axis, with broadcasting."""
    (ax, ay, az), (bx, by, bz) = ((v[..., 0], v[..., 1], v[..., 2]) for v in (a, b))
    return xp.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], axis=-1)
