"""The UR5e with its gripper: constants against the model, and how it behaves under its servos."""

from __future__ import annotations

import mujoco
import numpy as np
import pytest

from motorium.robots import ROBOTS
from motorium.robots.ur5e import constants as c
from motorium.sim.control.ik import pose_error
from motorium.sim.kinematics import Chain
from motorium.sim.scene import without_looks
from motorium.tasks.make import make_env
from motorium.tasks.terms.observation import polynomial


@pytest.fixture(scope="module")
def variants():
    full, training = ROBOTS.load("ur5e")("full"), ROBOTS.load("ur5e")("training")
    return {
        "full": full.spec.compile(),
        "training": training.spec.compile(),
        "bare": without_looks(training.spec).compile(),
    }


def test_every_variant_weighs_and_is_laid_out_the_same(variants):
    full = variants["full"]
    for model in variants.values():
        assert (model.nq, model.nv, model.nu) == (full.nq, full.nv, full.nu)
        np.testing.assert_array_equal(model.body_mass, full.body_mass)
        np.testing.assert_array_equal(model.body_inertia, full.body_inertia)
        np.testing.assert_array_equal(model.jnt_range, full.jnt_range)
    assert variants["bare"].ngeom < full.ngeom


def test_the_gripper_weighs_what_its_manual_says(variants):
    model = variants["training"]
    bodies = [i for i in range(model.nbody) if model.body(i).name.startswith(c.GRIPPER_PREFIX)]
    assert model.body_mass[bodies].sum() == pytest.approx(0.925, abs=1e-3)


def test_home_puts_the_pinch_point_ahead_with_the_fingers_down(variants):
    X = Chain(variants["bare"], c.JOINTS, c.EEF_SITE).reach(np.array([c.HOME_RAD])).X_WE[0]
    np.testing.assert_allclose(X[:3], [0.45, 0.0, 0.25], atol=1e-4)
    np.testing.assert_allclose(np.abs(X[3:]), [0, 1, 0, 0], atol=1e-4)


def test_the_opening_is_the_distance_between_the_pads(variants):
    model = variants["training"]
    data = mujoco.MjData(model)
    driver = model.joint(c.GRIPPER_JOINT).qposadr[0]
    for control in np.linspace(c.GRIPPER_OPEN_CTRL, c.GRIPPER_CLOSED_CTRL, 9):
        data.qpos[:6] = data.ctrl[:6] = c.HOME_RAD
        data.ctrl[6] = control
        mujoco.mj_step(model, data, nstep=1500)
        left, right = (data.geom(f"{c.GRIPPER_PREFIX}{side}_pad1") for side in ("left", "right"))
        thickness = 2 * model.geom(f"{c.GRIPPER_PREFIX}left_pad1").size[1]
        between = np.linalg.norm(left.xpos - right.xpos) - thickness
        assert polynomial(data.qpos[[driver]], c.OPENING_M)[0] == pytest.approx(between, abs=1e-3)
    assert between == pytest.approx(0.0, abs=1e-3)


def hold(env, steps, **move):
    action = np.zeros((env.num_envs, env.info.action.size), np.float32)
    names = env.info.action.names
    action[:, names.index("gripper")] = -1
    for name, value in move.items():
        action[:, names.index(f"eef.{name}")] = value
    seen = [env.poses()["eef"]]
    for _ in range(steps):
        env.step(action)
        seen.append(env.poses()["eef"])
    return np.array(seen)


def test_the_arm_stays_where_it_is_without_a_command():
    env = make_env("ur5e/pick-place", 4)
    env.reset(np.arange(4))
    seen = hold(env, 60)
    assert np.abs(pose_error(seen[0], seen)).max() < 5e-4


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_a_full_command_moves_the_arm_along_its_axis_at_most_of_its_speed(axis):
    env = make_env("ur5e/pick-place", 4)
    env.reset(np.arange(4))
    travelled = np.diff(hold(env, 6, **{axis: 1.0})[:, :, :3], axis=0)[2:] / env.spec.linear_step_m
    along = "xyz".index(axis)
    assert (travelled[..., along] > 0.65).all() and (travelled[..., along] < 1.0).all()
    assert np.abs(np.delete(travelled, along, axis=2)).max() < 0.1
