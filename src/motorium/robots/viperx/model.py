"""The pair of ViperX 300 S arms of ALOHA, from the pinned wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from motorium.robots.arm import Arm, Gripper, read_model
from motorium.robots.bimanual import BimanualArm
from motorium.robots.viperx import constants as c
from motorium.sim.assets import find_wheel, model_path

if TYPE_CHECKING:
    import mujoco

# Contact types: a scene's things have the first; grippers and fingers of both arms also meet each other.
_SCENE, _HANDS = 1, 2


def make_viperx(detail: Literal["training", "full"] = "training") -> BimanualArm:
    """Return both arms with their position servos.

    Args:
        detail: `full` collides the convex hulls of all links with everything; `training` a box a finger and a capsule
            a gripper, with the scene and with each other, and a capsule a link, with the scene.

    Raises:
        AssetError: when the wheel cannot be had.
    """
    spec = read_model(model_path("viperx_transfer_cube"))
    for name in c.SCENE:
        spec.delete(spec.body(name))
    for element in [*spec.cameras, *spec.sites]:
        spec.delete(element)
    # The model weighs geoms of groups 4 and 5 only: a scene's things would weigh nothing.
    spec.compiler.inertiagrouprange = [0, 5]
    for actuator in spec.actuators:
        actuator.name = actuator.target
    versions = {"gym-aloha": find_wheel("gym-aloha").version}
    left, right = (_make_arm(spec, side, detail, versions) for side in c.SIDES)
    robot = BimanualArm(name="viperx", spec=spec, left=left, right=right, versions=versions)
    robot.check()
    return robot


def _make_arm(spec: mujoco.MjSpec, side: str, detail: str, versions: dict[str, str]) -> Arm:
    prefix = c.PREFIX.format(side=side)
    spec.body(prefix.rstrip("/")).pos = [c.BASES_X_M[side], 0.0, 0.0]
    spec.body(f"{prefix}gripper_link").add_site(name=prefix + c.EEF_SITE, pos=c.EEF_M, quat=c.EEF_QUAT)
    _tie_fingers(spec, prefix)
    if detail == "training":
        _simplify(spec, prefix)
    finger = prefix + c.LEFT_FINGER
    joints = tuple(prefix + joint for joint in c.JOINTS)
    return Arm(
        name=f"viperx-{side}",
        spec=spec,
        joints=joints,
        actuators=joints,
        home_rad=c.HOME_RAD,
        eef_site=prefix + c.EEF_SITE,
        gripper=Gripper(
            joint=finger,
            actuator=finger,
            open_ctrl=c.OPEN_CTRL_M,
            closed_ctrl=c.CLOSED_CTRL_M,
            opening_m=c.OPENING_M,
            stroke_m=c.STROKE_M,
        ),
        versions=versions,
    )


def _tie_fingers(spec: mujoco.MjSpec, prefix: str) -> None:
    """Let one servo move both fingers."""
    import mujoco

    left, right = prefix + c.LEFT_FINGER, prefix + c.RIGHT_FINGER
    spec.delete(spec.actuator(right))
    spec.actuator(left).set_to_position(kp=c.FINGER_KP_N_M)
    tie = spec.add_equality(name=f"{prefix}fingers", type=mujoco.mjtEq.mjEQ_JOINT, name1=right, name2=left)
    tie.objtype = mujoco.mjtObj.mjOBJ_JOINT
    tie.data[:5] = [0.0, -1.0, 0.0, 0.0, 0.0]


def _simplify(spec: mujoco.MjSpec, prefix: str) -> None:
    """Put primitives in place of the meshes of one arm."""
    import mujoco

    fingers = {}
    for geom in spec.geoms:
        if geom.name.startswith(prefix):
            if "gripper_finger" in geom.name:
                fingers[geom.parent.name] = geom
            geom.contype = geom.conaffinity = 0
    for body, start, end, radius in (*c.CAPSULES, c.GRIPPER_CAPSULE):
        hand = body == c.GRIPPER_CAPSULE[0]
        spec.body(prefix + body).add_geom(
            type=mujoco.mjtGeom.mjGEOM_CAPSULE,
            fromto=[*start, *end],
            size=[radius, 0.0, 0.0],
            contype=_HANDS if hand else 0,
            conaffinity=_SCENE | _HANDS if hand else _SCENE,
            group=3,
            mass=0.0,
        )
    (x, y, z), half = c.FINGER_BOX
    for name, mesh in fingers.items():
        inward = -1.0 if c.RIGHT_FINGER in name else 1.0
        spec.body(name).add_geom(
            name=f"{name}_box",
            type=mujoco.mjtGeom.mjGEOM_BOX,
            pos=[x, inward * y, z],
            size=half,
            condim=mesh.condim,
            friction=mesh.friction,
            solref=mesh.solref,
            solimp=mesh.solimp,
            contype=_HANDS,
            conaffinity=_SCENE | _HANDS,
            group=3,
            mass=0.0,
        )
