"""Terrain: one height field of tiles, a kind of ground a column and a difficulty a row, and its heights as a function.

Source: N. Rudin et al., Learning to Walk in Minutes Using Massively Parallel Deep Reinforcement Learning,
arXiv:2109.11978, section 3 and figure 3: kinds of terrain, and a grid of tiles with a difficulty that grows along it;
here six kinds, stairs and slopes as square pyramids around a flat middle, where a robot starts: up from the bottom of
a pit, or down from the top of a hill.

Frames: world; the terrain's middle is the origin, x runs with the level, y with the kind. All tiles end at height 0,
and flat ground at height 0 lies around them, so wide that nobody walks to its end within an episode.
Height fields are shared by all worlds of a batch: a world's difficulty is where its robot starts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from array_api_compat import array_namespace

from motorium.core.random import stream
from motorium.sim.ground import GROUND, add_looks

Array = Any

KINDS = ("flat", "rough", "slope_up", "slope_down", "stairs_up", "stairs_down")
FIELD = "terrain"


@dataclass(frozen=True, kw_only=True)
class TerrainShape:
    """How a terrain is built; ranges are (at the easiest level, at the hardest).

    Attributes:
        seed: of its random heights.
        levels: number of difficulties.
        tile_m: side of a tile; a whole number of cells.
        cell_m: side of a cell of the height field, within which it is two triangles: a stair's riser leans by so much.
        middle_m: side of the flat square in the middle of slopes and stairs.
        rough_m: random heights are within plus or minus this.
        patch_m: side of the cells of the random heights.
        slope: rise over run.
        step_m: height of a stair's step.
        tread_m: depth of a stair's step; a whole number of cells.
        apron_m: width of the flat ground around the tiles.
    """

    seed: int = 0
    levels: int = 6
    tile_m: float = 8.0
    cell_m: float = 0.1
    middle_m: float = 2.0
    rough_m: tuple[float, float] = (0.01, 0.06)
    patch_m: float = 0.2
    slope: tuple[float, float] = (0.05, 0.4)
    step_m: tuple[float, float] = (0.03, 0.15)
    tread_m: float = 0.3
    apron_m: float = 60.0


class Terrain:
    """Tiles of ground: kinds along y, levels along x.

    Args:
        shape: of the terrain.

    Attributes:
        heights_m: (nx, ny) float64 at the corners of the cells, world frame.
        half_m: (x, y) half the sides of the tiles' rectangle.
    """

    def __init__(self, shape: TerrainShape) -> None:
        self.shape = shape
        side = round(shape.tile_m / shape.cell_m)
        self.heights_m = np.zeros((shape.levels * side + 1, len(KINDS) * side + 1))
        for row in range(shape.levels):
            hard = row / max(shape.levels - 1, 1)
            for column, kind in enumerate(KINDS):
                tile = self.heights_m[row * side : (row + 1) * side + 1, column * side : (column + 1) * side + 1]
                tile[...] = _tile(shape, kind, hard, row)
        self.half_m = (0.5 * shape.levels * shape.tile_m, 0.5 * len(KINDS) * shape.tile_m)
        self._flat: dict[Any, Array] = {}

    def add_to(self, scene: mujoco.MjSpec, follow: str) -> None:
        """Put the terrain, lit, and the camera `follow` beside the body `follow`, into `scene`."""
        low, high = float(self.heights_m.min()), float(self.heights_m.max())
        span = max(high - low, 1e-3)
        # MuJoCo's rows run along y, and its heights are parts of the field's own height.
        heights = (self.heights_m.T - low) / span
        scene.add_hfield(
            name=FIELD,
            size=[*self.half_m, span, 0.5],
            nrow=heights.shape[0],
            ncol=heights.shape[1],
            userdata=heights.ravel(),
        )
        add_looks(scene, follow)
        scene.worldbody.add_geom(
            name=GROUND, type=mujoco.mjtGeom.mjGEOM_HFIELD, hfieldname=FIELD, pos=[0.0, 0.0, low], material="checks"
        )
        for name, middle, half in self._apron():
            scene.worldbody.add_geom(
                name=f"{GROUND}.{name}",
                type=mujoco.mjtGeom.mjGEOM_BOX,
                size=[*half, 0.5],
                pos=[*middle, -0.5],
                material="checks",
            )

    def height(self, x: Array, y: Array) -> Array:
        """Return the heights of the ground at world points x, y (B, n), in metres: (B, n).

        Exactly the surface that is collided with: two triangles a cell; 0 beyond the tiles.
        """
        xp, (columns, rows) = array_namespace(x), self.heights_m.shape
        u, i = _cell(xp, (x + self.half_m[0]) * (1.0 / self.shape.cell_m), columns)
        v, j = _cell(xp, (y + self.half_m[1]) * (1.0 / self.shape.cell_m), rows)
        known, at = self._known(xp, x), i * rows + j
        near, far = known[at], known[at + rows + 1]
        # The cell's diagonal runs from its first corner to its last; the third corner is on the point's own side.
        side = known[xp.where(u >= v, at + rows, at + 1)]
        most, least = xp.maximum(u, v), xp.minimum(u, v)
        return near + most * (side - near) + least * (far - side)

    def tile(self, kind: Array, level: Array) -> tuple[Array, Array]:
        """Return the middles (x, y), each (B,) m, of tiles.

        Args:
            kind: (B,) in [0, number of kinds): which column it falls into.
            level: (B,) in [0, 1], from the easiest to the hardest row; beyond, the nearest.
        """
        xp, shape = array_namespace(kind), self.shape
        row = xp.clip(xp.floor(level * shape.levels), 0, shape.levels - 1)
        column = xp.clip(xp.floor(kind), 0, len(KINDS) - 1)
        return (row + 0.5) * shape.tile_m - self.half_m[0], (column + 0.5) * shape.tile_m - self.half_m[1]

    def _known(self, xp: Any, like: Array) -> Array:
        """Return the heights in a row, in the namespace, type and place of `like`."""
        key = (like.dtype, str(like.device))
        if key not in self._flat:
            self._flat[key] = xp.asarray(self.heights_m.ravel(), dtype=like.dtype, device=like.device)
        return self._flat[key]

    def _apron(self):
        """Yield name, middle and half sides of the boxes around the tiles."""
        (x, y), half = self.half_m, 0.5 * self.shape.apron_m
        yield "left", (0.0, y + half), (x + 2 * half, half)
        yield "right", (0.0, -y - half), (x + 2 * half, half)
        yield "front", (x + half, 0.0), (half, y)
        yield "back", (-x - half, 0.0), (half, y)


def _cell(xp: Any, position: Array, corners: int) -> tuple[Array, Array]:
    """Return where in its cell, in [0, 1], a position in cells lies, and the cell's index, held to the field."""
    position = xp.clip(position, 0.0, float(corners - 1))
    index = xp.clip(xp.floor(position), 0.0, float(corners - 2))
    return position - index, xp.astype(index, xp.int64)


def _tile(shape: TerrainShape, kind: str, hard: float, row: int) -> np.ndarray:
    """Return the heights (n, n) at a tile's corners; its edge is at 0."""

    def at(bounds: tuple[float, float]) -> float:
        return bounds[0] + (bounds[1] - bounds[0]) * hard

    cells = round(shape.tile_m / shape.cell_m)
    if kind == "rough":
        return _rough(shape, at(shape.rough_m), row)
    from_edge = np.minimum(np.arange(cells + 1), np.arange(cells, -1, -1)) * shape.cell_m
    inward = np.minimum(from_edge[:, None], from_edge)
    run = 0.5 * (shape.tile_m - shape.middle_m)
    if kind.startswith("slope"):
        made = at(shape.slope) * np.minimum(inward, run)
    elif kind.startswith("stairs"):
        # The first riser is a tread away from the edge, so that neighbours have level ground between them.
        steps = np.floor(np.minimum(inward, run) / shape.tread_m + 1e-6)
        made = at(shape.step_m) * steps
    else:
        made = np.zeros_like(inward)
    return -made if kind.endswith("up") else made


def _rough(shape: TerrainShape, most_m: float, row: int) -> np.ndarray:
    """Return random heights of patches, straight in between, falling to 0 at the tile's edge."""
    cells, patches = round(shape.tile_m / shape.cell_m), math.ceil(shape.tile_m / shape.patch_m)
    coarse = stream(shape.seed, "terrain", row).uniform(-most_m, most_m, (patches + 1, patches + 1))
    coarse[[0, -1]], coarse[:, [0, -1]] = 0.0, 0.0
    place = np.linspace(0.0, patches, cells + 1)
    low = np.minimum(place.astype(int), patches - 1)
    part = place - low
    along = coarse[low] * (1.0 - part)[:, None] + coarse[low + 1] * part[:, None]
    return along[:, low] * (1.0 - part) + along[:, low + 1] * part
