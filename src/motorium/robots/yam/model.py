"""The I2RT YAM with its crank gripper, from the pinned wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from motorium.robots.arm import Arm, Gripper, read_model
from motorium.robots.yam import constants as c
from motorium.sim.assets import find_wheel, model_path

if TYPE_CHECKING:
    import mujoco

Gains = Literal["i2rt", "mjlab"]


def make_yam(detail: Literal["training", "full"] = "training", gains: Gains = "i2rt") -> Arm:
    """Return the arm with position servos, compensated for gravity as its real controller does.

    Args:
        detail: `full` collides all capsules, boxes and spheres with everything, 26 of them on the fingers;
            `training` a box a fingertip, and a capsule a link with the scene.
        gains: whose servos: the robot's own controller's, or those of mjlab's tasks.

    Raises:
        AssetError: when the wheel cannot be had.
    """
    spec = read_model(model_path("i2rt_yam"))
    for camera in list(spec.cameras):
        spec.delete(camera)
    for body in spec.bodies[1:]:
        body.gravcomp = 1.0
    for name, (mass, centre, quat, inertia) in c.INERTIALS.items():
        body = spec.body(name)
        body.mass, body.ipos, body.iquat, body.inertia, body.explicitinertial = mass, centre, quat, inertia, True
    for i, name in enumerate(c.JOINTS):
        _add_servo(spec, name, (c.KP[gains][i], c.KD[gains][i], c.EFFORT_NM[i], c.ARMATURE[i]))
    _add_servo(spec, c.FINGER, (c.FINGER_KP[gains], c.FINGER_KD[gains], c.FINGER_EFFORT_N, c.FINGER_ARMATURE_KG))
    spec.body(c.EEF_BODY).add_site(name=c.EEF_SITE, pos=c.EEF_M, quat=c.EEF_QUAT)
    _set_contacts(spec)
    if detail == "training":
        _simplify(spec)
    arm = Arm(
        name="yam",
        spec=spec,
        joints=c.JOINTS,
        actuators=c.JOINTS,
        home_rad=c.HOME_RAD,
        eef_site=c.EEF_SITE,
        gripper=Gripper(
            joint=c.FINGER,
            actuator=c.FINGER,
            open_ctrl=c.OPEN_CTRL_M,
            closed_ctrl=c.CLOSED_CTRL_M,
            opening_m=c.OPENING_M,
            stroke_m=c.STROKE_M,
        ),
        versions={"mjlab": find_wheel("mjlab").version},
    )
    arm.check()
    return arm


def _add_servo(spec: mujoco.MjSpec, joint: str, gains: tuple[float, float, float, float]) -> None:
    """Add a position servo; `gains` are stiffness, damping, effort limit and armature."""
    import mujoco

    kp, kd, effort, armature = gains
    spec.joint(joint).armature = armature
    servo = spec.add_actuator(name=joint, target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    servo.set_to_position(kp=kp, kv=kd)
    servo.forcelimited, servo.forcerange = mujoco.mjtLimited.mjLIMITED_TRUE, [-effort, effort]


def _set_contacts(spec: mujoco.MjSpec) -> None:
    for geom in spec.geoms:
        if geom.contype:
            geom.friction[0] = c.FRICTION
    for name in c.TIPS:
        _grip(spec.geom(name), condim=6)


def _grip(tip: mujoco.MjsGeom, condim: int) -> None:
    tip.condim, tip.priority, tip.friction, tip.solref = condim, 1, c.TIP_FRICTION, c.TIP_SOLREF


def _simplify(spec: mujoco.MjSpec) -> None:
    """Leave contacts of `PADS` with the scene and with each other, and of `TOUCHING` with the scene."""
    for geom in spec.geoms:
        if geom.contype or geom.conaffinity:
            # Affinity 1 meets the scene's geoms (type 1); of the robot's own, only the pads meet each other (2).
            geom.contype = 2 if geom.name == c.PADS[0] else 0
            geom.conaffinity = 3 if geom.name == c.PADS[1] else int(geom.name in (*c.TOUCHING, c.PADS[0]))
    for name in c.PADS:
        _grip(spec.geom(name), condim=3)
