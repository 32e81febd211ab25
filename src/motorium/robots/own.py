"""A user's own arm: any MJCF or URDF with a gripper of one degree of freedom."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from motorium.core.errors import SimError
from motorium.core.spec import Spec
from motorium.robots.arm import Arm, Gripper, read_model
from motorium.robots.files import model_digest

if TYPE_CHECKING:
    import mujoco

Vector = tuple[float, float, float]


class Servo(Spec):
    """Position servos for models that have no actuators, as a URDF."""

    kp: float = Field(2000.0, gt=0, description="N m/rad")
    kd: float = Field(60.0, ge=0, description="N m s/rad")
    gripper_kp: float = Field(400.0, gt=0, description="N m/rad, or N/m for a sliding finger")
    gripper_kd: float = Field(20.0, ge=0, description="N m s/rad, or N s/m for a sliding finger")


class OwnArm(Spec):
    """Where a model is and what its parts are called."""

    path: Path = Field(description="MJCF or URDF file")
    name: str = Field("own", description="name of the robot, for metadata")
    joints: tuple[str, ...] = Field(min_length=1, description="hinges of the arm, from the base outwards")
    home_rad: tuple[float, ...] = Field(description="joint positions of the start pose, the fingers pointing down")
    actuators: tuple[str, ...] | None = Field(None, description="position servos of the joints; none: they are added")
    eef_body: str | None = Field(None, description="body that gets the end effector's site; none: the model has it")
    eef_position_m: Vector = Field((0.0, 0.0, 0.0), description="of that frame in the body")
    eef_rotation_rad: Vector = Field((0.0, 0.0, 0.0), description="rotation vector of that frame in the body")
    eef_site: str = Field("eef", description="site of the end effector: z approaches, y closes")
    gripper_joint: str = Field(description="joint that tells how far the gripper is open")
    gripper_actuator: str | None = Field(None, description="actuator of the gripper; none: it is added")
    mimics: tuple[str, ...] = Field((), description="joints that move as the gripper's does (URDF mimic)")
    open_ctrl: float = Field(description="control of the open gripper")
    closed_ctrl: float = Field(description="control of the closed gripper")
    opening_m: tuple[float, ...] = Field(
        description="opening between the fingers: coefficients c0, c1, ... of the joint's position"
    )
    stroke_m: float = Field(gt=0, description="largest opening")
    gravity_compensation: bool = Field(True, description="whether the robot's own controller carries its weight")
    servo: Servo = Field(default_factory=Servo, description="gains where servos are added")


def make_own(own: OwnArm) -> Arm:
    """Return a user's arm, checked.

    Raises:
        AssetError: when the file is absent or no model.
        SimError: when the model lacks something named.
    """
    spec = read_model(own.path)
    if own.eef_body is not None:
        _add_site(spec, own)
    actuators, gripper = own.actuators, own.gripper_actuator
    if actuators is None:
        actuators = tuple(_add_servo(spec, joint, own.servo.kp, own.servo.kd) for joint in own.joints)
    if gripper is None:
        gripper = _add_servo(spec, own.gripper_joint, own.servo.gripper_kp, own.servo.gripper_kd)
        for joint in own.mimics:
            _couple(spec, joint, own.gripper_joint)
    if own.gravity_compensation:
        for body in spec.bodies[1:]:
            body.gravcomp = 1.0
    arm = Arm(
        name=own.name,
        spec=spec,
        joints=own.joints,
        actuators=actuators,
        home_rad=own.home_rad,
        eef_site=own.eef_site,
        gripper=Gripper(
            joint=own.gripper_joint,
            actuator=gripper,
            open_ctrl=own.open_ctrl,
            closed_ctrl=own.closed_ctrl,
            opening_m=own.opening_m,
            stroke_m=own.stroke_m,
        ),
        versions={own.path.name: model_digest(own.path)},
    )
    arm.check()
    return arm


def _add_site(spec: mujoco.MjSpec, own: OwnArm) -> None:
    import mujoco

    body = spec.body(own.eef_body)
    if body is None:
        raise SimError(
            f"robot '{own.name}' has no body '{own.eef_body}'",
            where=own.path,
            expected=f"one of: {', '.join(b.name for b in spec.bodies)}",
        )
    quat, turn = np.zeros(4), np.array(own.eef_rotation_rad)
    angle = float(np.sqrt((turn * turn).sum()))
    mujoco.mju_axisAngle2Quat(quat, turn / angle if angle else np.array([0.0, 0.0, 1.0]), angle)
    body.add_site(name=own.eef_site, pos=own.eef_position_m, quat=quat)


def _add_servo(spec: mujoco.MjSpec, joint: str, kp: float, kd: float) -> str:
    """Add a position servo to `joint` and return its name."""
    import mujoco

    servo = spec.add_actuator(name=f"{joint}_servo", target=joint, trntype=mujoco.mjtTrn.mjTRN_JOINT)
    servo.set_to_position(kp=kp, kv=kd)
    return servo.name


def _couple(spec: mujoco.MjSpec, joint: str, leader: str) -> None:
    import mujoco

    tie = spec.add_equality(name=f"{joint}_mimics", type=mujoco.mjtEq.mjEQ_JOINT, name1=joint, name2=leader)
    tie.objtype = mujoco.mjtObj.mjOBJ_JOINT
    tie.data[:5] = [0.0, 1.0, 0.0, 0.0, 0.0]
