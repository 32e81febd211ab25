"""Manipulator: an arm with a gripper in a compiled model: what of the state is its joints, its hand, its commands.

Where the hand is comes from sensors, which measure at the start of a step's last physics substep: a few milliseconds
ago, as on a real robot.

Joint commands are steps from where the joints *are*, not from the last target: the target never runs ahead of an arm
that something holds back, so that the servos' force stays bounded, and the state has no hidden target in it. Source:
`pd_joint_delta_pos` of S. Tao et al., ManiSkill3, arXiv:2410.00425. An arm that nothing relieves of its own weight
would sink step by step that way: it gets steps from its last target (their `pd_joint_target_delta_pos`), which stays
within `LEAD_RAD` of where the joint is.
"""

from __future__ import annotations

from copy import copy
from typing import Any

import mujoco
import numpy as np

from motorium.robots.arm import Arm
from motorium.tasks.mdp.state import State
from motorium.tasks.terms import rotation
from motorium.tasks.terms.observation import POSE_NAMES, polynomial

Array = Any

# Sensors of each arm, by what they measure of its end effector.
_SENSORS = {"position": mujoco.mjtSensor.mjSENS_FRAMEPOS, "quaternion": mujoco.mjtSensor.mjSENS_FRAMEQUAT}
LEAD_RAD = 0.2
# For so long a gripper moves before its start position is taken, in seconds.
SETTLE_S = 1.0
GAINS = ("actuator_gainprm", "actuator_biasprm")
ROTATION_NAMES = POSE_NAMES[3:]

CONVENTIONS = {
    "world": "z up, metres; the arm's base at the origin, the tabletop at z = 0, x to the front",
    "quaternion": "w first, unit length",
    "rotation6d": "first two columns of the rotation matrix, column after column",
    "eef": "the point between the finger pads; z is the direction of approach, y that of closing",
    "gripper": "-1 open, 1 closed",
}


def add_sensors(arm: Arm) -> None:
    """Add to the arm's model the sensors that `Manipulator` reads."""
    for what, kind in _SENSORS.items():
        sensor = arm.spec.add_sensor(name=f"{arm.name}.{what}", type=kind)
        sensor.objtype, sensor.objname = mujoco.mjtObj.mjOBJ_SITE, arm.eef_site


def stiffen_gripper(arm: Arm) -> None:
    """Take the gripper's joints, and what drives and ties them, out of the arm's model: it is one rigid hand.

    For tasks that do not move it: a gripper with a linkage has more joints than its arm, and short ones, which bound
    the physics step.
    """
    spec = arm.spec
    for element in [*spec.equalities, *spec.tendons]:
        spec.delete(element)
    for element in [a for a in spec.actuators if a.name not in arm.actuators]:
        spec.delete(element)
    for element in [j for j in spec.joints if j.name not in arm.joints]:
        spec.delete(element)


class Manipulator:
    """An arm with a gripper in a compiled model.

    Args:
        arm: with the sensors of `add_sensors`; its gripper may be stiff.
        model: compiled from its spec.
        gripper: its gripper's command at the start: -1 open, 1 closed.

    Attributes:
        size: number of the arm's joints.
        drivers: ids of the joints' actuators.
        home_m: (3,) where the hand is in the start pose, world frame.
        held_up: whether the arm is relieved of its own weight.
    """

    def __init__(self, arm: Arm, model: mujoco.MjModel, gripper: float) -> None:
        self.arm, self.model, self.size, self._start = arm, model, len(arm.joints), gripper
        joints = [model.joint(name) for name in arm.joints]
        self._q = [int(joint.qposadr[0]) for joint in joints]
        self._v = [int(joint.dofadr[0]) for joint in joints]
        ids = [joint.id for joint in joints]
        self._low, self._high = (
            np.where(model.jnt_limited[ids], model.jnt_range[ids, side], infinite)
            for side, infinite in ((0, -np.inf), (1, np.inf))
        )
        self.drivers = [model.actuator(name).id for name in arm.actuators]
        self.held_up = bool((model.body_gravcomp[model.jnt_bodyid[ids]] > 0).all())
        self._grip = self._grip_q = None
        if mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_JOINT, arm.gripper.joint) >= 0:
            self._grip = model.actuator(arm.gripper.actuator).id
            self._grip_q = int(model.joint(arm.gripper.joint).qposadr[0])
        self._fingers = _fingers(model, ids)
        rested = self._rested()
        self._fingers_at = rested.qpos[self._fingers].copy()
        rested.qpos[self._q] = arm.home_rad
        mujoco.mj_kinematics(model, rested)
        self.home_m = rested.site(arm.eef_site).xpos.copy()

    def joints(self, state: State) -> Array:
        """Return joint positions from home: (B, n) rad."""
        return state.qpos[:, self._q] - state.constant(self.arm.home_rad)

    def speeds(self, state: State) -> Array:
        """Return joint velocities: (B, n) rad/s."""
        return state.qvel[:, self._v]

    def opening(self, state: State) -> Array:
        """Return how far the gripper is open: (B,) m."""
        return polynomial(state.qpos[:, self._grip_q], self.arm.gripper.opening_m)

    def hand(self, state: State) -> Array:
        """Return the position of the end effector: (B, 3) m, world frame."""
        return state.sensor(f"{self.arm.name}.position")

    def approach(self, state: State) -> Array:
        """Return the direction in which the hand points: (B, 3), world frame, unit length."""
        return rotation.third_column(state.sensor(f"{self.arm.name}.quaternion"))

    def turn(self, state: State) -> Array:
        """Return the hand's rotation as its first two columns: (B, 6), named in `ROTATION_NAMES`."""
        return rotation.two_columns(state.sensor(f"{self.arm.name}.quaternion"))

    def command(self, state: State, ctrl: Array, steps_rad: Array, gripper: Array | float) -> None:
        """Write the controls of the arm's actuators into `ctrl` (B, nu).

        Args:
            steps_rad: (B, n) what each joint is to move by.
            gripper: (B,) from -1, open, to 1, closed.
        """
        xp, now = state.xp, state.qpos[:, self._q]
        before = now
        if not self.held_up:
            before = xp.clip(state.physics.ctrl[:, self.drivers], now - LEAD_RAD, now + LEAD_RAD)
        ctrl[:, self.drivers] = xp.clip(before + steps_rad, state.constant(self._low), state.constant(self._high))
        self._command_gripper(ctrl, gripper)

    def pose(self, state: State, qpos: Array, ctrl: Array, offsets_rad: Array) -> None:
        """Write the arm at home, its gripper as it comes to rest, into positions (B, nq) and controls (B, nu).

        Args:
            offsets_rad: (B, n) of the joints from home.
        """
        joints = offsets_rad + state.constant(self.arm.home_rad)
        qpos[:, self._q], ctrl[:, self.drivers] = joints, joints
        qpos[:, self._fingers] = state.constant(self._fingers_at)[None]
        self._command_gripper(ctrl, self._start)

    def strengthened(self, state: State, strength: Array) -> dict[str, Array]:
        """Return the model's gains with those of the arm's servos times `strength` (B,)."""
        made = {name: state.each(getattr(self.model, name)) for name in GAINS}
        for gains in made.values():
            gains[:, self.drivers] *= strength[:, None, None]
        return made

    def _command_gripper(self, ctrl: Array, gripper: Array | float) -> None:
        """Write the gripper's control into `ctrl` (B, nu), where it has one."""
        if self._grip is not None:
            fingers = self.arm.gripper
            ctrl[:, self._grip] = fingers.open_ctrl + (fingers.closed_ctrl - fingers.open_ctrl) * 0.5 * (gripper + 1.0)

    def _rested(self) -> mujoco.MjData:
        """Return the model's state after its gripper moved to its start, touching nothing."""
        model = copy(self.model)
        model.opt.disableflags |= int(mujoco.mjtDisableBit.mjDSBL_CONTACT)
        data = mujoco.MjData(model)
        if self._grip is not None:
            data.qpos[self._q], data.ctrl[self.drivers] = self.arm.home_rad, self.arm.home_rad
            self._command_gripper(data.ctrl[None], self._start)
            mujoco.mj_step(model, data, nstep=round(SETTLE_S / model.opt.timestep))
        return data


def _fingers(model: mujoco.MjModel, joints: list[int]) -> list[int]:
    """Return where in the positions the joints are that hang on the arm of `joints`, but are not its own."""
    root = model.body_rootid[model.jnt_bodyid[joints[0]]]
    hanging = [i for i in range(model.njnt) if model.body_rootid[model.jnt_bodyid[i]] == root and i not in joints]
    return [int(model.jnt_qposadr[i]) for i in hanging]
