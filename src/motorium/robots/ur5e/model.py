"""The UR5e with a Robotiq 2F-85, from the pinned wheel."""

from __future__ import annotations

from typing import Literal

from motorium.robots import robotiq
from motorium.robots.arm import Arm, Gripper, read_model
from motorium.robots.ur5e import constants as c
from motorium.sim.assets import find_wheel, model_path


def make_ur5e(detail: Literal["training", "full"] = "training") -> Arm:
    """Return the arm, compensated for gravity as its real controller does.

    Args:
        detail: `full` collides the gripper's meshes; `training` only the pads, one box each, a box in place of the
            palm, and the arm's capsules, none of them with each other but the pads.

    Raises:
        AssetError: when the wheel cannot be had.
    """
    spec, gripper = read_model(model_path("ur5e")), read_model(model_path("robotiq_2f85"))
    # Global options are the scene's to set; equal ones are attached without a warning.
    gripper.option.cone, gripper.option.impratio = spec.option.cone, spec.option.impratio
    gripper.option.integrator = spec.option.integrator
    spec.attach(gripper, site=spec.site(c.FLANGE_SITE), prefix=c.GRIPPER_PREFIX)
    for name, kp, kd in zip(c.ACTUATORS, c.KP, c.KD):
        servo = spec.actuator(name)
        servo.gainprm[0], servo.biasprm[1], servo.biasprm[2] = kp, -kp, -kd
    for name, share in c.GRAVITY_COMPENSATION.items():
        spec.body(name).gravcomp = share
    for name, mass in c.MASSES_KG.items():
        body = spec.body(c.GRIPPER_PREFIX + name)
        body.mass, body.inertia, body.explicitinertial = mass, [1e-5 * mass] * 3, True
    if detail == "training":
        robotiq.simplify(spec, c.GRIPPER_PREFIX)
    arm = Arm(
        name="ur5e",
        spec=spec,
        joints=c.JOINTS,
        actuators=c.ACTUATORS,
        home_rad=c.HOME_RAD,
        eef_site=c.EEF_SITE,
        gripper=Gripper(
            joint=c.GRIPPER_JOINT,
            actuator=c.GRIPPER_ACTUATOR,
            open_ctrl=c.GRIPPER_OPEN_CTRL,
            closed_ctrl=c.GRIPPER_CLOSED_CTRL,
            opening_m=c.OPENING_M,
            stroke_m=c.STROKE_M,
        ),
        versions={"ogbench": find_wheel("ogbench").version},
    )
    arm.check()
    return arm
