"""Lidar and height scans in scenes whose distances are known by hand."""

from __future__ import annotations

import math

import mujoco
import numpy as np
import pytest
from pydantic import ValidationError

from motorium.core.errors import SimError
from motorium.sim.engine import Engine
from motorium.sim.lidar import Lidar, colliding_groups, grid, ground_groups, height_scan, scan

# A plane at z = 0; a sphere, x = 4, radius 1; a box, y = 3 +- 0.5; both centres at z = 1. A robot that slides along x.
SCENE = """
<mujoco>
  <worldbody>
    <geom name="ground" type="plane" size="0 0 0.1"/>
    <geom name="sphere" type="sphere" size="1" pos="4 0 1"/>
    <geom name="box" type="box" size="2 0.5 1" pos="0 3 1"/>
    <geom name="picture" type="box" size="0.1 5 5" pos="-2 0 1" group="2" contype="0" conaffinity="0"/>
    <body name="robot" pos="0 0 1"><joint type="slide" axis="1 0 0"/>
      <geom name="shell" type="sphere" size="0.2" mass="1" group="3"/></body>
  </worldbody>
</mujoco>
"""
B = 3


@pytest.fixture(scope="module")
def engine():
    made = Engine(mujoco.MjModel.from_xml_string(SCENE), B, threads=1)
    made.reset()
    return made


def beam(elevation_rad=0.0, azimuth_rad=0.0, **fields):
    """A lidar of a single ray."""
    return Lidar(channels=1, columns=1, elevation_rad=(elevation_rad,) * 2, azimuth_rad=(azimuth_rad,) * 2, **fields)


def poses(x=(0.0, 0.5, 1.0), yaw=(0.0, 0.0, 0.0)):
    p = np.array([[value, 0.0, 1.0] for value in x])
    return p, np.array([[math.cos(a / 2), 0.0, 0.0, math.sin(a / 2)] for a in yaw])


def test_a_sphere_is_as_far_as_its_nearest_point(engine):
    found = scan(engine, beam(), *poses(), exclude_body=1)
    assert found.seen.all()
    np.testing.assert_allclose(found.range_m[:, 0], [3.0, 2.5, 2.0], atol=1e-12)


def test_the_ground_is_hit_at_the_slant_of_the_ray(engine):
    found = scan(engine, beam(elevation_rad=-math.pi / 6, azimuth_rad=-math.pi / 2), *poses(), exclude_body=1)
    np.testing.assert_allclose(found.range_m[:, 0], 2.0, atol=1e-12)


def test_rays_turn_with_the_lidar(engine):
    found = scan(engine, beam(), *poses(yaw=(math.pi / 2, math.pi / 2, 0.0)), exclude_body=1)
    np.testing.assert_allclose(found.range_m[:, 0], [2.5, 2.5, 2.0], atol=1e-12)


def test_what_is_only_seen_and_not_touched_stops_no_ray(engine):
    behind = scan(engine, beam(azimuth_rad=math.pi, farthest_m=50.0), *poses(), exclude_body=1)
    assert not behind.seen.any() and (behind.range_m == 50.0).all()
    drawn = scan(engine, beam(azimuth_rad=math.pi), *poses(), exclude_body=1, groups=(2,))
    np.testing.assert_allclose(drawn.range_m[:, 0], [1.9, 2.4, 2.9], atol=1e-12)
    assert colliding_groups(engine.model) == (0, 3)


def test_the_carrier_is_seen_unless_it_is_excluded(engine):
    inside = scan(engine, beam(nearest_m=0.0), *poses((0.0, 0.0, 0.0)))
    np.testing.assert_allclose(inside.range_m, 0.2, atol=1e-12)


def test_what_is_too_near_or_too_far_is_not_seen(engine):
    assert scan(engine, beam(nearest_m=2.2), *poses(), exclude_body=1).seen[:, 0].tolist() == [True, True, False]
    far = scan(engine, beam(farthest_m=2.7), *poses(), exclude_body=1)
    assert far.seen[:, 0].tolist() == [False, True, True] and far.range_m[0, 0] == 2.7


def test_rows_left_out_see_nothing(engine):
    rows = np.array([True, False, True])
    assert scan(engine, beam(), *poses(), rows=rows, exclude_body=1).seen[:, 0].tolist() == rows.tolist()
    assert not scan(engine, beam(), *poses(), rows=np.zeros(B, bool)).seen.any()


def test_noise_is_the_errors_times_its_size_and_does_not_reach_beyond_the_range(engine):
    errors = np.array([[1.0], [-0.5], [0.0]])
    found = scan(engine, beam(noise_m=0.1, farthest_m=3.05), *poses(), exclude_body=1, errors=errors)
    np.testing.assert_allclose(found.range_m[:, 0], [3.05, 2.45, 2.0], atol=1e-12)


def test_a_full_turn_does_not_repeat_its_first_ray():
    directions = Lidar(channels=2, columns=4, elevation_rad=(0.0, math.pi / 4)).directions()
    flat = [[-1, 0, 0], [0, -1, 0], [1, 0, 0], [0, 1, 0]]
    np.testing.assert_allclose(directions[:4], flat, atol=1e-12)
    np.testing.assert_allclose(directions[4:, 2], math.sqrt(0.5), atol=1e-12)
    np.testing.assert_allclose((directions**2).sum(axis=1), 1.0, atol=1e-12)
    assert len(Lidar(channels=1, columns=3, azimuth_rad=(-1.0, 1.0)).directions()) == 3
    assert np.arctan2(*Lidar(channels=1, columns=3, azimuth_rad=(-1.0, 1.0)).directions()[2, 1::-1]) == pytest.approx(1)


@pytest.mark.parametrize("wrong", [{"azimuth_rad": (1.0, -1.0)}, {"azimuth_rad": (0.0, 7.0)}, {"nearest_m": 200.0}])
def test_ranges_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValidationError):
        Lidar(**wrong)


def test_a_grid_lies_evenly_around_the_robot():
    points = grid(0.4, 0.2, 0.2)
    assert points.shape == (6, 2)
    np.testing.assert_allclose(points, [[-0.2, -0.1], [-0.2, 0.1], [0, -0.1], [0, 0.1], [0.2, -0.1], [0.2, 0.1]])
    with pytest.raises(SimError, match="whole number"):
        grid(0.5, 0.2, 0.2)


def test_heights_are_those_of_the_ground_where_the_robot_heads(engine):
    p, _ = poses((0.0, 0.0, 3.0))
    points = np.array([[3.0, 0.0], [0.0, 0.0], [-5.0, 0.0]])
    found = height_scan(engine, points, p, np.array([math.pi / 2, 0.0, 0.0]))
    assert found.seen.all()
    # The base is at z = 1; to the left, 3 m ahead, the box's top is at z = 2; at x = 3 the sphere's flank is at z = 1.
    np.testing.assert_allclose(found.height_m, [[1.0, -1.0, -1.0], [0.0, -1.0, -1.0], [-1.0, 0.0, -1.0]], atol=1e-6)


def test_a_ground_that_shares_its_group_with_the_robot_is_refused(engine):
    assert ground_groups(engine.model) == (0,)
    shared = mujoco.MjModel.from_xml_string(SCENE.replace('group="3"', ""))
    with pytest.raises(SimError, match="shell"):
        ground_groups(shared)
