"""The training model of every robot does what the full one does, as long as it touches what both can touch."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from motorium.robots import ROBOTS
from tests.robots import differences
from tests.robots.differences import ARMS, LEGGED, compare, legged_run, pair

WORLDS = 32


def p95(values: np.ndarray) -> float:
    return float(np.percentile(values, 95))


def test_every_robot_of_the_catalog_is_compared():
    assert {*LEGGED, *ARMS, "go1-mjlab"} == set(ROBOTS)


def test_the_page_has_every_robot_and_its_differences():
    page = (Path(__file__).resolve().parents[2] / "docs" / "robots.md").read_text("utf-8")
    assert set(re.findall(r"^\| `([\w-]+)` \|", page, re.M)) == set(ROBOTS)
    compared = re.findall(r"^\| (\w+) \| (free|contact) \|", page, re.M)
    assert compared == [(name, use) for name in (*LEGGED, *ARMS) for use in ("free", "contact")]


@pytest.mark.parametrize("name", [*LEGGED, *ARMS])
def test_without_contact_both_models_move_the_same(name):
    found = compare(*pair(name, "free", WORLDS))
    # What is left is the fingers of a gripper that closes on itself: a tenth of an encoder's step of 1 mrad.
    assert p95(found.joints_rad) < 1e-4 and p95(found.point_m) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", LEGGED)
def test_standing_and_walking_both_models_stay_together(name):
    found = compare(*pair(name, "contact", WORLDS))
    # Half of the 0.1 rad by which the commands are shaken, and a foot's own thickness.
    assert found.joints_rad.mean() < 0.05 and found.point_m.mean() < 0.02
    assert found.point_m.max() > 0  # the full model does touch what the training model does not


@pytest.mark.slow
@pytest.mark.parametrize("name", ARMS)
def test_pressing_a_cube_both_models_stay_together(name):
    training, full = pair(name, "contact", WORLDS)
    found = compare(training, full)
    # A degree, and a quarter of the cube's half edge.
    assert p95(found.joints_rad) < np.radians(1.0) and p95(found.point_m) < 0.005
    assert found.joints_rad.max() > 1e-6


@pytest.mark.parametrize("name", ARMS)
def test_pressing_a_cube_holds_it(name):
    training, _ = pair(name, "contact", 4)
    cube, still = training.model.joint("cube").qposadr[0], training.qpos.copy()
    held = differences.gripper_opening(name, training)
    assert (np.abs(held - 0.04) < 0.008).all(), f"the fingers are {held} m apart, the cube is 0.04 m wide"
    assert (still[:, cube + 2] == 0.02).all()


@pytest.mark.slow
@pytest.mark.parametrize("name", LEGGED)
def test_a_physics_step_of_4_ms_follows_one_of_half_a_millisecond(name):
    coarse, fine = (legged_run(name, "training", "contact", WORLDS, step_s).until(10) for step_s in (0.004, 0.0005))
    found = compare(coarse, fine)
    assert found.joints_rad.mean() < 0.02 and found.point_m.mean() < 0.002
