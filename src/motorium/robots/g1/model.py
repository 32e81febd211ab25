"""The Unitree G1, from the pinned wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from motorium.robots.arm import read_model
from motorium.robots.g1 import constants as c
from motorium.robots.legged import Legged
from motorium.sim.assets import find_wheel, model_path

if TYPE_CHECKING:
    import mujoco

_OTHER = {"left": "right", "right": "left"}


def make_g1(detail: Literal["training", "full"] = "training") -> Legged:
    """Return the robot with position servos.

    Args:
        detail: `full` collides all capsules and spheres with the ground and with each other, seven capsules a foot;
            `training` a box a foot, and pelvis, torso, head, shins and hands, with the ground.

    Raises:
        AssetError: when the wheel cannot be had.
    """
    import mujoco

    spec = read_model(model_path("unitree_g1"))
    # Cameras and sensors are the scene's to add.
    for element in [*spec.cameras, *spec.sensors]:
        spec.delete(element)
    # 35 degrees of freedom: 1.2 times as fast as dense (training), 1.35 times (full), with the same result.
    spec.option.jacobian = mujoco.mjtJacobian.mjJAC_SPARSE
    for name in c.NAMES:
        _add_servo(spec, name)
    for geom in spec.geoms:
        if geom.contype:
            geom.condim = 1
    for name in c.FOOT_GEOMS:
        foot = spec.geom(name)
        # The foot's friction holds, whatever the ground's: that is what is randomised.
        foot.priority, foot.condim, foot.friction[0] = 1, 3, c.FOOT_FRICTION
    if detail == "training":
        _simplify(spec)
    robot = Legged(
        name="g1",
        spec=spec,
        base=c.BASE,
        joints=c.JOINTS,
        actuators=c.JOINTS,
        home_rad=c.HOME_RAD,
        scale_rad=c.SCALE_RAD,
        height_m=c.HEIGHT_M,
        fallen_m=c.FALLEN_M,
        feet=c.FEET,
        foot_geoms=tuple(f"{foot}_box" for foot in c.FEET) if detail == "training" else c.FOOT_GEOMS,
        sole_m=c.SOLE_M,
        mirrored=tuple(c.NAMES.index(_other_side(name)) for name in c.NAMES),
        # Left for right turns rolls and yaws round, and leaves pitches.
        mirror_signs=tuple(-1.0 if name.endswith(("_roll", "_yaw")) else 1.0 for name in c.NAMES),
        mirrored_feet=(1, 0),
        gait_hz=c.GAIT_HZ,
        swing_m=c.SWING_M,
        phases=c.PHASES,
        stance_share=c.STANCE_SHARE,
        versions={"mjlab": find_wheel("mjlab").version},
    )
    robot.check()
    return robot


def _other_side(name: str) -> str:
    """Return the name of the joint on the other side: right_knee for left_knee, waist_yaw for itself."""
    side, _, part = name.partition("_")
    return f"{_OTHER[side]}_{part}" if side in _OTHER else name


def _add_servo(spec: mujoco.MjSpec, name: str) -> None:
    import mujoco

    joint, part = f"{name}_joint", c.part(name)
    spec.joint(joint).armature = c.ARMATURE[part]
    servo = spec.add_actuator(name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    servo.set_to_position(kp=c.KP[part], kv=c.KD[part])
    servo.forcelimited, servo.forcerange = mujoco.mjtLimited.mjLIMITED_TRUE, [-c.EFFORT_NM[part], c.EFFORT_NM[part]]


def _simplify(spec: mujoco.MjSpec) -> None:
    """Put a box in place of each foot's capsules; leave contacts of feet and `TOUCHING` with the ground."""
    import mujoco

    for name in c.FOOT_GEOMS:
        spec.delete(spec.geom(name))
    touching = {f"{name}_collision" for name in c.TOUCHING}
    for geom in spec.geoms:
        if geom.contype or geom.conaffinity:
            geom.contype, geom.conaffinity = 0, int(geom.name in touching)
    centre, half = c.FOOT_BOX
    for foot in c.FEET:
        spec.body(c.FOOT_BODY.format(side=foot.partition("_")[0])).add_geom(
            name=f"{foot}_box",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=centre,
            size=half,
            friction=[c.FOOT_FRICTION, 0.005, 0.0001],
            contype=0,
            conaffinity=1,
            condim=3,
            priority=1,
            group=3,
            mass=0.0,
        )
