"""The Unitree Go1, from the pinned wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from motorium.robots.arm import read_model
from motorium.robots.go1 import constants as c
from motorium.robots.legged import Legged
from motorium.sim.assets import find_wheel, model_path

if TYPE_CHECKING:
    import mujoco

Gains = Literal["playground", "mjlab"]


def make_go1(detail: Literal["training", "full"] = "training", gains: Gains = "playground") -> Legged:
    """Return the robot with position servos.

    Args:
        detail: `full` collides all capsules and spheres with the ground and with each other; `training` the feet and
            the trunk's box with the ground.
        gains: whose servos and whose scale of commands; a policy belongs to those that it was trained with.

    Raises:
        AssetError: when the wheel cannot be had.
    """
    spec = read_model(model_path("unitree_go1"))
    for name in c.JOINTS:
        _add_servo(spec, name, gains)
    for leg in c.LEGS:
        foot = spec.geom(f"{leg}_foot_collision")
        # The foot's friction holds, whatever the ground's: that is what is randomised.
        foot.priority, foot.condim, foot.friction[0] = 1, 3, c.FOOT_FRICTION
    if detail == "training":
        _simplify(spec)
    robot = Legged(
        name="go1",
        spec=spec,
        base=c.BASE,
        joints=c.JOINTS,
        actuators=c.JOINTS,
        home_rad=c.HOME_RAD,
        scale_rad=tuple(c.SCALE_RAD[gains][_part(name)] for name in c.JOINTS),
        height_m=c.HEIGHT_M,
        fallen_m=c.FALLEN_M,
        feet=c.LEGS,
        foot_geoms=tuple(f"{leg}_foot_collision" for leg in c.LEGS),
        sole_m=c.FOOT_RADIUS_M,
        mirrored=tuple(c.JOINTS.index(_other_side(name)) for name in c.JOINTS),
        mirror_signs=tuple(-1.0 if "hip" in name else 1.0 for name in c.JOINTS),
        mirrored_feet=tuple(c.LEGS.index(_other_side(leg)) for leg in c.LEGS),
        gait_hz=c.GAIT_HZ,
        swing_m=c.SWING_M,
        phases=tuple(c.PHASES[leg] for leg in c.LEGS),
        stance_share=c.STANCE_SHARE,
        versions={"mjlab": find_wheel("mjlab").version},
    )
    robot.check()
    return robot


def _other_side(name: str) -> str:
    """Return the name of the leg, or of a joint of the leg, on the other side: FR_hip_joint for FL_hip_joint."""
    return name[0] + {"R": "L", "L": "R"}[name[1]] + name[2:]


def make_go1_mjlab(detail: Literal["training", "full"] = "training") -> Legged:
    """Return the robot with the servos that policies trained in mjlab expect."""
    return make_go1(detail, "mjlab")


def _part(joint: str) -> str:
    """Return the part of the leg that a joint moves: `hip` for FR_hip_joint."""
    return joint.split("_")[1]


def _add_servo(spec: mujoco.MjSpec, joint: str, gains: Gains) -> None:
    import mujoco

    part = _part(joint)
    spec.joint(joint).armature = c.ARMATURE[part]
    servo = spec.add_actuator(name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    servo.set_to_position(kp=c.KP[gains][part], kv=c.KD[gains][part])
    servo.forcelimited, servo.forcerange = mujoco.mjtLimited.mjLIMITED_TRUE, [-c.EFFORT_NM[part], c.EFFORT_NM[part]]


def _simplify(spec: mujoco.MjSpec) -> None:
    """Leave the contacts of the feet and of the trunk's box with the ground; drop the others."""
    touching = {f"{leg}_foot_collision" for leg in c.LEGS} | {"trunk_collision"}
    for geom in spec.geoms:
        if geom.contype or geom.conaffinity:
            geom.contype, geom.conaffinity = 0, int(geom.name in touching)
