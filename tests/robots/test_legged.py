"""Robots on legs: the models hold what is named, stand on their feet, and have the gains that their sources say."""

from __future__ import annotations

from dataclasses import replace

import mujoco
import numpy as np
import pytest

from motorium.core.errors import SimError
from motorium.robots import ROBOTS
from motorium.sim.ground import add_ground
from motorium.sim.scene import without_looks

NAMES = ("go1", "go1-mjlab", "g1")
VARIANTS = [(name, detail) for name in NAMES for detail in ("training", "full")]
GRAVITY_M_S2 = 9.81


def at_home(name: str, detail: str, rail: bool = False):
    """Return the robot, its model on flat ground, and its data at home, commanded to stay there.

    With `rail`, its base moves up and down only.
    """
    robot = ROBOTS.load(name)(detail)
    base = robot.spec.body(robot.base)
    base.pos = [0.0, 0.0, robot.height_m]
    if rail:
        robot.spec.delete(base.joints[0])
        base.add_joint(name="rail", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[0.0, 0.0, 1.0])
    robot.spec.option.timestep = 0.004
    robot.spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    add_ground(robot.spec, robot.base)
    model = without_looks(robot.spec).compile()
    data = mujoco.MjData(model)
    for joint, actuator, angle in zip(robot.joints, robot.actuators, robot.home_rad):
        data.joint(joint).qpos[0] = data.actuator(actuator).ctrl[0] = angle
    mujoco.mj_forward(model, data)
    return robot, model, data


def ground_forces(model, data) -> dict[str, float]:
    """Return the vertical force that each geom presses on the ground with, N."""
    forces, wrench = {}, np.zeros(6)
    ground = model.geom("ground").id
    for i, contact in enumerate(data.contact):
        assert ground in contact.geom
        mujoco.mj_contactForce(model, data, i, wrench)
        up = contact.frame.reshape(3, 3).T @ wrench[:3]
        name = model.geom(contact.geom[contact.geom != ground][0]).name
        forces[name] = forces.get(name, 0.0) + abs(up[2])
    return forces


@pytest.mark.parametrize(("name", "detail"), VARIANTS)
def test_home_touches_nothing_but_the_ground_with_the_soles(name, detail):
    robot, model, data = at_home(name, detail)
    feet = {model.geom(geom).id for geom in robot.foot_geoms}
    for contact in data.contact:
        assert set(contact.geom) & feet and contact.dist > -1e-3
    soles = np.array([data.site(foot).xpos[2] for foot in robot.feet]) - robot.sole_m
    np.testing.assert_allclose(soles, 0.0, atol=1.5e-3)


# Not `go1-mjlab`: its servos are too soft to stand still with the joints commanded home; its policies command more.
@pytest.mark.parametrize(("name", "detail"), [variant for variant in VARIANTS if variant[0] != "go1-mjlab"])
def test_the_feet_carry_the_weight(name, detail):
    # Servos alone do not balance a robot on two feet: a rail, which carries no weight, keeps it from tilting.
    robot, model, data = at_home(name, detail, rail=name == "g1")
    carried = []
    for step in range(1000):
        mujoco.mj_step(model, data)
        if step >= 750:
            forces = ground_forces(model, data)
            assert set(forces) <= set(robot.foot_geoms)
            carried.append(sum(forces.values()))
    assert np.mean(carried) == pytest.approx(model.body_mass.sum() * GRAVITY_M_S2, rel=0.02)
    assert robot.fallen_m < data.body(robot.base).xpos[2] < robot.height_m + 1e-3


@pytest.mark.parametrize("name", NAMES)
def test_both_variants_weigh_and_are_laid_out_the_same(name):
    one, other = (ROBOTS.load(name)(detail).spec.compile() for detail in ("training", "full"))
    for field in ("body_mass", "body_inertia", "body_ipos", "jnt_range", "dof_armature", "actuator_gainprm"):
        np.testing.assert_array_equal(getattr(one, field), getattr(other, field))
    touching = [int(((m.geom_contype | m.geom_conaffinity) > 0).sum()) for m in (one, other)]
    assert touching[0] < touching[1] / 2


# Published in mjlab 1.6.0's robot constants: joint, armature (kg m^2), stiffness, damping, effort (N m), scale (rad).
MJLAB = [
    ("go1-mjlab", "FR_hip_joint", 0.004026, 15.895, 1.0119, 23.7, 0.3728),
    ("go1-mjlab", "RL_calf_joint", 0.009059, 35.764, 2.2768, 35.55, 0.2485),
    ("g1", "left_elbow_joint", 0.003610, 14.2506, 0.9072, 25, 0.4386),
    ("g1", "waist_yaw_joint", 0.010178, 40.1792, 2.5579, 88, 0.5475),
    ("g1", "right_knee_joint", 0.025102, 99.0984, 6.3088, 139, 0.3507),
    ("g1", "left_wrist_yaw_joint", 0.004250, 16.7783, 1.0681, 5, 0.0745),
    ("g1", "right_ankle_roll_joint", 0.007219, 28.5012, 1.8144, 50, 0.4386),
]


@pytest.mark.parametrize(("name", "joint", "armature", "kp", "kd", "effort", "scale"), MJLAB)
def test_servos_are_those_that_mjlab_trains_with(name, joint, armature, kp, kd, effort, scale):
    robot = ROBOTS.load(name)("training")
    model = robot.spec.compile()
    servo = model.actuator(joint)
    assert model.dof_armature[model.joint(joint).dofadr[0]] == pytest.approx(armature, rel=1e-3)
    np.testing.assert_allclose([servo.gainprm[0], *servo.biasprm[:3]], [kp, 0, -kp, -kd], rtol=1e-3)
    np.testing.assert_allclose(servo.forcerange, [-effort, effort])
    assert robot.scale_rad[robot.joints.index(joint)] == pytest.approx(scale, rel=1e-3)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"joints": ("knee",)}, "joint 'knee'"),
        ({"home_rad": (0.0,)}, "each joint"),
        ({"phases": (0.0,)}, "each foot"),
        ({"foot_geoms": ("FR_foot_collision",)}, "different numbers of geoms"),
    ],
)
def test_a_robot_that_does_not_fit_its_model_is_refused(change, said):
    with pytest.raises(SimError, match=said):
        replace(ROBOTS.load("go1")("training"), **change).check()
