"""Terrain: its heights are the surface that is collided with, and its tiles are what their kinds say."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from motorium.sim.terrain import KINDS, Terrain, TerrainShape

SHAPE = TerrainShape(levels=3, tile_m=4.0, middle_m=1.0)
FLAT, ROUGH, SLOPE_UP, SLOPE_DOWN, STAIRS_UP, STAIRS_DOWN = range(len(KINDS))


@pytest.fixture(scope="module")
def terrain():
    return Terrain(SHAPE)


@pytest.fixture(scope="module")
def scene(terrain):
    """The terrain with a small ball, of radius 5 mm, that can be put anywhere."""
    spec = mujoco.MjSpec()
    ball = spec.worldbody.add_body(name="ball")
    ball.add_freejoint()
    ball.add_geom(name="ball", type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.005, 0, 0], mass=1.0)
    terrain.add_to(spec, "ball")
    model = spec.compile()
    return model, mujoco.MjData(model)


def tile(terrain, kind, level):
    """The heights of a tile: level 0, 1 or 2."""
    side = round(SHAPE.tile_m / SHAPE.cell_m)
    return terrain.heights_m[level * side : (level + 1) * side + 1, kind * side : (kind + 1) * side + 1]


def test_heights_are_where_rays_from_above_meet_the_ground(terrain, scene):
    model, data = scene
    data.qpos[:3] = (0.0, 0.0, 50.0)
    mujoco.mj_forward(model, data)
    points = np.random.default_rng(0).uniform(-1.2, 1.2, (400, 2)) * terrain.half_m
    heights = terrain.height(points[:, :1], points[:, 1:])[:, 0]
    for (x, y), height in zip(points, heights):
        hit = np.zeros(1, np.int32)
        far = mujoco.mj_ray(model, data, np.array([x, y, 5.0]), np.array([0.0, 0.0, -1.0]), None, 1, -1, hit)
        assert far > 0 and height == pytest.approx(5.0 - far, abs=1e-6)


def test_a_ball_touches_the_ground_at_these_heights(terrain, scene):
    model, data = scene
    x, y = terrain.tile(np.array([SLOPE_UP + 0.5]), np.array([1.0]))
    # On the slope, between the flat middle and the edge: a plane of the hardest slope.
    point = np.array([x[0] + 1.0, y[0] + 0.3])
    height = terrain.height(point[None, :1], point[None, 1:])[0, 0]
    for above in (0.004, 0.003):
        data.qpos[:3] = (*point, height + above)
        mujoco.mj_forward(model, data)
        expected = above / np.hypot(1.0, SHAPE.slope[1]) - 0.005
        assert data.ncon > 0 and data.contact.dist.min() == pytest.approx(expected, abs=1e-5)
    data.qpos[2] = height + 0.006
    mujoco.mj_forward(model, data)
    assert data.ncon == 0


@pytest.mark.parametrize("level", range(3))
def test_tiles_end_level_with_their_neighbours(terrain, level):
    for kind in range(len(KINDS)):
        heights = tile(terrain, kind, level)
        assert not heights[[0, -1]].any() and not heights[:, [0, -1]].any()


@pytest.mark.parametrize("level", range(3))
def test_slopes_rise_as_announced_towards_the_flat_middle(terrain, level):
    rise = np.interp(level, [0, 2], SHAPE.slope) * SHAPE.cell_m
    across = tile(terrain, SLOPE_DOWN, level)[:, 20]
    assert np.diff(across)[:15] == pytest.approx(rise)
    assert np.diff(across)[15:25] == pytest.approx(0.0)
    assert (tile(terrain, SLOPE_UP, level) == -tile(terrain, SLOPE_DOWN, level)).all()


@pytest.mark.parametrize("level", range(3))
def test_stairs_have_steps_of_the_announced_height_and_depth(terrain, level):
    across = tile(terrain, STAIRS_DOWN, level)[:21, 20]
    risers = np.flatnonzero(np.diff(across))
    assert np.diff(across)[risers] == pytest.approx(np.interp(level, [0, 2], SHAPE.step_m))
    assert np.diff(risers) * SHAPE.cell_m == pytest.approx(SHAPE.tread_m)
    assert (tile(terrain, STAIRS_UP, level) == -tile(terrain, STAIRS_DOWN, level)).all()


def test_rough_ground_is_rougher_at_higher_levels_and_within_its_bounds(terrain):
    spread = [np.abs(tile(terrain, ROUGH, level)).max() for level in range(3)]
    bounds = np.linspace(*SHAPE.rough_m, 3)
    assert all(0.8 * bound < most <= bound for most, bound in zip(spread, bounds))


def test_flat_ground_is_flat(terrain):
    assert not any(tile(terrain, FLAT, level).any() for level in range(3))


def test_the_random_heights_are_the_seeds():
    first, again, other = (Terrain(TerrainShape(levels=1, tile_m=2.0, middle_m=1.0, seed=s)) for s in (1, 1, 2))
    assert (first.heights_m == again.heights_m).all()
    assert (first.heights_m != other.heights_m).any()


def test_a_robot_starts_at_the_bottom_of_what_goes_up_and_at_the_top_of_what_goes_down(terrain):
    kinds = np.arange(len(KINDS)) + 0.5
    x, y = terrain.tile(kinds, np.full(len(KINDS), 0.99))
    heights = terrain.height(x[:, None], y[:, None])[:, 0]
    for kind in (SLOPE_UP, STAIRS_UP):
        assert heights[kind] == tile(terrain, kind, 2).min() < -0.1
    for kind in (SLOPE_DOWN, STAIRS_DOWN):
        assert heights[kind] == tile(terrain, kind, 2).max() > 0.1


def test_levels_and_kinds_beyond_the_terrain_are_the_nearest(terrain):
    inside = terrain.tile(np.array([0.5, 5.5]), np.array([0.1, 0.9]))
    beyond = terrain.tile(np.array([-3.0, 9.0]), np.array([-1.0, 1.0]))
    assert np.array_equal(inside, beyond)


def test_around_the_tiles_the_ground_is_level_for_a_long_way(terrain, scene):
    model, data = scene
    data.qpos[:3] = (0.0, 0.0, 50.0)
    mujoco.mj_forward(model, data)
    out = np.array(terrain.half_m) + 30.0
    for x, y in [(out[0], 0.0), (-out[0], 0.0), (0.0, out[1]), (0.0, -out[1]), tuple(out)]:
        hit = np.zeros(1, np.int32)
        far = mujoco.mj_ray(model, data, np.array([x, y, 5.0]), np.array([0.0, 0.0, -1.0]), None, 1, -1, hit)
        assert far == pytest.approx(5.0)
        assert terrain.height(np.array([[x]]), np.array([[y]])) == 0.0


def test_torch_gives_the_same_heights(terrain):
    torch = pytest.importorskip("torch")
    points = np.random.default_rng(1).uniform(-1.1, 1.1, (2, 50, 4)) * np.reshape(terrain.half_m, (2, 1, 1))
    expected = terrain.height(*points)
    assert terrain.height(*torch.from_numpy(points)).numpy() == pytest.approx(expected, abs=1e-12)
    assert terrain.height(*torch.from_numpy(points).float()).numpy() == pytest.approx(expected, abs=1e-4)
