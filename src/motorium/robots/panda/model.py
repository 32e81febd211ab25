"""The Franka Emika Panda with a Robotiq 2F-85, from the pinned wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from motorium.robots import robotiq
from motorium.robots.arm import Arm, Gripper, read_model
from motorium.robots.panda import constants as c
from motorium.sim.assets import find_wheel, model_path

if TYPE_CHECKING:
    import mujoco


def make_panda(detail: Literal["training", "full"] = "training") -> Arm:
    """Return the arm with position servos, compensated for gravity as its real controller does.

    Args:
        detail: `full` collides the convex hulls of all links and of the gripper's parts; `training` the gripper's
            pads, one box each, a box in place of its palm, and capsules in place of fingers and links, none of them
            with each other but the pads.

    Raises:
        AssetError: when the wheel cannot be had.
    """
    spec = read_model(model_path("panda"))
    # Cameras and sensors are the scene's to add.
    for element in [*spec.cameras, *spec.sensors]:
        spec.delete(element)
    for gains in zip(c.ACTUATORS, c.KP, c.KD, c.EFFORT_NM):
        _make_servo(spec, *gains)
    for name, share in c.GRAVITY_COMPENSATION.items():
        spec.body(name).gravcomp = share
    for name, mass in c.MASSES_KG.items():
        body = spec.body(name)
        body.mass, body.inertia, body.explicitinertial = mass, [1e-5 * mass] * 3, True
    for name in c.LINKAGE_JOINTS:
        spec.joint(name).armature = c.LINKAGE_ARMATURE
    if detail == "training":
        robotiq.simplify(spec)
        _add_capsules(spec)
    arm = Arm(
        name="panda",
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
        versions={"gym-hil": find_wheel("gym-hil").version},
    )
    arm.check()
    return arm


def _make_servo(spec: mujoco.MjSpec, name: str, kp: float, kd: float, effort_nm: float) -> None:
    """Make a position servo of a torque motor."""
    import mujoco

    servo = spec.actuator(name)
    servo.set_to_position(kp=kp, kv=kd)
    servo.ctrllimited, servo.ctrlrange = mujoco.mjtLimited.mjLIMITED_FALSE, [0.0, 0.0]
    servo.forcelimited, servo.forcerange = mujoco.mjtLimited.mjLIMITED_TRUE, [-effort_nm, effort_nm]


def _add_capsules(spec: mujoco.MjSpec) -> None:
    """Add the capsules that the scene's things meet, none of the robot's own."""
    import mujoco

    for name, start, end, radius in c.CAPSULES:
        spec.body(name).add_geom(
            type=mujoco.mjtGeom.mjGEOM_CAPSULE,
            fromto=[*start, *end],
            size=[radius, 0.0, 0.0],
            contype=0,
            conaffinity=1,
            group=3,
            mass=0.0,
        )
