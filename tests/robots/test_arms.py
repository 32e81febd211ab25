"""Arms: the models hold what is named, wait at home, follow their servos, and open as far as they say."""

from __future__ import annotations

from dataclasses import replace

import mujoco
import numpy as np
import pytest

from motorium.core.errors import SimError
from motorium.robots import ROBOTS
from motorium.robots.bimanual import BimanualArm
from motorium.robots.yam.model import make_yam
from motorium.sim.control.ik import pose_error
from motorium.sim.kinematics import Chain
from motorium.synth.experts import make_expert
from motorium.tasks.make import make_env
from motorium.tasks.terms.observation import polynomial

NAMES = ("panda", "yam", "viperx")
VARIANTS = [(name, detail) for name in NAMES for detail in ("training", "full")]


def at_home(name: str, detail: str):
    """Return the arms, their model, and its data at home, the grippers open."""
    robot = ROBOTS.load(name)(detail)
    arms = robot.arms if isinstance(robot, BimanualArm) else (robot,)
    robot.spec.option.timestep = 0.002
    robot.spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    model = robot.spec.compile()
    data = mujoco.MjData(model)
    for arm in arms:
        for joint, actuator, angle in zip(arm.joints, arm.actuators, arm.home_rad):
            data.joint(joint).qpos[0] = data.actuator(actuator).ctrl[0] = angle
        data.actuator(arm.gripper.actuator).ctrl[0] = arm.gripper.open_ctrl
    # Fingers that slide start where they are sent, both sides.
    for i in range(model.njnt):
        if model.jnt_type[i] == mujoco.mjtJoint.mjJNT_SLIDE:
            sign = -1.0 if "right_finger" in model.joint(i).name else 1.0
            data.joint(i).qpos[0] = sign * arms[0].gripper.open_ctrl
    mujoco.mj_forward(model, data)
    return arms, model, data


@pytest.mark.parametrize(("name", "detail"), VARIANTS)
def test_an_arm_stays_at_home_and_touches_nothing(name, detail):
    arms, model, data = at_home(name, detail)
    assert data.ncon == 0
    mujoco.mj_step(model, data, nstep=500)
    assert data.ncon == 0 and not data.warning.number.any()
    for arm in arms:
        off = [data.joint(joint).qpos[0] - angle for joint, angle in zip(arm.joints, arm.home_rad)]
        # The ViperX's servos carry its weight without compensation, and so sag.
        np.testing.assert_allclose(off, 0.0, atol=0.02 if name == "viperx" else 1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_both_variants_weigh_and_are_laid_out_the_same(name):
    one, other = (ROBOTS.load(name)(detail).spec.compile() for detail in ("training", "full"))
    for field in ("body_mass", "body_inertia", "body_ipos", "jnt_range", "dof_armature", "actuator_gainprm"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
    meshes = [model.geom_type == mujoco.mjtGeom.mjGEOM_MESH for model in (one, other)]
    assert not (one.geom_contype | one.geom_conaffinity)[meshes[0]].any()


@pytest.mark.parametrize(("name", "place_m"), [("panda", (0.45, 0.0, 0.25)), ("yam", (0.30, 0.0, 0.15))])
def test_home_has_the_fingers_down_before_the_base(name, place_m):
    (arm,), model, _ = at_home(name, "training")
    X = Chain(model, arm.joints, arm.eef_site).reach(np.array([arm.home_rad])).X_WE[0]
    np.testing.assert_allclose(X[:3], place_m, atol=1e-4)
    np.testing.assert_allclose(np.abs(X[3:]), [0, 1, 0, 0], atol=1e-4)


def test_the_vipers_face_each_other_with_their_fingers():
    arms, _, data = at_home("viperx", "training")
    left, right = (data.site(arm.eef_site) for arm in arms)
    np.testing.assert_allclose(left.xpos * [-1, 1, 1], right.xpos, atol=1e-4)
    z_left, z_right = left.xmat.reshape(3, 3)[:, 2], right.xmat.reshape(3, 3)[:, 2]
    assert z_left[0] > 0.99 and z_right[0] < -0.99


FACES = {
    "panda": ("left_pad1", "right_pad1"),
    "yam": ("lf_down4_collision", "rf_down4_collision"),
    "viperx": ("vx300s_left/left_finger_link_box", "vx300s_left/right_finger_link_box"),
}


@pytest.mark.parametrize("name", NAMES)
def test_the_opening_is_the_distance_between_the_fingers(name):
    arms, model, data = at_home(name, "training")
    gripper, seen = arms[0].gripper, []
    for part in (0.0, 0.3, 0.6, 0.9):
        data.actuator(gripper.actuator).ctrl[0] = gripper.open_ctrl + part * (gripper.closed_ctrl - gripper.open_ctrl)
        mujoco.mj_step(model, data, nstep=1500)
        one, other = (data.geom(face) for face in FACES[name])
        closing = data.site(arms[0].eef_site).xmat.reshape(3, 3)[:, 1]
        thickness = 2 * model.geom(FACES[name][0]).size[1]
        between = abs((one.xpos - other.xpos) @ closing) - thickness
        seen.append(polynomial(data.joint(gripper.joint).qpos, gripper.opening_m)[0])
        # The YAM's spheres stand 0.2 mm out of either fingertip's box.
        assert seen[-1] == pytest.approx(between, abs=1.5e-3)
        middle = (one.xpos + other.xpos) / 2 - data.site(arms[0].eef_site).xpos
        assert abs(middle @ closing) < 1e-3
    assert seen[0] == pytest.approx(gripper.stroke_m, abs=2e-3) and (np.diff(seen) < -0.005).all()


@pytest.mark.parametrize("name", NAMES)
def test_servos_never_exceed_the_motors_torques(name):
    limits = {
        "panda": (87, 87, 87, 87, 12, 12, 12),
        "yam": (28, 28, 28, 10, 10, 10),
        "viperx": (150, 300, 100, 100),
    }[name]
    arms, model, data = at_home(name, "training")
    for arm in arms:
        for actuator in arm.actuators:
            data.actuator(actuator).ctrl[0] += 1.0
    mujoco.mj_step(model, data)
    for arm in arms:
        for actuator, limit in zip(arm.actuators, limits):
            np.testing.assert_allclose(model.actuator(actuator).forcerange, [-limit, limit])
            assert abs(data.actuator(actuator).force[0]) <= limit


def test_the_yam_has_the_gains_that_mjlab_trains_with_where_asked():
    model = make_yam("training", gains="mjlab").spec.compile()
    joints = [f"joint{i}" for i in range(1, 7)] + ["left_finger"]
    gains = [model.actuator(name).gainprm[0] for name in joints]
    damping = [-model.actuator(name).biasprm[2] for name in joints]
    # Published in mjlab 1.6.0's robot constants.
    np.testing.assert_allclose(gains, [19.448, 43.807, 36.757, 4.762, 1.441, 0.453, 109.81], rtol=1e-3)
    np.testing.assert_allclose(damping, [6.190, 13.944, 11.700, 1.516, 0.459, 0.144, 69.91], rtol=3e-3)
    assert model.actuator("left_finger").forcerange[1] == pytest.approx(38.03, rel=1e-3)
    assert model.dof_armature[model.joint("left_finger").dofadr[0]] == pytest.approx(2.603, rel=1e-3)


def test_arms_of_two_models_are_no_pair():
    one, other = (ROBOTS.load("viperx")("training") for _ in range(2))
    with pytest.raises(SimError, match="different models"):
        replace(one, right=other.right).check()
    with pytest.raises(SimError, match="share joints"):
        replace(one, right=one.left).check()


def test_the_panda_does_the_pick_and_place_task():
    env = make_env("ur5e/pick-place", 8, threads=1, robot="panda")
    seeds = np.arange(33_000, 33_008)
    env.reset(seeds)
    start, hold = env.poses()["eef"], np.zeros((8, env.info.action.size), np.float32)
    hold[:, -1] = -1.0
    for _ in range(20):
        env.step(hold)
    assert np.abs(pose_error(start, env.poses()["eef"])).max() < 1e-3
    expert = make_expert("pick-place", env)
    env.reset(seeds)
    expert.reset(seeds, np.ones(8, bool))
    for _ in range(env.info.max_steps):
        step = env.step(env.action_from_target(*expert.act(env)))
    assert (step.outcome == env.info.outcomes.index("success")).sum() >= 7
