"""The UR5e with a Robotiq 2F-85, from the pinned wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from motorium.robots.arm import Arm, Gripper, read_model
from motorium.robots.ur5e import constants as c
from motorium.sim.assets import find_wheel, model_path

if TYPE_CHECKING:
    import mujoco


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
        _simplify(spec)
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


def _simplify(spec: mujoco.MjSpec) -> None:
    """Leave contacts of the pads, the palm and the arm's capsules with the scene; drop the others."""
    import mujoco

    for side in ("left", "right"):
        _join_pads(spec, side)
    for geom in spec.geoms:
        if not geom.contype:
            continue
        if geom.type == mujoco.mjtGeom.mjGEOM_MESH:
            geom.contype = geom.conaffinity = 0
        else:
            # Affinity 1 meets the scene's geoms (type 1); of the robot's own, only the pads meet each other (2).
            pad = "_pad" in geom.name
            geom.contype = 2 if pad and "left" in geom.name else 0
            geom.conaffinity = 3 if pad and "right" in geom.name else 1
    spec.body(c.GRIPPER_PREFIX + "base").add_geom(
        name=c.GRIPPER_PREFIX + "palm",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        pos=[0.0, 0.0, 0.048],
        size=[0.03, 0.04, 0.048],
        contype=0,
        conaffinity=1,
        group=3,
        mass=0.0,
    )


def _join_pads(spec: mujoco.MjSpec, side: str) -> None:
    """Make the two flush halves of a finger's pad one box of their mean friction: four contacts instead of eight."""
    tip, root = (spec.geom(f"{c.GRIPPER_PREFIX}{side}_pad{half}") for half in (1, 2))
    low, high = np.subtract(root.pos, root.size), np.add(tip.pos, tip.size)
    tip.pos, tip.size = (low + high) / 2, (high - low) / 2
    tip.friction[0] = (tip.friction[0] + root.friction[0]) / 2
    spec.delete(root)
